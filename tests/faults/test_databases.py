"""The database goes away, or has no room: nothing is acknowledged that is not recorded, and work goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.core.providers.scripted_server import Answer
from tests.faults.stage import PLATFORMS, Stage, whole
from tests.postgres import PostgresServer

AWAY_SECONDS = 5.0
NOT_RECORDED = "Something went wrong on my side"


@pytest.fixture
async def on_postgres(stage: Stage, postgres: PostgresServer) -> AsyncIterator[PostgresServer]:
    """Let the stage's database be on a server that may be stopped, and runs in the end."""
    stage.database_url = await asyncio.to_thread(postgres.make_database)
    yield postgres
    await asyncio.to_thread(postgres.start)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_postgres_restarted_in_the_middle_of_a_turn(
    stage: Stage, on_postgres: PostgresServer, platform: str
):
    place = stage.place(platform)
    gate = asyncio.Event()
    stage.model.play(Answer("The answer to q1 ", gate, "is here, all of it."))
    async with stage.running(platform):
        await place.ask("what is q1?")
        await place.wait_for_torso("The answer to q1")
        await asyncio.to_thread(on_postgres.stop)
        await asyncio.to_thread(on_postgres.start)
        gate.set()
        await place.wait_for(whole("q1"))
        await place.ask("what is q2?")
        await place.wait_for(whole("q2"))
    assert len(place.replies()) == 2
    await stage.check(platform)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_postgres_away_as_a_reply_comes_into_being(
    stage: Stage, on_postgres: PostgresServer, platform: str
):
    place = stage.place(platform)
    first, second = asyncio.Event(), asyncio.Event()
    stage.model.play(Answer(first, "The answer to q1 ", second, "is here, all of it."))
    async with stage.running(platform) as program:
        await place.ask("what is q1?")
        await stage.model.wait_for_requests(1)
        await asyncio.to_thread(on_postgres.stop)
        first.set()
        await place.wait_for_torso("The answer to q1")
        second.set()
        await program.wait_for_line("cannot be stored yet")
        await asyncio.to_thread(on_postgres.start)
        await place.wait_for(whole("q1"))
        await place.ask("what is q2?")
        await place.wait_for(whole("q2"))
    assert len(stage.model.requests) == len(place.replies()) == 2
    await stage.check(platform)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_postgres_away_while_people_ask(
    stage: Stage, on_postgres: PostgresServer, platform: str
):
    place, other = stage.place(platform), stage.place(platform, "random")
    gate = asyncio.Event()
    stage.model.play(Answer("The answer to q1 ", gate, "is here, all of it."))
    async with stage.running(platform) as program:
        await place.ask("what is q1?")
        await place.wait_for_torso("The answer to q1")
        await asyncio.to_thread(on_postgres.stop)
        gate.set()
        lost = {await place.ask("what is q2?"), await other.ask("what is q3?")}
        await program.wait_for_line("not taken" if platform == "slack" else "was not recorded")
        await asyncio.sleep(AWAY_SECONDS)
        await asyncio.to_thread(on_postgres.start)
        await place.wait_for(whole("q1"))
        if platform == "slack":
            await place.wait_for(whole("q2"))
            await other.wait_for(whole("q3"))
        else:
            await place.wait_for(NOT_RECORDED)
            await other.wait_for(NOT_RECORDED)
        await place.ask("what is q4?")
        await place.wait_for(whole("q4"))
    await stage.check(platform, unrecorded=lost if platform == "discord" else ())
