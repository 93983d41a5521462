"""One SQLite file, open: a connection that writes, a connection that reads, and the named queries.

Readers never wait for a writer (WAL), so reads have a connection of their own: a long prune holds
up no `load`. Writes take turns, and each is whole or not at all.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar

import aiosql
import aiosqlite
from aiosql.adapters.aiosqlite import AioSQLiteAdapter
from aiosql.queries import Queries as NamedQueries

from core.errors import StoreError
from core.store.rows import Row, Value

T = TypeVar("T")

BUSY_TIMEOUT = timedelta(seconds=5)
"""How long a statement waits for a write of another process."""

_OLDEST_SQLITE = (3, 37, 0)  # STRICT tables; RETURNING came in 3.35
_QUERIES = Path(__file__).parent / "queries"


class OneHopAdapter(AioSQLiteAdapter):
    """Runs a query in one visit to aiosqlite's thread, where aiosql's own adapter takes three."""

    async def select(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, conn: Any, _query_name: str, sql: str, parameters: Any, record_class: Any = None
    ) -> AsyncGenerator[Any, None]:
        """Run a query and give its rows."""
        for row in await conn.execute_fetchall(sql, parameters):
            yield row

    async def select_one(
        self, conn: Any, _query_name: str, sql: str, parameters: Any, record_class: Any = None
    ) -> Any:
        """Run a query and give its first row, or None."""
        return next(iter(await conn.execute_fetchall(sql, parameters)), None)


class Queries:
    """The named queries of queries/*.sql, bound to one connection."""

    def __init__(self, connection: aiosqlite.Connection, named: NamedQueries) -> None:
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
        return await getattr(self._named, name)(self._connection, **values)

    async def load(self, name: str, /, **values: Value) -> list[Row]:
        """Run a query that gives any number of rows."""
        return [row async for row in getattr(self._named, name)(self._connection, **values)]


class Database:
    """An open database file. `open_database` makes one."""

    def __init__(
        self,
        path: Path,
        writer: aiosqlite.Connection,
        reader: aiosqlite.Connection,
        named: NamedQueries,
    ) -> None:
        self._path = path
        self._writer = writer
        self._reader = reader
        self._lock = asyncio.Lock()
        self._writes: set[asyncio.Task[Any]] = set()
        self._readable = Queries(reader, named)
        self.writable = Queries(writer, named)
        """The queries on the connection that writes: only for what `write` runs."""

    async def find(self, name: str, /, **values: Value) -> Row | None:
        """Read at most one row. Raises StoreError."""
        with translate_errors(self._path):
            return await self._readable.find(name, **values)

    async def load(self, name: str, /, **values: Value) -> list[Row]:
        """Read any number of rows. Raises StoreError."""
        with translate_errors(self._path):
            return await self._readable.load(name, **values)

    async def write(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run statements as one transaction, durable when this returns. Raises StoreError.

        Once called it goes on to its end, even if its caller is cancelled: the id of a message that
        a platform just gave must not be lost because somebody pressed stop.
        """
        task = asyncio.create_task(self._transact(work))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        return await asyncio.shield(task)

    async def _transact(self, work: Callable[[], Awaitable[T]]) -> T:
        async with self._lock:
            with translate_errors(self._path):
                try:
                    result = await work()
                    await self._writer.commit()
                except BaseException:
                    # A cancelled call still runs in aiosqlite's thread, which takes calls in order:
                    # the rollback follows it, and the next transaction follows the rollback.
                    await self._writer.rollback()
                    raise
                return result

    async def aclose(self) -> None:
        """Let the writes under way come to their end, then close both connections."""
        try:
            if self._writes:
                await asyncio.wait(self._writes)
        finally:
            try:
                await self._reader.close()
            finally:
                await self._writer.close()


Prepare = Callable[[aiosqlite.Connection, Queries], Awaitable[None]]


@asynccontextmanager
async def open_database(path: Path, prepare: Prepare) -> AsyncGenerator[Database]:
    """Open a file and have `prepare` bring its schema up to date. Raises StoreError.

    The file and its `-wal` and `-shm` must lie on a local disk, as SQLite demands.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old: 3.37 or newer is needed")
    named = await asyncio.to_thread(_load_queries)
    async with AsyncExitStack() as stack:
        with translate_errors(path):
            # IMMEDIATE: the first statement that writes begins the transaction and takes the lock.
            writer = await stack.enter_async_context(_connect(path, "IMMEDIATE"))
            await _enter_wal(writer)
            await _set(writer, synchronous="FULL", foreign_keys="ON")
            await prepare(writer, Queries(writer, named))
            reader = await stack.enter_async_context(_connect(path, None))
            await _set(reader, query_only="ON")
        database = Database(path, writer, reader, named)
        stack.push_async_callback(database.aclose)
        yield database


def _load_queries() -> NamedQueries:
    # aiosql's own adapters do not fit its protocol for them either.
    adapter: Any = OneHopAdapter
    return aiosql.from_path(_QUERIES, adapter, encoding="utf-8")


def _connect(path: Path, isolation: Literal["IMMEDIATE"] | None) -> aiosqlite.Connection:
    return aiosqlite.connect(path, timeout=BUSY_TIMEOUT.total_seconds(), isolation_level=isolation)


async def _set(connection: aiosqlite.Connection, **pragmas: str) -> None:
    connection.row_factory = sqlite3.Row
    for name, value in pragmas.items():
        await connection.execute_fetchall(f"PRAGMA {name} = {value}")


async def _enter_wal(connection: aiosqlite.Connection) -> None:
    """Switch to the write-ahead log, which SQLite does not wait for when two processes do it at once."""
    deadline = asyncio.get_running_loop().time() + BUSY_TIMEOUT.total_seconds()
    while True:
        try:
            await connection.execute_fetchall("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.02)
        else:
            return


@contextmanager
def translate_errors(path: Path) -> Generator[None]:
    """Turn SQLite's errors into StoreError, with the file's name and a word on what to do."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        raise StoreError(_explain(path, code) or f"{path}: {error}") from error


def _explain(path: Path, code: int) -> str | None:
    explanations: Mapping[int, str] = {
        sqlite3.SQLITE_NOTADB: f"{path} is not a SQLite database. Point DATABASE_URL elsewhere.",
        sqlite3.SQLITE_CORRUPT: f"{path} is damaged. Restore it from a backup.",
        sqlite3.SQLITE_BUSY: f"{path} is locked by another process that writes for too long.",
        sqlite3.SQLITE_FULL: f"{path} cannot grow: the disk is full.",
    }
    return explanations.get(code)
