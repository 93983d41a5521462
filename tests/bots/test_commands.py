"""Commands: wrong input is answered with a sentence, a repeated message does nothing more."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bots.commands import HELP, Command, Commands
from core.conversation import ThreadKey
from core.run import TurnOptions
from core.store.sqlite import open_sqlite
from core.threads import Threads
from core.turns import Turns
from tests.fakes import FakeModels, RecordingSinks, make_incoming

KEY = ThreadKey("test", "w1", "c1", "t1")


class Desk:
    """Commands over a real store, with a conversation that can be had."""

    def __init__(self, turns: Turns, threads: Threads, commands: Commands, models: FakeModels):
        self.turns, self.threads, self.commands, self.models = turns, threads, commands, models
        self.sinks = RecordingSinks()
        turns.attach("test", self.sinks.open_sink)

    async def ask(self, text: str, number: int) -> None:
        await self.turns.submit(make_incoming(text, number=number))
        assert await self.turns.wait_idle(timedelta(seconds=10))


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
    assert await desk.commands.run(Command("help"), KEY) == HELP


def test_models_are_completed_with_what_begins_so_first(desk: Desk):
    assert desk.commands.choices("model", "o") == ["other", "fake/model"]
    assert desk.commands.choices("model", "zzz") == []
    assert desk.commands.choices("clear", "") == []
