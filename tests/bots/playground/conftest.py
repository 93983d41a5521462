"""A simulated Discord and a real bot in it, shared by the tests of one module."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from bots.playground.discord import SimulatedDiscord, serve_discord
from tests.bots.playground.discord_kit import SHORT, RecordingBot, running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_server() -> AsyncGenerator[SimulatedDiscord]:
    simulation = SimulatedDiscord(rate_limits=0, interaction_timeout=SHORT)
    async with serve_discord(simulation) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_bot(shared_server: SimulatedDiscord) -> AsyncGenerator[RecordingBot]:
    async with running(shared_server) as bot:
        yield bot


@pytest.fixture
def server(shared_server: SimulatedDiscord) -> SimulatedDiscord:
    shared_server.faults.clear()
    return shared_server


@pytest.fixture
def bot(shared_bot: RecordingBot) -> RecordingBot:
    shared_bot.forget()
    return shared_bot
