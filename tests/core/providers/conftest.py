from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Iterator

import aiohttp
import pytest

from tests.core.providers.scripted_server import ScriptedModelServer


@pytest.fixture
async def server() -> AsyncGenerator[ScriptedModelServer]:
    async with ScriptedModelServer() as server:
        yield server


@pytest.fixture
async def session() -> AsyncGenerator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def unused_url() -> Iterator[str]:
    """An address at which nothing listens: its port is bound, and never opened."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
