"""The backends under the contract. A new one is a new name in `open_store`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.store.base import Store
from core.store.sqlite import open_sqlite
from tests.core.store.values import Calendar, OpenStore


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/skein.db"


@pytest.fixture(params=["sqlite"])
def open_store(request: pytest.FixtureRequest, url: str, calendar: Calendar) -> OpenStore:
    """Opens the same database each time."""
    match request.param:
        case "sqlite":
            return lambda: open_sqlite(url, now=calendar.now)
        case _:
            raise ValueError(request.param)


@pytest.fixture
async def store(open_store: OpenStore) -> AsyncIterator[Store]:
    async with open_store() as store:
        yield store
