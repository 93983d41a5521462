"""The whole way, on both platforms: `skein run` as a process, real SDKs, real sockets, a model server."""

import asyncio
import re
from itertools import pairwise

import pytest

from tests.bots.playground.openapi import find_problems
from tests.core.providers.scripted_server import Answer, Cut, Json, Refuse
from tests.e2e.conftest import World

pytestmark = pytest.mark.parametrize("platform", ["slack", "discord"])


def echo(payload: Json) -> Answer:
    """Answer with the question and with how much of the conversation came along."""
    said = [message["content"] for message in payload["messages"] if message["role"] == "user"]
    return Answer(f"You said {said[-1]!r}, ", f"question {len(said)}.")


@pytest.fixture(autouse=True)
def echoing(world: World):
    world.model.default = echo


async def test_a_mention_is_answered_and_followed_up_and_remembered(world: World, platform: str):
    async with world.skein(platform):
        place = world.place(platform)
        await place.ask("my cat is called Fig")
        await place.wait_for("You said 'my cat is called Fig', question 1.")
        await place.ask("and what is she called?")
        await place.wait_for("question 2.")
        assert len(place.replies()) == 2
        texts = world.model.requests[-1].texts
        assert texts[0] == "my cat is called Fig"
        assert texts[1].endswith("question 1.")


async def test_another_place_does_not_see_the_first(world: World, platform: str):
    async with world.skein(platform):
        first, second = world.place(platform), world.place(platform, "random")
        await first.ask("the secret is 4711")
        await first.wait_for("question 1.")
        await second.ask("what is the secret?")
        await second.wait_for("question 1.")
        assert "4711" not in str(world.model.requests[-1].payload)


async def test_a_restart_remembers(world: World, platform: str):
    place = world.place(platform)
    async with world.skein(platform) as program:
        await place.ask("remember the milk")
        await place.wait_for("question 1.")
        program.terminate()
        assert await program.wait() == 0
    async with world.skein(platform):
        await place.ask("what was it?")
        await place.wait_for("question 2.")
        assert world.model.requests[-1].texts[0] == "remember the milk"


async def test_a_kill_in_the_middle_of_an_answer_leaves_one_whole_reply(
    world: World, platform: str
):
    first, second = asyncio.Event(), asyncio.Event()
    world.model.play(Answer("An answer begins ", first, "and goes on ", second, "unheard."))
    place = world.place(platform)
    async with world.skein(platform) as program:
        asked = await place.ask("are you there?")
        await place.wait_for_torso("begins")
        first.set()
        await place.wait_for_torso("goes on")
        program.kill()
        await program.wait()
    async with world.skein(platform):
        await place.wait_for("You said 'are you there?', question 1.", after=asked)
        assert len(place.replies()) == 1
        assert "begins" not in place.replies()[0]["text"]


async def test_what_is_asked_while_stopping_is_answered_after_the_start(
    world: World, platform: str
):
    gate = asyncio.Event()
    world.model.play(Answer("slowly ", gate, "done."))
    place = world.place(platform)
    async with world.skein(platform) as program:
        await place.ask("take your time")
        await world.model.wait_for_requests(1)
        program.terminate()
        await program.wait_for_line("SIGTERM")
        gate.set()
        assert await program.wait() == 0
        await place.wait_for("slowly done.")


async def test_typed_clear_forgets(world: World, platform: str):
    async with world.skein(platform):
        place = world.place(platform)
        await place.ask("forget me")
        await place.wait_for("question 1.")
        await place.ask("!clear")
        await place.wait_for("Cleared")
        await place.ask("who am I?")
        await place.wait_for("'who am I?', question 1.")
        assert "forget me" not in str(world.model.requests[-1].payload)


async def test_typed_model_chooses_who_answers(world: World, platform: str):
    async with world.skein(platform, MODEL=""):
        place = world.place(platform)
        await place.ask("hello")
        await place.wait_for("question 1.")
        await place.ask("!model openai/better")
        await place.wait_for("openai/better")
        await place.ask("and now?")
        await place.wait_for("question 2.")
        assert [request.payload["model"] for request in world.model.requests] == [
            "scripted-large",  # the first that the server has
            "better",
        ]


