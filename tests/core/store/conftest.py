"""The backends under the contract. A new one is a new name in `url` and a line in `open_url`."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from core.store.base import Store
from core.store.files import parse_sqlite_url
from tests.core.store.values import Calendar, OpenStore, RunSql, open_url
from tests.postgres import PostgresServer


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/skein.db"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """A database of this test's own that nobody opened yet."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def run_sql(request: pytest.FixtureRequest, url: str) -> RunSql:
    """Runs a statement as another program would; gives rows of texts, with "" for null."""
    if url.startswith("postgresql"):
        server: PostgresServer = request.getfixturevalue("postgres")
        return lambda sql: [
            tuple(line.split("|")) for line in server.run(sql + ";", url).splitlines()
        ]
    return lambda sql: run_on_file(parse_sqlite_url(url), sql)


def run_on_file(path: Path, sql: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        rows = connection.execute(sql).fetchall()
    return [tuple("" if value is None else str(value) for value in row) for row in rows]


@pytest.fixture
def open_store(url: str, calendar: Calendar) -> OpenStore:
    """Opens the same database each time."""
    return lambda: open_url(url, now=calendar.now)


@pytest.fixture
async def store(open_store: OpenStore) -> AsyncIterator[Store]:
    async with open_store() as store:
        yield store
