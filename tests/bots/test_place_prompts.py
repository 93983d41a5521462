"""What a whole channel or workspace is told is set by admins alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bots.commands import Command, Commands
from core.conversation import Author, ThreadKey
from core.memory.memory import Memory
from core.run import TurnOptions
from core.store.sqlite import open_sqlite
from core.threads import Threads
from core.turns import Turns
from tests.fakes import ADA, FakeModels

KEY = ThreadKey("test", "w1", "c1", "t1")
OTHER = replace(KEY, thread="t2")


@pytest.fixture
async def commands(tmp_path: Path) -> AsyncIterator[Commands]:
    models, options = FakeModels(), TurnOptions("Be kind.")
    async with open_sqlite(f"sqlite:///{tmp_path / 'skein.db'}") as store:
        memory = Memory(store, models, options, admins=frozenset(["test:U1"]))
        async with Turns(store, models, options, memory=memory) as turns:
            yield Commands(Threads(store, models, turns), store)


async def run(commands: Commands, argument: str, author: Author | None = ADA) -> str:
    return await commands.run(Command("prompt", argument, author=author), KEY)


async def test_an_admin_sets_and_takes_back_what_a_channel_is_told(commands: Commands):
    assert "in this channel" in await run(commands, "--channel Rhyme.")
    assert "in this workspace" in await run(commands, "--server Be brief.")
    told = await commands.run(Command("prompt"), OTHER)
    assert told.index("> Be kind.") < told.index("> Be brief.") < told.index("> Rhyme.")
    assert "This channel has no prompt of its own" in await run(commands, "--channel default")
    assert "Rhyme" not in await commands.run(Command("prompt"), OTHER)


@pytest.mark.parametrize("author", [Author("U2", "Grace"), None])
async def test_nobody_else_does(commands: Commands, author: Author | None):
    assert "Only admins may say" in await run(commands, "--channel Rhyme.", author)
    assert "Rhyme" not in await run(commands, "")


async def test_a_place_without_a_text_says_how(commands: Commands):
    assert "`!prompt --workspace TEXT`" in await run(commands, "--workspace")
    assert "From here on this goes" in await run(commands, "Channel your inner pirate.")
