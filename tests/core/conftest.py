"""A real store on a real file for every test of the core."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from core import lease, turns
from core.store import sessions
from core.store.base import Store
from core.store.sqlite import open_sqlite
from tests.core.cores import Core, open_core


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'skein.db'}"


@pytest.fixture
async def sqlite_store(database_url: str) -> AsyncIterator[Store]:
    async with open_sqlite(database_url) as store:
        yield store


@pytest.fixture
async def core(sqlite_store: Store) -> AsyncIterator[Core]:
    async with open_core(sqlite_store) as core:
        yield core


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let replicas look for each other's work, and renew what they hold, all the time."""
    monkeypatch.setattr(turns, "LOOK_INTERVAL", timedelta(milliseconds=100))
    monkeypatch.setattr(lease, "HEARTBEAT", timedelta(milliseconds=100))
    monkeypatch.setattr(sessions, "TRY_INTERVAL", timedelta(milliseconds=100))
