"""What was said while the bot was away is read when it comes back, and answered once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from discord.utils import time_snowflake

from bots.discord.catch_up import MAX_MESSAGES, find_places
from bots.discord.client import BotClient
from bots.discord.lenient import complete_guild
from bots.playground.base import Fault
from bots.playground.discord import (
    ASK_SKEIN_CHANNEL,
    GENERAL_CHANNEL,
    RANDOM_CHANNEL,
    SimulatedDiscord,
    permissions,
)
from core.conversation import TurnState
from tests.bots.discord.kit import SOON, Skein, running_skein

DM = "1191168811600000301"


async def whole(skein: Skein, count: int) -> list[str]:
    """Wait until so many replies stand, and give their texts."""

    def is_enough(_: object) -> bool:
        return len(skein.replies()) >= count

    if len(skein.replies()) < count:
        await skein.server.wait_for_message(is_enough, SOON)
    await skein.settle()
    return sorted(view["text"] for view in skein.replies())


async def test_what_was_asked_while_it_was_down_is_answered(
    server: SimulatedDiscord, tmp_path: Path
):
    await server.say("Ada", GENERAL_CHANNEL, "@skein anybody home?")
    await server.say("Ada", RANDOM_CHANNEL, "not for the bot")
    await server.say("Grace", ASK_SKEIN_CHANNEL, "no mention needed here")
    async with running_skein(server, tmp_path, discord_channels=ASK_SKEIN_CHANNEL) as skein:
        assert await whole(skein, 2) == [
            "Answer to anybody home?",
            "Answer to no mention needed here",
        ]


async def test_what_was_asked_while_it_was_down_is_answered_before_what_is_asked_now(
    server: SimulatedDiscord, tmp_path: Path
):
    look = f"GET /channels/{GENERAL_CHANNEL}/messages"
    server.faults.add(Fault(look, delay=timedelta(seconds=1), is_slow_only=True))
    await server.say("Ada", GENERAL_CHANNEL, "@skein first")
    async with running_skein(server, tmp_path) as skein:
        await server.say("Ada", GENERAL_CHANNEL, "@skein second")
        await whole(skein, 2)
    assert [view["text"] for view in skein.replies()] == ["Answer to first", "Answer to second"]


async def test_what_somebody_unknown_wrote_directly_while_it_was_down_is_answered_when_they_write_again(
    server: SimulatedDiscord, tmp_path: Path
):
    await server.say("Ada", DM, "first")
    async with running_skein(server, tmp_path) as skein:
        for text in ("second", "third"):
            await server.say("Ada", DM, text)
        await whole(skein, 3)
    assert [view["text"] for view in skein.replies()] == [
        f"Answer to {text}" for text in ("first", "second", "third")
    ]


async def test_what_somebody_unknown_writes_directly_waits_for_no_other_place(
    server: SimulatedDiscord, tmp_path: Path
):
    """Were this process killed before it is recorded, no other one would find it."""
    look = f"GET /channels/{GENERAL_CHANNEL}/messages"
    server.faults.add(Fault(look, delay=timedelta(seconds=4), is_slow_only=True))
    await server.say("Ada", GENERAL_CHANNEL, "@skein hello")
    async with running_skein(server, tmp_path) as skein:
        await server.say("Ada", DM, "is anybody there?")
        await whole(skein, 2)
    views = sorted(skein.replies(), key=lambda view: int(view["id"]))
    assert [view["text"] for view in views] == ["Answer to is anybody there?", "Answer to hello"]


async def test_a_server_that_tells_its_channels_late_is_waited_for(
    server: SimulatedDiscord, tmp_path: Path
):
    server.world.guild_seconds = 0.5
    await server.say("Ada", RANDOM_CHANNEL, "@skein anybody home?")
    async with running_skein(server, tmp_path) as skein:
        assert await whole(skein, 1) == ["Answer to anybody home?"]


async def test_it_is_answered_once_however_often_the_bot_comes_back(
    server: SimulatedDiscord, tmp_path: Path
):
    for number in range(3):
        await server.say("Ada", GENERAL_CHANNEL, f"@skein question {number}")
        async with running_skein(server, tmp_path) as skein:
            assert len(await whole(skein, number + 1)) == number + 1


async def test_a_direct_message_is_found_where_the_bot_was_spoken_to_before(
    server: SimulatedDiscord, tmp_path: Path
):
    async with running_skein(server, tmp_path) as skein:
        await skein.ask("hello", DM)
    await server.say("Ada", DM, "are you there?")
    async with running_skein(server, tmp_path) as skein:
        assert "Answer to are you there?" in await whole(skein, 2)


async def test_an_archived_thread_is_found_likewise(server: SimulatedDiscord, tmp_path: Path):
    thread = await server.start_thread("Ada", GENERAL_CHANNEL, "knitting")
    async with running_skein(server, tmp_path) as skein:
        await skein.ask("@skein hello", thread)
    await server.say("Ada", thread, "and then?")
    await server.archive_thread(thread)
    async with running_skein(server, tmp_path) as skein:
        assert await whole(skein, 2) == ["Answer to and then?", "Answer to hello"]


async def test_what_a_session_that_cannot_be_resumed_missed_is_answered(
    server: SimulatedDiscord, tmp_path: Path
):
    async with running_skein(server, tmp_path) as skein:
        await skein.ask("@skein hello")
        await server.drop_connections(resumable=False)
        await server.say("Ada", GENERAL_CHANNEL, "@skein into the gap")
        assert "Answer to into the gap" in await whole(skein, 2)


async def test_an_old_question_is_left_alone(server: SimulatedDiscord, tmp_path: Path):
    await server.say("Ada", GENERAL_CHANNEL, "@skein long ago")
    later = datetime.now(UTC) + timedelta(hours=1)
    async with running_skein(server, tmp_path, now=lambda: later) as skein:
        await skein.ask("@skein now")
        assert [view["text"] for view in skein.replies()] == ["Answer to now"]


async def test_a_place_that_cannot_be_read_keeps_no_other_from_being_caught_up(
    server: SimulatedDiscord, tmp_path: Path
):
    await server.say("Ada", RANDOM_CHANNEL, "@skein here?")
    await server.say("Ada", GENERAL_CHANNEL, "@skein there?")
    server.deny(RANDOM_CHANNEL, permissions.READ_MESSAGE_HISTORY)
    async with running_skein(server, tmp_path) as skein:
        assert "Answer to there?" in await whole(skein, 1)


async def test_a_turn_that_ran_is_not_run_again(server: SimulatedDiscord, tmp_path: Path):
    async with running_skein(server, tmp_path) as skein:
        await skein.ask("@skein once")
    async with running_skein(server, tmp_path) as skein:
        await skein.ask("@skein twice")
        assert len(skein.models.requests) == 1
        assert (await skein.turn()).state is TurnState.DONE


async def test_of_more_messages_than_are_read_the_newest_count(
    server: SimulatedDiscord, tmp_path: Path
):
    await server.say("Ada", GENERAL_CHANNEL, "@skein the oldest")
    for number in range(MAX_MESSAGES):
        await server.say("Grace", GENERAL_CHANNEL, f"chatter {number}")
    await server.say("Ada", GENERAL_CHANNEL, "@skein the newest")
    async with running_skein(server, tmp_path) as skein:
        assert await whole(skein, 1) == ["Answer to the newest"]


async def test_what_was_said_in_a_thread_before_the_bot_was_spoken_to_is_left(
    server: SimulatedDiscord, tmp_path: Path
):
    thread = await server.start_thread("Ada", GENERAL_CHANNEL, "plans")
    await server.say("Ada", thread, "not for the bot")
    await server.say("Grace", thread, "@skein hello")
    async with running_skein(server, tmp_path) as skein:
        assert await whole(skein, 1) == ["Answer to hello"]
    await server.say("Ada", thread, "and this?")
    async with running_skein(server, tmp_path) as skein:
        assert await whole(skein, 2) == ["Answer to Ada: and this?", "Answer to hello"]


@pytest.mark.parametrize("kind", [0, 2, 5, 13], ids=["text", "voice", "announcement", "stage"])
async def test_every_kind_of_channel_that_people_write_in_is_read(kind: int) -> None:
    now = datetime.now(UTC)
    client = BotClient()
    channel = {"id": "5", "type": kind, "last_message_id": str(time_snowflake(now))}
    client._connection._add_guild_from_data(  # pyright: ignore[reportPrivateUsage]
        complete_guild({"id": "1", "name": "", "channels": [channel]})  # pyright: ignore[reportArgumentType]
    )
    places = find_places(client, [], now - timedelta(hours=1))
    assert [getattr(place, "id", 0) for place in places] == [5]