async def test_a_long_answer_arrives_whole_and_in_order(world: World, platform: str):
    lines = [f"{number:04} " + "word " * 12 for number in range(400)]
    code = ["```python", *(f"line_{number} = {number}" for number in range(300)), "```"]
    text = "\n".join([*lines, *code, "the very end"])
    pieces = [text[at : at + 700] for at in range(0, len(text), 700)]
    world.model.play(Answer(*pieces))
    async with world.skein(platform, ANSWER_FILE_CHARACTERS="0"):
        place = world.place(platform)
        await place.ask("tell me everything")
        await place.wait_for("the very end")
        bodies = [view["text"] for view in place.replies()]
        whole = "\n".join(bodies)
        numbers = [int(found) for found in re.findall(r"^(\d{4}) word", whole, re.MULTILINE)]
        assert numbers == list(range(400))
        assert [int(found) for found in re.findall(r"line_(\d+) =", whole)] == list(range(300))
        assert all(body.count("```") % 2 == 0 for body in bodies)
        assert all(
            int(a["id"].replace(".", "")) < int(b["id"].replace(".", ""))
            for a, b in pairwise(place.replies())
        )


async def test_a_refused_question_is_told_and_the_thread_goes_on(world: World, platform: str):
    world.model.play(Refuse(400, "the prompt is odd", "invalid_request_error"))
    async with world.skein(platform) as program:
        place = world.place(platform)
        await place.ask("odd question")
        reply = await place.wait_for("refused this question")
        assert "the prompt is odd" not in reply["text"]
        await program.wait_for_line("the prompt is odd")
        await place.ask("fine question")
        await place.wait_for("'fine question', question 1.")


async def test_a_wrong_key_is_told_without_the_key(world: World, platform: str):
    world.model.key = "sk-right"
    async with world.skein(platform, OPENAI_API_KEY="sk-wrong-and-secret") as program:
        place = world.place(platform)
        await place.ask("hello?")
        await place.wait_for("its key is refused")
        await program.wait_for_line("AuthError")
        assert "sk-wrong-and-secret" not in program.output


async def test_an_overloaded_model_is_asked_again(world: World, platform: str):
    world.model.play(Refuse(503), Refuse(429, headers={"retry-after": "0.1"}))
    async with world.skein(platform):
        place = world.place(platform)
        await place.ask("again?")
        await place.wait_for("question 1.")
        assert len(place.replies()) == 1


async def test_an_answer_that_breaks_off_says_so_and_stays_in_the_conversation(
    world: World, platform: str
):
    world.model.play(Answer("It begins well, ", Cut()))
    async with world.skein(platform):
        place = world.place(platform)
        await place.ask("go")
        reply = await place.wait_for("broke off here")
        assert "It begins well," in reply["text"]
        assert len(place.replies()) == 1
        await place.ask("go on")
        await place.wait_for("question 2.")
        assert "It begins well," in world.model.requests[-1].texts[1]


async def test_conversations_are_answered_side_by_side(world: World, platform: str):
    gate = asyncio.Event()
    world.model.play(Answer("slow ", gate, "one."))
    async with world.skein(platform):
        slow, quick = world.place(platform), world.place(platform, "random")
        await slow.ask("take your time")
        await world.model.wait_for_requests(1)
        await quick.ask("be quick")
        await quick.wait_for("question 1.")
        gate.set()
        await slow.wait_for("slow one.")


async def test_an_answer_pings_nobody(world: World, platform: str):
    world.model.play(Answer("Hello @everyone, @here, ", "<!channel> and <!subteam^S1>."))
    async with world.skein(platform):
        place = world.place(platform)
        await place.ask("who should know?")
        reply = await place.wait_for("Hello")
        if platform == "slack":
            assert not re.search(r"<!(channel|here|everyone|subteam)\b", reply["text"])
        posts = [call for call in world.discord.calls if call.name.endswith("/messages")]
        assert all(post.body["allowed_mentions"]["parse"] == [] for post in posts if post.body)
        assert find_problems(world.discord.calls) == []
