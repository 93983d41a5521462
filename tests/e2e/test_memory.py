"""A long thread in a small window, on both platforms: what is sent fits, and what matters stays."""

import pytest

from core.tokens import estimate_tokens
from tests.core.providers.scripted_server import Answer, Json, Refuse
from tests.e2e.conftest import World

pytestmark = pytest.mark.parametrize("platform", ["slack", "discord"])

WINDOW = 600
ANSWER = 200
TURNS = 30


def is_summary(payload: Json) -> bool:
    return payload["messages"][0]["content"].startswith("You keep the memory of a chat.")


def answer(payload: Json) -> Answer:
    """Summarize by naming the last message; answer a question by its first word."""
    last = payload["messages"][-1]["content"]
    if is_summary(payload):
        told = [word for word in last.split() if word.startswith("#")]
        return Answer(f"They talked about {told[0]} to {told[-1]}.", usage=None)
    return Answer(f"Noted {last.rpartition('#')[2].split()[0]}. ", "word " * 30, usage=None)


def size(payload: Json) -> int:
    return sum(estimate_tokens(message["content"]) for message in payload["messages"])


async def test_thirty_turns_fit_are_summarized_and_keep_what_is_pinned(world: World, platform: str):
    world.model.default = answer
    small = {"MAX_CONTEXT_TOKENS": str(WINDOW), "MAX_NEW_TOKENS": str(ANSWER)}
    place = world.place(platform)
    async with world.skein(platform, **small):
        await place.ask("#fact the door code is 4711")
        await place.wait_for("Noted fact.")
        await place.ask("!pin the door code is 4711")
        await place.wait_for("Pinned as number 1")
        for number in range(TURNS):
            await place.ask(f"#{number} " + "word " * 15)
            await place.wait_for(f"Noted {number}.")
        await place.ask("!history")
        history = await place.wait_for("The next question goes to")
    asked = [request.payload for request in world.model.requests]
    answers = [payload for payload in asked if not is_summary(payload)]
    assert len(answers) == TURNS + 1
    assert max(map(size, answers)) <= WINDOW - ANSWER
    assert len(asked) - len(answers) >= 3
    last = answers[-1]["messages"]
    assert f"#{TURNS - 1} " in last[-1]["content"]
    assert "the door code is 4711" in str(last)
    assert "They talked about" in str(last)
    assert [message["role"] for message in last][:2] == ["system", "user"]
    assert "a summary of" in history["text"]
    assert "They talked about" in history["text"]


async def test_a_restart_keeps_summary_and_pins_and_clear_drops_them(world: World, platform: str):
    world.model.default = answer
    place = world.place(platform)
    async with world.skein(platform) as program:
        for number in range(3):
            await place.ask(f"#{number} " + "word " * 15)
            await place.wait_for(f"Noted {number}.")
        await place.ask("!pin #pin keep this")
        await place.wait_for("Pinned")
        await place.ask("!compact")
        await place.wait_for("I keep a summary of 4 older messages now")
        program.terminate()
        assert await program.wait() == 0
    async with world.skein(platform):
        await place.ask("#4 still there?")
        await place.wait_for("Noted 4.")
        [first, *_] = world.model.requests[-1].texts
        assert "They talked about #0 to #1." in first
        assert "#pin keep this" in first
        assert "#0 word" not in first
        await place.ask("!clear")
        await place.wait_for("Cleared")
        await place.ask("#5 and now?")
        await place.wait_for("Noted 5.")
        assert len(world.model.requests[-1].texts) == 1
        assert "<memory>" not in world.model.requests[-1].texts[0]


async def test_a_length_that_the_provider_refuses_is_asked_again_with_less(
    world: World, platform: str
):
    world.model.default = answer
    refusal = (
        "This model's maximum context length is 300 tokens. However, your messages resulted in 450 tokens. "
        "Please reduce the length of the messages."
    )
    place = world.place(platform)
    async with world.skein(platform, MAX_NEW_TOKENS="100"):
        for number in range(3):
            await place.ask(f"#{number} " + "word " * 40)
            await place.wait_for(f"Noted {number}.")
        world.model.play(Refuse(400, refusal, "invalid_request_error"))
        await place.ask("#9 what now?")
        await place.wait_for("Noted 9.")
        refused, taken = [r.payload for r in world.model.requests if not is_summary(r.payload)][-2:]
        assert refused["messages"][-1] == taken["messages"][-1]
        assert size(taken) <= 200 < size(refused)
