"""A real store on a real file for every test of the core."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.store.base import Store
from core.store.sqlite import open_sqlite


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'skein.db'}"


@pytest.fixture
async def sqlite_store(database_url: str) -> AsyncIterator[Store]:
    async with open_sqlite(database_url) as store:
        yield store
