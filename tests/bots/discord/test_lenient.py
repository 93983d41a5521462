"""Servers other than Discord's own say less, and are understood all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from discord.utils import time_snowflake

from core.conversation import TurnState
from tests.bots.discord.kit import Skein, running_skein
from tests.bots.discord.sparse import ADA, BOT, SparseDiscord, serve_sparse


@pytest.fixture
async def sparse() -> AsyncIterator[SparseDiscord]:
    async with serve_sparse() as server:
        yield server


@pytest.fixture
async def skein(sparse: Any, tmp_path: Path) -> AsyncIterator[Skein]:
    async with running_skein(sparse, tmp_path, discord_channels="20") as skein:
        yield skein


async def test_a_bare_message_is_answered(sparse: SparseDiscord, skein: Skein) -> None:
    await sparse.say(1, f"<@{BOT}> hello")
    await sparse.wait_for_content("Answer to hello")
    await skein.settle()
    assert list(sparse.contents.values()) == ["Answer to hello"]
    assert (await skein.turn()).state is TurnState.DONE


async def test_an_answer_that_comes_back_as_an_event_is_not_answered(
    sparse: SparseDiscord, skein: Skein
) -> None:
    await sparse.say(1, "Answer to hello", author=BOT)
    await sparse.say(2, "hello")
    await sparse.wait_for_content("Answer to hello")
    await skein.settle()
    assert len(sparse.contents) == 1


@pytest.mark.parametrize(
    ("event", "data"),
    [
        ("MESSAGE_CREATE", {"id": "7"}),
        ("GUILD_CREATE", {"channels": [{"id": "20"}]}),
        ("INTERACTION_CREATE", {"id": "7"}),
        ("SOMETHING_NEW", None),
    ],
)
async def test_an_event_that_cannot_be_read_does_not_cost_the_connection(
    sparse: SparseDiscord, skein: Skein, event: str, data: Any
) -> None:
    await sparse.send(event, data)
    await sparse.say(1, "hello")
    await sparse.wait_for_content("Answer to hello")


@pytest.mark.parametrize(
    "place",
    [
        {"channels": [{"id": "20", "name": "talk", "type": 0}]},
        {"threads": [{"id": "20", "name": "talk", "parent_id": "21", "type": 11}]},
        {"channels": [{"id": "20", "name": "talk"}], "roles": [{"id": "10"}], "members": [{}]},
    ],
)
async def test_a_bare_server_tells_its_channels_names(
    sparse: Any, tmp_path: Path, place: Any
) -> None:
    async with running_skein(sparse, tmp_path, discord_channels="talk"):
        await sparse.send("GUILD_CREATE", {"id": "10", **place})
        await sparse.say(1, "hello")
        await sparse.wait_for_content("Answer to hello")


async def test_bare_messages_that_were_missed_are_answered(sparse: Any, tmp_path: Path) -> None:
    now = time_snowflake(datetime.now(UTC))
    where = {"channel_id": "20", "author": {"id": ADA}}
    sparse.guilds = [{"id": "10", "channels": [{"id": "20", "name": "talk"}]}]
    sparse.missed = [
        {"id": str(now + number), "content": f"<@{BOT}> {text}", **where}
        for number, text in enumerate(("first", "second"))
    ]
    async with running_skein(sparse, tmp_path) as skein:
        await sparse.wait_for_content("Answer to first")
        await sparse.wait_for_content("Answer to second")
        await skein.settle()


async def test_an_empty_server_means_a_direct_message(sparse: SparseDiscord, skein: Skein) -> None:
    await sparse.say(1, "hello", guild_id="", channel_id="20")
    await sparse.wait_for_content("Answer to hello")
    await skein.settle()
    assert (await skein.turn()).key.workspace == "@me"


async def test_commands_are_registered_where_none_can_be_listed(
    sparse: SparseDiscord, skein: Skein
) -> None:
    await sparse.wait_for_commands()
    assert {command["name"] for command in sparse.commands} >= {"clear", "model"}


@pytest.mark.parametrize("channel", [None, {"id": "20", "type": 0}, {"id": "20", "type": 11}])
async def test_a_bare_command_reaches_the_conversation_of_its_channel(
    sparse: SparseDiscord, skein: Skein, channel: Any
) -> None:
    await sparse.say(1, "hello")
    await sparse.wait_for_content("Answer to hello")
    await skein.settle()
    await sparse.command("clear", channel=channel)
    await sparse.wait_for_content("Cleared. I start afresh from here.")
    await sparse.say(2, "again")
    await sparse.wait_for_content("Answer to again")
    assert len(skein.models.requests[-1].messages) == 1
