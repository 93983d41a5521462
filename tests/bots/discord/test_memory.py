"""The memory's commands on Discord: as slash commands, and in reply to what is meant."""

from __future__ import annotations

import asyncio

import pytest

from bots.playground.discord import ADA, GENERAL_CHANNEL
from tests.bots.discord.kit import Skein

REGISTER = "PUT /applications/*/commands"


@pytest.fixture
async def declared(skein: Skein) -> Skein:
    await skein.server.wait_for_call(REGISTER)
    return skein


async def test_pin_in_reply_pins_what_it_replies_to(skein: Skein) -> None:
    await skein.ask("@skein the code is 4711")
    said = skein.server.snapshot()["messages"]
    question = next(view["id"] for view in said if "4711" in view["text"])
    await skein.server.say("Ada", GENERAL_CHANNEL, "@skein !pin", reply_to=question)
    reply = await skein.server.wait_for_reply(GENERAL_CHANNEL, "Pinned as number 1")
    assert reply["text"] == "Pinned as number 1: “the code is 4711”"


async def test_slash_commands_pin_list_and_let_go(declared: Skein) -> None:
    await declared.ask("@skein hello")
    assert await declared.server.command("Ada", GENERAL_CHANNEL, "pin", "We ship on Friday.") == ""
    pinned = await declared.server.wait_for_reply(GENERAL_CHANNEL, "Pinned as number 1")
    assert pinned["visible_to"] == ""
    await declared.server.command("Ada", GENERAL_CHANNEL, "pins")
    listed = await declared.server.wait_for_reply(GENERAL_CHANNEL, "1. We ship on Friday.")
    assert listed["visible_to"] == ADA
    await declared.ask("@skein when?")
    assert "- Ada: We ship on Friday." in declared.models.requests[-1].messages[0].text
    await declared.server.command("Ada", GENERAL_CHANNEL, "unpin", "1")
    await declared.server.wait_for_reply(GENERAL_CHANNEL, "1 pin removed")


async def test_history_is_seen_by_the_one_who_looks(declared: Skein) -> None:
    await declared.ask("@skein hello")
    await declared.server.command("Ada", GENERAL_CHANNEL, "history")
    reply = await declared.server.wait_for_reply(GENERAL_CHANNEL, "The next question goes to")
    assert reply["visible_to"] == ADA


async def test_compact_tells_what_it_saved(declared: Skein) -> None:
    for number in range(3):
        await declared.ask(f"@skein question {number}")
    await declared.server.command("Ada", GENERAL_CHANNEL, "compact")
    await declared.server.wait_for_reply(
        GENERAL_CHANNEL, "I keep a summary of 4 older messages now"
    )


async def test_nobody_waits_for_a_conversation_that_is_summed_up(skein: Skein) -> None:
    for number in range(3):
        await skein.ask(f"@skein question {number}")
    has_begun, may_end = asyncio.Event(), asyncio.Event()

    async def wait_in_a_summary() -> None:
        if skein.models.requests[-1].purpose == "summary":
            has_begun.set()
            await may_end.wait()

    skein.models.on_answered = wait_in_a_summary
    async with asyncio.timeout(20):
        await skein.server.say("Ada", GENERAL_CHANNEL, "@skein !compact")
        await has_begun.wait()
        assert (await skein.ask("@skein hello"))["text"] == "Answer to hello"
        may_end.set()
        await skein.server.wait_for_reply(GENERAL_CHANNEL, "I keep a summary of 4 older messages")


async def test_prompt_is_told_to_the_model(declared: Skein) -> None:
    await declared.server.command("Ada", GENERAL_CHANNEL, "prompt", "Answer in verse.")
    await declared.server.wait_for_reply(GENERAL_CHANNEL, "From here on")
    await declared.ask("@skein hello")
    assert declared.models.requests[-1].system is not None
    assert declared.models.requests[-1].system.endswith("Answer in verse.")
