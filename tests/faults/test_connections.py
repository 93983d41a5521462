"""Event connections that break in the middle of turns, and events that come again and again."""

from __future__ import annotations

import asyncio

import pytest

from tests.core.providers.scripted_server import Answer
from tests.faults.stage import PLATFORMS, Stage, whole

STORM = 5
DOUBLINGS = 2


async def ask_over_a_break(stage: Stage, platform: str, how: str) -> None:
    """Break the connection while one question is answered; ask another before it stands again."""
    place, other = stage.place(platform), stage.place(platform, "random")
    gate = asyncio.Event()
    stage.model.play(Answer("The answer to q1 ", gate, "is here, all of it."))
    async with stage.running(platform):
        await place.ask("what is q1?")
        await place.wait_for_torso("The answer to q1")
        match how:
            case "refreshed":
                await stage.slack.request_refresh()
            case "reconnect":
                await stage.discord.request_reconnect()
            case "forgotten":
                await stage.discord.drop_connections(resumable=False)
            case _:
                await stage.simulation(platform).drop_connections()
        await place.ask("what is q2?")
        await other.ask("what is q3?")
        gate.set()
        await place.wait_for(whole("q1"))
        await place.wait_for(whole("q2"))
        await other.wait_for(whole("q3"))
    assert (len(place.replies()), len(other.replies())) == (2, 1)
    await stage.check(platform)


@pytest.mark.parametrize("how", ["dropped", "refreshed"])
async def test_a_break_of_socket_mode_loses_no_question(stage: Stage, how: str):
    await ask_over_a_break(stage, "slack", how)


@pytest.mark.parametrize("how", ["resumed", "reconnect", "forgotten"])
async def test_a_break_of_the_gateway_loses_no_question(stage: Stage, how: str):
    await ask_over_a_break(stage, "discord", how)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_storm_of_redelivered_events_makes_no_second_reply(stage: Stage, platform: str):
    place = stage.place(platform)
    gate = asyncio.Event()
    stage.model.play(Answer("The answer to q1 ", gate, "is here, all of it."))
    async with stage.running(platform):
        asked = await place.ask("what is q1?")
        await stage.model.wait_for_requests(1)
        await redeliver(stage, platform, asked)
        gate.set()
        await place.wait_for(whole("q1"))
        await redeliver(stage, platform, asked)
        await place.ask("what is q2?")
        await place.wait_for(whole("q2"))
    async with stage.running(platform):
        await redeliver(stage, platform, asked)
        await place.ask("what is q3?")
        await place.wait_for(whole("q3"))
    assert len(stage.model.requests) == len(place.replies()) == 3
    await stage.check(platform)


async def redeliver(stage: Stage, platform: str, message: str) -> None:
    """Send a message's events again and again, all at once. On Slack each time doubles them."""
    if platform == "slack":
        await asyncio.gather(*[stage.slack.redeliver(message) for _ in range(DOUBLINGS)])
    else:
        for _ in range(STORM):
            await stage.discord.redeliver(message)
