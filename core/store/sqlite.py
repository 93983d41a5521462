"""The store in a SQLite file: the embedded default.

Readers never wait for a writer (WAL), so reads have a connection of their own: a long prune holds
up no `load`. Writes take turns, and each is whole or not at all.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Generator,
    Iterator,
    Mapping,
)
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar

import aiosqlite
from aiosql.adapters.aiosqlite import AioSQLiteAdapter

from core.errors import StoreError
from core.store.database import NamedQueries, Queries, Work, load_queries
from core.store.files import HeldFile, check_file, lock_runner, parse_sqlite_url
from core.store.migrate import get_program_version, load_migrations, migrate
from core.store.rows import Row, Value, render_time
from core.store.sql import SqlStore, utc_now

T = TypeVar("T")

BUSY_TIMEOUT = timedelta(seconds=5)
"""How long a statement waits for a write of another process."""

_OLDEST_SQLITE = (3, 37, 0)  # STRICT tables; RETURNING came in 3.35


@asynccontextmanager
async def open_sqlite(
    url: str, *, now: Callable[[], datetime] = utc_now
) -> AsyncGenerator[SqlStore]:
    """Open the store at `sqlite:///relative.db` or `sqlite:////absolute.db`, made if there is none.

    Raises SettingsError when the address or the place is wrong, NewerDatabaseError when the file
    needs a newer program, StoreError when it is no database of ours.
    """
    migrations = await asyncio.to_thread(load_migrations, "sqlite")
    program = await asyncio.to_thread(get_program_version)
    async with open_sqlite_migrator(url) as migrator:
        await migrate(migrator, program, migrations)
        async with _open_database(migrator) as database:
            yield SqlStore(database, now)


@asynccontextmanager
async def lock_sqlite(url: str) -> AsyncGenerator[None]:
    """Be the only runner on a file. Raises StoreBusyError while another one is, SettingsError."""
    with ExitStack() as stack:
        await asyncio.to_thread(stack.enter_context, lock_runner(url))
        yield


@asynccontextmanager
async def open_sqlite_migrator(url: str) -> AsyncGenerator[SqliteMigrator]:
    """Open a file, made if there is none, without a change to its schema. Raises as `open_sqlite`.

    The file and its `-wal` and `-shm` must lie on a local disk, as SQLite demands.
    """
    path = parse_sqlite_url(url)
    await asyncio.to_thread(check_file, path)
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old: 3.37 or newer is needed")
    named = await asyncio.to_thread(load_queries, _Adapter, "sqlite")
    async with AsyncExitStack() as stack:
        with translate_errors(path):
            # IMMEDIATE: the first statement that writes begins the transaction and takes the lock.
            writer = await stack.enter_async_context(_connect(path, "IMMEDIATE"))
            await _enter_wal(writer)
            await _set(writer, synchronous="FULL", foreign_keys="ON")
        yield SqliteMigrator(path, writer, named)


@asynccontextmanager
async def _open_database(migrator: SqliteMigrator) -> AsyncGenerator[SqliteDatabase]:
    with translate_errors(migrator.path):
        reader = await _connect(migrator.path, None)
        await _set(reader, query_only="ON")
    database = SqliteDatabase(migrator.path, migrator.connection, reader, migrator.named)
    try:
        yield database
    finally:
        await database.aclose()


class _Adapter(AioSQLiteAdapter):
    """Runs a query in one visit to aiosqlite's thread, where aiosql's own adapter takes three."""

    async def select(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, conn: Any, _query_name: str, sql: str, parameters: Any, record_class: Any = None
    ) -> AsyncGenerator[Any, None]:
        """Run a query and give its rows."""
        for row in await conn.execute_fetchall(sql, _bind(parameters)):
            yield row

    async def select_one(
        self, conn: Any, _query_name: str, sql: str, parameters: Any, record_class: Any = None
    ) -> Any:
        """Run a query and give its first row, or None."""
        return next(iter(await conn.execute_fetchall(sql, _bind(parameters))), None)

    async def insert_update_delete_many(
        self, conn: Any, _query_name: str, sql: str, parameters: Any
    ) -> None:
        """Run a statement once for each row."""
        await conn.executemany(sql, [_bind(row) for row in parameters])


def _bind(values: Mapping[str, Value]) -> dict[str, str | int | bytes | None]:
    """Make values ready for SQLite, which has no type for times."""
    return {
        name: render_time(value) if isinstance(value, datetime) else value
        for name, value in values.items()
    }


class _Connection(sqlite3.Connection):
    """Runs statements as long as the file that it opened lies in its place. Its thread is aiosqlite's."""

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(path, **options)
        self._held = HeldFile(Path(path))

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Run a statement. Raises StoreError where the file is gone."""
        self._held.check()
        return super().execute(sql, parameters)


class SqliteTransaction(Queries):
    """The named queries in the one transaction that may write: it has the file to itself."""

    async def lock_conversation(self, conversation_id: int) -> None:
        """Do nothing: no other transaction writes."""

    async def lock_conversation_of(self, turn_id: int) -> None:
        """Do nothing: no other transaction writes."""

    async def lock_admissions(self) -> None:
        """Do nothing: no other transaction writes."""

    async def read_clock(self) -> None:
        """Give none: one process runs turns on a file."""

    async def announce(self, word: str) -> None:
        """Do nothing: nobody else listens."""

    async def restart_ids(self) -> None:
        """Do nothing: SQLite itself goes on from the greatest id."""


class SqliteDatabase:
    """An open file: a connection that writes, and one that reads. It closes both."""

    def __init__(
        self,
        path: Path,
        writer: aiosqlite.Connection,
        reader: aiosqlite.Connection,
        named: NamedQueries,
    ) -> None:
        self.name = str(path)
        self.is_shared = False
        self._path = path
        self._writer = writer
        self._reader = reader
        self._lock = asyncio.Lock()
        self._writes: set[asyncio.Task[Any]] = set()
        self._readable = Queries(reader, named)
        self._writable = SqliteTransaction(writer, named)

    async def find(self, name: str, /, **values: Value) -> Row | None:
        """Read at most one row. Raises StoreError."""
        with translate_errors(self._path):
            return await self._readable.find(name, **values)

    async def load(self, name: str, /, **values: Value) -> list[Row]:
        """Read any number of rows. Raises StoreError."""
        with translate_errors(self._path):
            return await self._readable.load(name, **values)

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator[Queries]:
        """Read as of one moment. Raises StoreError."""
        with translate_errors(self._path):
            await self._reader.execute_fetchall("BEGIN")
            try:
                yield self._readable
            finally:
                await self._reader.rollback()

    async def write(self, work: Work[T]) -> T:
        """Run statements as one transaction that nobody cancels. Raises StoreError."""
        task = asyncio.create_task(self.transact(work))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        return await asyncio.shield(task)

    async def transact(self, work: Work[T]) -> T:
        """Run statements as one transaction, which a cancellation undoes. Raises StoreError."""
        async with self._lock:
            with translate_errors(self._path):
                try:
                    result = await work(self._writable)
                    await self._writer.commit()
                except BaseException:
                    # A cancelled call still runs in aiosqlite's thread, which takes calls in order:
                    # the rollback follows it, and the next transaction follows the rollback.
                    await self._writer.rollback()
                    raise
                return result

    async def listen(self, on_word: Callable[[str], None]) -> None:
        """Wait until cancelled: there is nobody to hear."""
        await asyncio.Event().wait()

    async def run_alone(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do it: no other process does."""
        await work()

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


