"""The database goes away, or has no room: nothing is acknowledged that is not recorded, and work goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from core.store.base import LEASE
from tests.core.providers.scripted_server import Answer
from tests.faults.disks import Disk, LimitedDisk, mount_disk
from tests.faults.stage import PLATFORMS, Stage, whole
from tests.postgres import PostgresServer
from tests.processes import Program

AWAY_SECONDS = 5.0
AFTER_LEASE = timedelta(seconds=2)
NOT_RECORDED = "I can't reach my memory right now. Please try again"


@pytest.fixture
async def on_postgres(stage: Stage, postgres: PostgresServer) -> AsyncIterator[PostgresServer]:
    """Let the stage's database be on a server that may be stopped, and runs in the end."""
    stage.database_url = await asyncio.to_thread(postgres.make_database)
    yield postgres
    await asyncio.to_thread(postgres.start)


@pytest.fixture
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    """A disk that can be full."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if request.param == "limit":
        yield LimitedDisk(folder)
        return
    try:
        with mount_disk(folder) as mounted:
            yield mounted
    except PermissionError as error:
        pytest.skip(f"a small disk of its own needs an administrator: {error}")


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


@pytest.mark.timeout(120)
async def test_answers_outlive_a_postgres_that_is_away_for_longer_than_their_lease(
    stage: Stage, on_postgres: PostgresServer
):
    places = [stage.place(platform) for platform in PLATFORMS]
    gate, torso = asyncio.Event(), "The answer to a question"
    stage.model.play(*[Answer(f"{torso} ", gate, "is here, all of it.")] * 2)
    async with stage.running(*PLATFORMS) as program:
        for place in places:
            await place.ask("what is asked?")
            await place.wait_for_torso(torso)
        await asyncio.to_thread(on_postgres.stop)
        await asyncio.sleep((LEASE + AFTER_LEASE).total_seconds())
        gate.set()
        for _ in places:
            await program.wait_for_line("cannot be stored yet")
        assert [[view["text"] for view in place.replies()] for place in places] == [[torso]] * 2
        await asyncio.to_thread(on_postgres.start)
        for place in places:
            await place.wait_for(f"{torso} is here, all of it.")
    assert len(stage.model.requests) == 2
    for platform in PLATFORMS:
        await stage.check(platform)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_postgres_away_while_people_ask(
    stage: Stage, on_postgres: PostgresServer, platform: str
):
    @asynccontextmanager
    async def away(_: Program) -> AsyncGenerator[None]:
        await asyncio.to_thread(on_postgres.stop)
        yield
        await asyncio.sleep(AWAY_SECONDS)
        await asyncio.to_thread(on_postgres.start)

    await ask_meanwhile(stage, platform, away)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("disk", ["tmpfs", "limit"], indirect=True)
async def test_a_full_disk_while_people_ask(stage: Stage, disk: Disk, platform: str):
    stage.database_url = f"sqlite:///{disk.folder / 'skein.db'}"

    @asynccontextmanager
    async def full(program: Program) -> AsyncGenerator[None]:
        disk.fill(program)
        yield
        disk.free(program)

    await ask_meanwhile(stage, platform, full)


async def ask_meanwhile(
    stage: Stage, platform: str, trouble: Callable[[Program], AbstractAsyncContextManager[None]]
) -> None:
    """Let nothing be recorded while one question is answered and two are asked; then let it go on."""
    place, other = stage.place(platform), stage.place(platform, "random")
    gate = asyncio.Event()
    stage.model.play(Answer("The answer to q1 ", gate, "is here, all of it."))
    async with stage.running(platform) as program:
        await place.ask("what is q1?")
        await place.wait_for_torso("The answer to q1")
        async with trouble(program):
            gate.set()
            meanwhile = {await place.ask("what is q2?"), await other.ask("what is q3?")}
            for message in meanwhile:
                refused = "not taken" if platform == "slack" else f"{message} is not recorded yet"
                await program.wait_for_line(refused)
            await program.wait_for_line("cannot be stored yet")
        await place.wait_for(whole("q1"))
        await place.wait_for(whole("q2"))
        await other.wait_for(whole("q3"))
        await place.ask("what is q4?")
        await place.wait_for(whole("q4"))
    assert len(stage.model.requests) == 4
    await stage.check(platform)


async def test_discord_is_told_once_what_a_database_was_away_too_long_for(
    stage: Stage, on_postgres: PostgresServer
):
    place = stage.place("discord")
    async with stage.running("discord", STORE_PATIENCE_SECONDS="1") as program:
        await place.ask("what is q1?")
        await place.wait_for(whole("q1"))
        await asyncio.to_thread(on_postgres.stop)
        refused = await place.ask("what is q2?")
        await place.wait_for(NOT_RECORDED)
        await asyncio.to_thread(on_postgres.start)
        so_far = len(program.output)
        await stage.discord.drop_connections(resumable=False)
        await program.wait_for_line("ready, after a look at", after=so_far)
        await place.ask("what is q3?")
        await place.wait_for(whole("q3"))
    assert len(stage.model.requests) == 2
    await stage.check("discord", unrecorded={refused})
