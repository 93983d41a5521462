"""Skein on a simulated Discord, one of its own for every test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bots.playground.discord import SimulatedDiscord
from tests.bots.discord.kit import Skein, running_skein, serving


@pytest.fixture
async def server() -> AsyncIterator[SimulatedDiscord]:
    async with serving() as server:
        yield server


@pytest.fixture
async def skein(server: SimulatedDiscord, tmp_path: Path) -> AsyncIterator[Skein]:
    async with running_skein(server, tmp_path, discord_channels="ask-skein") as skein:
        yield skein