class SqliteMigrator:
    """A file whose schema may be changed."""

    backend = "sqlite"

    def __init__(self, path: Path, connection: aiosqlite.Connection, named: NamedQueries) -> None:
        self.path = path
        self.name = str(path)
        self.connection = connection
        self.named = named
        self._queries = Queries(connection, named)

    async def load(self, name: str, /) -> list[Row]:
        """Run a named query. Raises StoreError."""
        with translate_errors(self.path):
            return await self._queries.load(name)

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[Queries]:
        """Begin a transaction with the file's lock for writing. Raises StoreError."""
        with translate_errors(self.path):
            try:
                await self.connection.execute_fetchall("BEGIN IMMEDIATE")
                yield self._queries
                await self.connection.commit()
            except BaseException:
                await self.connection.rollback()
                raise

    async def run(self, script: str) -> None:
        """Run the statements of a migration."""
        for statement in split_statements(script):
            await self.connection.execute_fetchall(statement)


def split_statements(script: str) -> Iterator[str]:
    """Split a script into statements: sqlite3's own `executescript` commits before it begins."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement


def _connect(path: Path, isolation: Literal["IMMEDIATE"] | None) -> aiosqlite.Connection:
    timeout = BUSY_TIMEOUT.total_seconds()
    return aiosqlite.connect(path, timeout=timeout, isolation_level=isolation, factory=_Connection)


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
