"""What the store asks of a SQL database: reads, and writes that are whole or not at all.

The SQL stands in named queries: those of queries/shared, which all databases understand alike, and
those that a database says in its own way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

import aiosql

from core.store.rows import Row, Value

RUNNER_LOCK = 0x536B02
"""The first half of the advisory lock that a runner holds; the second is the schema."""
T = TypeVar("T")

NamedQueries = Mapping[str, Any]
"""aiosql's functions by the names of their queries."""

_QUERIES = Path(__file__).parent / "queries"


class Transaction(Protocol):
    """The named queries, all in one transaction."""

    async def get(self, name: str, /, **values: Value) -> Row:
        """Run a query that gives a row always. Raises LookupError when it does not."""
        ...

    async def find(self, name: str, /, **values: Value) -> Row | None:
        """Run a query that gives at most one row. Its name ends in `^` in the file."""
        ...

    async def load(self, name: str, /, **values: Value) -> list[Row]:
        """Run a query that gives any number of rows."""
        ...

    async def run_many(self, name: str, rows: Sequence[Mapping[str, Value]], /) -> None:
        """Run a statement once for each row. Its name ends in `*!` in the file."""
        ...

    async def lock_conversation(self, conversation_id: int) -> None:
        """Keep other transactions off a conversation until this one ends."""
        ...

    async def lock_conversation_of(self, turn_id: int) -> None:
        """Keep other transactions off a turn's conversation until this one ends."""
        ...

    async def lock_admissions(self) -> None:
        """Keep other transactions that let turns in waiting until this one ends."""
        ...

    async def read_clock(self) -> datetime | None:
        """Read the clock that all processes share. None where there is only one process."""
        ...

    async def announce(self, word: str) -> None:
        """Tell all who listen, once the transaction is committed."""
        ...

    async def restart_ids(self) -> None:
        """Let new ids follow those that were put in."""
        ...


Work = Callable[[Transaction], Awaitable[T]]


class Database(Protocol):
    """An open database. Raises StoreError where it cannot serve."""

    @property
    def name(self) -> str:
        """What people call it; no secret is in it."""
        ...

    async def find(self, name: str, /, **values: Value) -> Row | None:
        """Read at most one row."""
        ...

    async def load(self, name: str, /, **values: Value) -> list[Row]:
        """Read any number of rows."""
        ...

    async def write(self, work: Work[T]) -> T:
        """Run statements as one transaction, durable when this returns.

        Once called it goes on to its end, even if its caller is cancelled: the id of a message that
        a platform just gave must not be lost because somebody pressed stop.
        """
        ...

    async def transact(self, work: Work[T]) -> T:
        """Run statements as one transaction, which a cancellation undoes."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether several processes may run turns on it at once."""
        ...

    async def listen(self, on_word: Callable[[str], None]) -> None:
        """Hear what others announce, until cancelled; see Store.listen."""
        ...

    async def run_alone(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do what only one process at a time may do; see Store.run_alone."""
        ...

    def snapshot(self) -> AbstractAsyncContextManager[Queries]:
        """Read as of one moment, whatever is written meanwhile. Only for one task at a time."""
        ...

    async def aclose(self) -> None:
        """Let the writes under way come to their end, then close. A second call does nothing."""
        ...


class Queries:
    """The named queries, bound to one connection."""

    def __init__(self, connection: Any, named: NamedQueries) -> None:
        self._connection = connection
        self._named = named

    async def get(self, name: str, /, **values: Value) -> Row:
        """Run a query that gives a row always. Raises LookupError when it does not."""
        row = await self.find(name, **values)
        if row is None:
            raise LookupError(f"the query {name} gave no row")
        return row

    async def find(self, name: str, /, **values: Value) -> Row | None:
        """Run a query that gives at most one row. Its name ends in `^` in the file."""
        return await self._named[name](self._connection, **values)

    async def load(self, name: str, /, **values: Value) -> list[Row]:
        """Run a query that gives any number of rows."""
        return [row async for row in self._named[name](self._connection, **values)]

    async def run_many(self, name: str, rows: Sequence[Mapping[str, Value]], /) -> None:
        """Run a statement once for each row. Its name ends in `*!` in the file."""
        await self._named[name](self._connection, rows)


def load_queries(adapter: Any, backend: str) -> NamedQueries:
    """Read the shared queries and a backend's own. Raises ValueError where a name is there twice."""
    named: dict[str, Any] = {}
    for folder in ("shared", backend):
        queries = aiosql.from_path(_QUERIES / folder, adapter, encoding="utf-8")
        for name in _plain_names(queries.available_queries):
            if name in named:
                raise ValueError(f"two queries are called {name}")
            named[name] = getattr(queries, name)
    return named


def _plain_names(names: Iterable[str]) -> list[str]:
    # aiosql lists a query of many rows a second time, as one that gives a cursor.
    return [name for name in names if not name.endswith("_cursor")]
