"""Health as whoever watches `skein run` meets it."""

import asyncio
import re
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.core.providers.scripted_server import Answer
from tests.e2e.conftest import World
from tests.postgres import PostgresServer
from tests.processes import SKEIN, Program, run_program


@dataclass
class Watched:
    """A bot that runs, and what it tells of its health."""

    program: Program
    url: str
    client: aiohttp.ClientSession

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        async with self.client.get(self.url + path) as response:
            return response.status, await response.json()


@asynccontextmanager
async def watching(world: World, *platforms: str, **more: str) -> AsyncGenerator[Watched]:
    """Run the bot until it is ready."""
    settings = {"HTTP_PORT": "0", "READINESS_GRACE_SECONDS": "1", **more}
    async with world.skein(*platforms, **settings) as program, aiohttp.ClientSession() as client:
        line = await program.wait_for_line("http: listening on")
        await program.wait_for_line("INFO .*: ready$")
        yield Watched(program, line.split()[-1], client)


async def test_readiness_turns_red_while_postgres_is_away_and_green_when_it_is_back(
    world: World, postgres: PostgresServer, postgres_url: str
):
    places = [world.place(platform) for platform in ("slack", "discord")]
    async with watching(world, DATABASE_URL=postgres_url) as watched:
        assert (await watched.get("/readyz"))[0] == 200
        await asyncio.to_thread(postgres.stop)
        try:
            await watched.program.wait_for_line("not ready: store is down for")
            status, body = await watched.get("/readyz")
            assert (status, body["status"]) == (503, "not ready")
            assert body["parts"]["store"]["state"] == "down"
            assert (await watched.get("/livez"))[0] == 200
            seen = len(watched.program.output)
        finally:
            await asyncio.to_thread(postgres.start)
        await watched.program.wait_for_line("INFO .*: ready$", after=seen)
        assert (await watched.get("/readyz"))[0] == 200
        for place in places:
            await place.ask("hello")
            await place.wait_for("Hello from the script.")
    assert len(re.findall("not ready", watched.program.output)) == 1


async def test_a_replica_is_ready_while_it_stands_by_and_once_it_took_over(
    world: World, postgres_url: str
):
    async with (
        watching(world, "discord", DATABASE_URL=postgres_url) as first,
        watching(world, "discord", DATABASE_URL=postgres_url) as second,
    ):
        for watched, state in ((first, "connected"), (second, "standing by")):
            status, body = await watched.get("/readyz")
            assert (status, body["parts"]["discord"]) == (200, {"state": state})
        first.program.kill()
        await first.program.wait()
        await second.program.wait_for_line("Discord: ready")
        status, body = await second.get("/readyz")
        assert (status, body["parts"]["discord"]) == (200, {"state": "connected"})


async def test_it_says_that_it_stops_as_long_as_answers_are_under_way(world: World):
    place, gate = world.place("slack"), asyncio.Event()
    world.model.play(Answer("Hello ", gate, "there."))
    async with watching(world, "slack") as watched:
        await place.ask("hello")
        await place.wait_for_torso("Hello")
        watched.program.terminate()
        await watched.program.wait_for_line("waiting up to")
        status, body = await watched.get("/readyz")
        assert (status, body["status"]) == (503, "stopping")
        gate.set()
        assert await watched.program.wait() == 0
    await place.wait_for("Hello there.")


async def test_a_port_in_use_stops_the_start_with_2_and_one_line(world: World):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        environment = world.environment(HTTP_PORT=port)
        async with run_program(
            (*SKEIN, "run"), cwd=world.folder, environment=environment
        ) as program:
            assert await program.wait() == 2
    assert f"skein: HTTP_PORT: another program uses port {port} of 127.0.0.1." in program.output
    assert "Traceback" not in program.output
