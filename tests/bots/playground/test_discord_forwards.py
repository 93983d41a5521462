"""Forwarded messages and stickers of the simulated Discord, as a real discord.py client gets them."""

from __future__ import annotations

import pytest

from bots.playground.base import SentFile
from bots.playground.discord import GENERAL_CHANNEL, SimulatedDiscord
from tests.bots.playground.discord_kit import ADA_DM, RecordingBot, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOTES = SentFile("notes.txt", "text/plain", b"the harbour closes at nine")


async def test_forward_carries_what_was_said_and_its_files(
    server: SimulatedDiscord, bot: RecordingBot
) -> None:
    asked = await server.say("Grace", GENERAL_CHANNEL, "minutes of today", files=[NOTES])
    forwarded = await server.forward("Ada", asked, ADA_DM)
    message = await bot.next("message", id=int(forwarded))
    (snapshot,) = message.message_snapshots
    assert (message.content, snapshot.content) == ("", "minutes of today")
    assert snapshot.attachments[0].filename == "notes.txt"
    assert await snapshot.attachments[0].read() == NOTES.content
    assert str(message.reference.message_id) == asked
    assert message.flags.forwarded
    shown = next(each for each in server.snapshot()["messages"] if each["id"] == forwarded)
    assert "> minutes of today" in shown["text"]
    assert [file["name"] for file in shown["files"]] == ["notes.txt"]


async def test_forward_stays_as_it_was_and_can_be_passed_on(
    server: SimulatedDiscord, bot: RecordingBot
) -> None:
    asked = await server.say("Grace", GENERAL_CHANNEL, "at nine")
    forwarded = await server.forward("Ada", asked, ADA_DM, "what does this mean?")
    await server.edit(asked, "at ten")
    again = await server.forward("Ada", forwarded, GENERAL_CHANNEL)
    message = await bot.next("message", id=int(again))
    assert message.message_snapshots[0].content == "at nine"
    last = [each for each in server.snapshot()["messages"] if each["channel"] == ADA_DM][-1]
    assert last["text"] == "what does this mean?"


async def test_sticker_comes_with_its_name(server: SimulatedDiscord, bot: RecordingBot) -> None:
    posted = await server.send_sticker("Ada", GENERAL_CHANNEL, "Wave")
    message = await bot.next("message", id=int(posted))
    assert [sticker.name for sticker in message.stickers] == ["Wave"]


async def test_forwards_and_stickers_outlive_a_restart() -> None:
    async with served() as (server, _):
        asked = await server.say("Ada", GENERAL_CHANNEL, "at nine")
        await server.forward("Ada", asked, ADA_DM)
        await server.send_sticker("Ada", GENERAL_CHANNEL, "Wave")
        other = SimulatedDiscord()
        other.restore(server.dump())
        assert other.snapshot()["messages"] == server.snapshot()["messages"]


async def test_note_of_the_platform_is_not_forwarded() -> None:
    async with served() as (server, _):
        await server.start_thread("Ada", GENERAL_CHANNEL, "sailing")
        note = server.snapshot()["messages"][-1]["id"]
        with pytest.raises(ValueError, match="cannot be forwarded"):
            await server.forward("Ada", note, ADA_DM)
