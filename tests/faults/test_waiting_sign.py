"""Who asks while the bot is busy in the thread sees at once that it was noticed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from bots.playground.base import Fault, Simulation
from tests.core.providers.scripted_server import Answer
from tests.e2e.places import Place
from tests.faults.stage import PLATFORMS, Stage, whole

pytestmark = pytest.mark.parametrize("platform", PLATFORMS)

EYES = "👀"
SOON = timedelta(seconds=20)


def reactions(simulation: Simulation, message: str) -> list[str]:
    views = simulation.snapshot()["messages"]
    return next(view["reactions"] for view in views if view["id"] == message)


async def wait_for_reactions(simulation: Simulation, message: str, wanted: list[str]) -> None:
    with simulation.feed.listen() as events:
        async with asyncio.timeout(SOON.total_seconds()):
            while reactions(simulation, message) != wanted:
                await events.get()


@asynccontextmanager
async def busy(stage: Stage, place: Place) -> AsyncGenerator[asyncio.Event]:
    """Let a first question be answered for as long as it takes."""
    go_on = asyncio.Event()
    stage.model.play(Answer("The answer to q1 ", go_on, "is here, all of it."))
    await place.ask("what is q1?")
    await place.wait_for_torso("The answer to q1")
    yield go_on


async def test_eyes_are_on_a_message_while_it_waits(stage: Stage, platform: str):
    place, simulation = stage.place(platform), stage.simulation(platform)
    async with stage.running(platform), busy(stage, place) as go_on:
        waiting = await place.ask("what is q2?")
        await wait_for_reactions(simulation, waiting, [EYES])
        go_on.set()
        await wait_for_reactions(simulation, waiting, [])
        await place.wait_for(whole("q2"))
    await stage.check(platform)


async def test_eyes_go_when_the_conversation_is_cleared(stage: Stage, platform: str):
    place, simulation = stage.place(platform), stage.simulation(platform)
    async with stage.running(platform), busy(stage, place):
        waiting = await place.ask("what is q2?")
        await wait_for_reactions(simulation, waiting, [EYES])
        await place.ask("!clear")
        await wait_for_reactions(simulation, waiting, [])


async def test_eyes_that_a_killed_process_left_are_taken_away(stage: Stage, platform: str):
    place, simulation = stage.place(platform), stage.simulation(platform)
    async with stage.running(platform) as program, busy(stage, place):
        waiting = await place.ask("what is q2?")
        await wait_for_reactions(simulation, waiting, [EYES])
        program.kill()
        await program.wait()
    async with stage.running(platform):
        await place.wait_for(whole("q2"))
        await wait_for_reactions(simulation, waiting, [])
    await stage.check(platform)


async def test_eyes_that_a_killed_process_left_go_from_all_that_one_reply_answers(
    stage: Stage, platform: str
):
    place, simulation = stage.place(platform), stage.simulation(platform)
    async with stage.running(platform, WAITING="merge") as program, busy(stage, place):
        waiting = [await place.ask(f"what is q{number}?") for number in (2, 3)]
        for message in waiting:
            await wait_for_reactions(simulation, message, [EYES])
        program.kill()
        await program.wait()
    async with stage.running(platform, WAITING="merge"):
        await place.wait_for(whole("q3"))
        for message in waiting:
            await wait_for_reactions(simulation, message, [])
    await stage.check(platform)


async def test_a_bot_that_may_not_react_answers_all_the_same(stage: Stage, platform: str):
    place, simulation = stage.place(platform), stage.simulation(platform)
    calls = "reactions.add" if platform == "slack" else "PUT /channels/*/reactions/*"
    status, code = (200, "missing_scope") if platform == "slack" else (403, "Missing Permissions")
    simulation.faults.add(Fault(calls, status, code, times=100))
    async with stage.running(platform) as program, busy(stage, place) as go_on:
        await place.ask("what is q2?")
        await program.wait_for_line("a sign that a message waits could not be shown")
        await place.ask("what is q3?")
        go_on.set()
        await place.wait_for(whole("q3"))
    assert program.output.count("a sign that a message waits") == 1
    await stage.check(platform)


async def test_no_eyes_where_they_are_switched_off(stage: Stage, platform: str):
    place, simulation = stage.place(platform), stage.simulation(platform)
    async with stage.running(platform, WAITING_SIGN="off"), busy(stage, place) as go_on:
        waiting = await place.ask("what is q2?")
        go_on.set()
        await place.wait_for(whole("q2"))
        assert reactions(simulation, waiting) == []
