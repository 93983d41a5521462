"""Commands: wrong input is answered with a sentence, a repeated message does nothing more."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bots.commands import NAMES, Command, Commands, render_help
from core.conversation import Author, ThreadKey
from core.errors import OverloadedError
from core.gate import Gate
from core.limits.quotas import Measure, Period, Quotas, Rule, Scope
from core.providers.base import ModelRef
from core.run import TurnOptions
from core.store.sqlite import open_sqlite
from core.threads import Threads
from core.turns import Turns
from tests.fakes import ADA, FakeModels, RecordingSinks, make_incoming

KEY = ThreadKey("test", "w1", "c1", "t1")


class Desk:
    """Commands over a real store, with a conversation that can be had."""

    def __init__(self, turns: Turns, threads: Threads, commands: Commands, models: FakeModels):
        self.turns, self.threads, self.commands, self.models = turns, threads, commands, models
        self.sinks = RecordingSinks()
        turns.attach("test", self.sinks.open_sink)

    async def ask(self, text: str, number: int) -> None:
        await self.turns.submit(make_incoming(text, number=number))
        assert await self.turns.wait_idle(timedelta(seconds=20))


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    models = FakeModels()
    async with (
        open_sqlite(f"sqlite:///{tmp_path / 'skein.db'}") as store,
        Turns(store, models, TurnOptions("")) as turns,
    ):
        threads = Threads(store, models, turns)
        yield Desk(turns, threads, Commands(threads, store), models)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("!clear", Command("clear")),
        ("  !CLEAR  ", Command("clear")),
        ("!model gpt-4o", Command("model", "gpt-4o")),
        ("!help", Command("help")),
        ("", Command("help")),
        ("!important: read this", None),
        ("clear the table", None),
        ("please !clear", None),
    ],
)
def test_a_command_is_read_from_a_message(desk: Desk, text: str, command: Command | None):
    assert desk.commands.parse(text) == command


async def test_clear_forgets_and_says_so(desk: Desk):
    await desk.ask("remember me", 0)
    assert "Cleared" in await desk.commands.run(Command("clear"), KEY)
    await desk.ask("who am I?", 1)
    assert [message.text for message in desk.models.requests[-1].messages] == ["who am I?"]


async def test_clear_of_nothing_says_so(desk: Desk):
    assert "nothing to clear" in await desk.commands.run(Command("clear"), KEY)


async def test_a_clear_that_is_delivered_again_does_not_forget_what_came_later(desk: Desk):
    await desk.ask("old", 0)
    typed = make_incoming("!clear", number=1)
    assert await desk.commands.run_once(Command("clear"), typed)
    await desk.ask("new", 2)
    assert await desk.commands.run_once(Command("clear"), typed) is None
    await desk.ask("newer", 3)
    assert desk.models.requests[-1].messages[0].text == "new"


async def test_a_model_that_was_chosen_since_outlives_an_earlier_choice_delivered_again(desk: Desk):
    earlier, later = make_incoming("!model other", number=1), make_incoming("!model", number=2)
    await desk.commands.run_once(Command("model", "other"), earlier)
    await desk.commands.run_once(Command("model", "fake/model"), later)
    assert await desk.commands.run_once(Command("model", "other"), earlier) is None
    assert "**fake/model** answers" in await desk.commands.run(Command("model"), KEY)


async def test_a_typed_command_is_no_message_of_the_conversation(desk: Desk):
    await desk.ask("hello", 0)
    await desk.commands.run_once(Command("help"), make_incoming("!help", number=1))
    assert len(await desk.threads.history(KEY)) == 2


async def test_model_says_which_answers_and_what_else_there_is(desk: Desk):
    answer = await desk.commands.run(Command("model"), KEY)
    assert "**fake/model** answers" in answer
    assert "`other`" in answer


async def test_model_chooses_and_returns_to_the_default(desk: Desk):
    assert "**fake/other**" in await desk.commands.run(Command("model", "other"), KEY)
    assert "**fake/other** answers" in await desk.commands.run(Command("model"), KEY)
    assert "**fake/model**" in await desk.commands.run(Command("model", "default"), KEY)


async def test_an_unknown_model_is_answered_with_the_closest(desk: Desk):
    answer = await desk.commands.run(Command("model", "fake/modle"), KEY)
    assert "fake/model" in answer
    assert "**fake/model** answers" in await desk.commands.run(Command("model"), KEY)


async def test_help_is_help(desk: Desk):
    assert await desk.commands.run(Command("help"), KEY) == render_help("test", "!")


async def test_of_many_models_the_first_are_named_and_how_to_find_the_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    names = tuple(f"openrouter/maker/model-{number}" for number in range(300))
    monkeypatch.setattr(desk.models, "list_models", lambda: names)
    said = await run(desk, "!model")
    assert "`openrouter/maker/model-14`, or `default`" in said
    assert "model-15" not in said
    assert "There are 285 more: `!model PART`" in said


async def test_a_model_that_its_server_has_only_now_can_be_chosen(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    late = ModelRef("fake", "late", 8000)

    async def look_again() -> None:
        monkeypatch.setattr(desk.models, "get_model", lambda _: late)

    monkeypatch.setattr(desk.models, "look_again", look_again)
    assert (
        await run(desk, "!model late") == "From here on **fake/late** answers in this conversation."
    )


def test_models_are_completed_with_what_begins_so_first(desk: Desk):
    assert desk.commands.choices("model", "o") == ["other", "fake/model"]
    assert desk.commands.choices("model", "zzz") == []
    assert desk.commands.choices("clear", "") == []


async def run(desk: Desk, text: str, about: str = "") -> str:
    command = desk.commands.parse(text)
    assert command
    command = replace(command, about=about, author=Author("U1", "Ada"))
    return await desk.commands.run(command, KEY)


async def test_history_shows_what_the_next_question_sends(desk: Desk):
    assert "Nothing was said here yet" in await run(desk, "!history")
    await desk.ask("how tall is the tower?", 1)
    await run(desk, "!prompt Answer in feet.")
    await run(desk, "!pin We are in Paris.")
    text = await run(desk, "!history")
    assert "goes to **fake/model**" in text
    assert "- the prompt: for this conversation" in text
    assert "- 1 pin\n" in text
    assert "  - Ada: how tall is the tower?\n  - I: Answer to how tall is the tower?" in text
    assert "Left out" not in text


async def test_compact_tells_what_it_saved_and_history_what_it_wrote(desk: Desk):
    assert "nothing to sum up" in await run(desk, "!compact")
    await desk.ask("one", 1)
    assert "nothing to sum up" in await run(desk, "!compact")
    desk.models.answer = lambda request: "short" if request.purpose == "summary" else "long " * 300
    await desk.ask("two", 2)
    await desk.ask("three", 3)
    text = await run(desk, "!compact")
    assert text.startswith("I keep a summary of 4 older messages now. That saves about ")
    text = await run(desk, "!history")
    assert "- a summary of 4 older messages" in text
    assert "- the newest 2 messages" in text
    assert text.endswith("**Summary**\n> short")


async def test_compact_that_a_model_refuses_is_told(desk: Desk):
    for number in range(2):
        await desk.ask("hello", number)
    desk.models.answer = lambda _: OverloadedError("fake/model", "no")
    assert "overloaded" in await run(desk, "!compact")


async def test_the_last_message_a_text_and_a_message_that_is_meant_can_be_pinned(desk: Desk):
    assert "don't know that message" in await run(desk, "!pin")
    await desk.ask("hello", 1)
    assert await run(desk, "!pin") == "Pinned as number 1: “Answer to hello”"
    assert await run(desk, "!pin", about="t1-1") == "Pinned as number 2: “hello”"
    assert await run(desk, "!pin  keep `this`") == "Pinned as number 3: “keep 'this'”"
    assert "don't know that message" in await run(desk, "!pin", about="t1-9")
    assert "1. Answer to hello\n2. hello\n3. keep 'this'" in await run(desk, "!pins")
    assert await run(desk, "!unpin 2") == "1 pin removed."
    assert "no such pin" in await run(desk, "!unpin #2")
    assert await run(desk, "!unpin all") == "2 pins removed."
    assert "Nothing is pinned" in await run(desk, "!pins")


async def test_pins_have_a_size_and_a_number(desk: Desk):
    assert "too long" in await run(desk, "!pin " + "x" * 1001)
    for number in range(20):
        assert "Pinned" in await run(desk, f"!pin number {number}")
    assert "There are 20 pins already" in await run(desk, "!pin one more")


@pytest.mark.parametrize("text", ["!unpin", "!unpin first", "!unpin 9999999999", "!unpin -1"])
async def test_an_unpin_that_names_none_says_how(desk: Desk, text: str):
    assert "`!unpin NUMBER`" in await run(desk, text)


async def test_a_prompt_is_shown_set_and_taken_back(desk: Desk):
    assert "I am told nothing" in await run(desk, "!prompt")
    assert "too long" in await run(desk, "!prompt " + "x" * 4001)
    assert "From here on" in await run(desk, "!prompt Answer in verse.\nAlways.")
    assert "> Answer in verse.\n> Always." in await run(desk, "!prompt")
    await desk.ask("hello", 1)
    assert desk.models.requests[-1].system == "Answer in verse.\nAlways."
    await run(desk, "!prompt default")
    await desk.ask("hello", 2)
    assert desk.models.requests[-1].system is None
    assert desk.models.requests[-1].messages[0].text == "hello"


async def test_a_pin_given_as_a_message_names_who_gave_it(desk: Desk):
    typed = make_incoming("!pin the code is 4711", number=5)
    command = desk.commands.read(typed)
    assert command
    assert await desk.commands.run_once(command, typed)
    await desk.ask("hello", 6)
    assert "- Ada: the code is 4711" in desk.models.requests[-1].messages[0].text


async def test_usage_tells_a_person_what_they_used(desk: Desk):
    await desk.ask("Hello", 0)
    answer = await desk.commands.run(Command("usage", author=ADA), make_incoming("").key)
    assert "Today you used" in answer
    assert "No limits hold for you here" in answer


async def test_usage_tells_what_is_left_and_counts_for_nothing_itself(tmp_path: Path):
    rule = Rule(Scope.USER, Measure.MESSAGES, Period.MONTH)
    models = FakeModels()
    async with open_sqlite(f"sqlite:///{tmp_path / 'skein.db'}") as store:
        gate = Gate(store, get_quotas=lambda: Quotas({rule: 50}))
        async with Turns(store, models, TurnOptions(""), gate=gate) as turns:
            commands = Commands(Threads(store, models, turns), store)
            answers = [
                await commands.run_once(Command("usage"), make_incoming("!usage", number=number))
                for number in range(3)
            ]
    assert "- You may use 50 messages a month: 50 messages left" in (answers[-1] or "")


async def test_usage_of_nobody_is_refused_with_a_word(desk: Desk):
    assert "can't tell who is asking" in await desk.commands.run(Command("usage"), KEY)


@pytest.mark.parametrize(
    ("platform", "sign"), [("slack", "!"), ("discord", "/"), ("console", "/"), ("test", "!")]
)
@pytest.mark.parametrize(
    "text",
    ["!help", "!model", "!pin", "!pins", "!unpin", "!unpin 7", "!prompt", "!prompt --server"],
)
async def test_an_answer_names_commands_as_they_are_written_where_it_is_read(
    desk: Desk, platform: str, sign: str, text: str
):
    command = desk.commands.parse(text)
    assert command
    said = await desk.commands.run(command, replace(KEY, platform=platform))
    named = set(re.findall(rf"`([^\w\s]?)(?:{'|'.join(NAMES)})\b", said.partition("\n\nIn a ")[0]))
    assert named - {""} == {sign}
    assert "`clear`" in said if (platform, text) == ("console", "!help") else "" not in named


async def test_a_slash_command_outside_of_threads_is_answered_with_slash_commands(desk: Desk):
    said = await desk.commands.run(Command("pins", sign="/"), replace(KEY, platform="slack"))
    assert "`/pin TEXT`" in said


async def test_a_server_is_called_a_server_on_discord(desk: Desk):
    said = await desk.commands.run(
        Command("prompt", "--workspace"), replace(KEY, platform="discord")
    )
    assert "`/prompt --server TEXT`" in said
