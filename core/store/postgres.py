"""The store in a PostgreSQL database, which many processes may use at once.

Every transaction sees what was committed before each of its statements (READ COMMITTED), and those
of one conversation follow one another by the lock on its row; see SqlStore.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

import asyncpg
from aiosql.adapters.asyncpg import AsyncPGAdapter

from core.errors import StoreError
from core.store.address import Address, parse_postgres_url, refuse
from core.store.database import NamedQueries, Queries, Work, load_queries
from core.store.migrate import get_program_version, load_migrations, migrate
from core.store.rows import Row, Value
from core.store.sessions import Sessions
from core.store.sql import SqlStore, utc_now

T = TypeVar("T")

CONNECT_TIMEOUT = timedelta(seconds=5)
ACQUIRE_TIMEOUT = timedelta(seconds=10)
"""How long a call waits for one of the pool's connections."""
STATEMENT_TIMEOUT = timedelta(seconds=15)
LOCK_TIMEOUT = timedelta(seconds=10)
"""How long a statement waits for a lock that another transaction holds."""
MIGRATION_TIMEOUT = timedelta(minutes=10)
MAX_CONNECTIONS = 8

_MIGRATION_LOCK = 0x536B01
_ADMISSION_LOCK = 0x536B04
"""The first half of an advisory lock; the second is the schema, so that two may share a database."""


_REFUSALS = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)
"""The server is there, but knows no such user, password or database."""
_PASSING = (asyncpg.exceptions.InvalidCachedStatementError, asyncpg.DeadlockDetectedError)
"""A newer program changed the schema, or two transactions waited for each other: worth another try."""


def _milliseconds(duration: timedelta) -> str:
    return str(duration // timedelta(milliseconds=1))


@asynccontextmanager
async def open_postgres(
    url: str, *, now: Callable[[], datetime] = utc_now
) -> AsyncGenerator[SqlStore]:
    """Open the store at `postgresql://user:password@host/database`; its tables are made if need be.

    Raises SettingsError when the address is wrong, NewerDatabaseError when the database needs a
    newer program, StoreError when it is out of reach or belongs to another program.
    """
    migrations = await asyncio.to_thread(load_migrations, "postgres")
    program = await asyncio.to_thread(get_program_version)
    async with open_postgres_migrator(url) as migrator:
        await migrate(migrator, program, migrations)
    async with _open_database(migrator.address, migrator.named) as database:
        yield SqlStore(database, now)


@asynccontextmanager
async def open_postgres_migrator(url: str) -> AsyncGenerator[PostgresMigrator]:
    """Connect to a database without a change to its schema. Raises as `open_postgres`."""
    address = parse_postgres_url(url)
    named = await asyncio.to_thread(load_queries, _Adapter, "postgres")
    async with connect(address) as connection:
        yield PostgresMigrator(address, connection, named)


@asynccontextmanager
async def connect(address: Address) -> AsyncGenerator[asyncpg.Connection]:
    """Open a connection outside the pool. Raises SettingsError, StoreError."""
    with translate_errors(address.name):
        try:
            connection = await asyncpg.connect(address.url, **_connection_options())
        except ValueError as error:
            # It quotes the option that is wrong, never the whole address.
            raise refuse(f"an option cannot be used: {str(error).splitlines()[0]}") from None
        except _REFUSALS as error:
            raise refuse(f"{address.name} refuses it: {error.args[0]}") from error
    try:
        yield connection
    finally:
        await _close(connection)


async def _close(connection: asyncpg.Connection) -> None:
    try:
        await connection.close(timeout=CONNECT_TIMEOUT.total_seconds())
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()


def _connection_options() -> dict[str, Any]:
    return {
        "timeout": CONNECT_TIMEOUT.total_seconds(),
        "command_timeout": (STATEMENT_TIMEOUT + CONNECT_TIMEOUT).total_seconds(),
        "server_settings": {
            "application_name": "skein",
            # What was recorded is on disk before it is acknowledged, whatever the server's default.
            "synchronous_commit": "on",
            "statement_timeout": _milliseconds(STATEMENT_TIMEOUT),
            "lock_timeout": _milliseconds(LOCK_TIMEOUT),
            "idle_in_transaction_session_timeout": _milliseconds(STATEMENT_TIMEOUT),
            # A machine that vanished lets go of its locks in a minute, not in two hours.
            "tcp_keepalives_idle": "30",
            "tcp_keepalives_interval": "10",
            "tcp_keepalives_count": "3",
        },
    }


@asynccontextmanager
async def _open_database(address: Address, named: NamedQueries) -> AsyncGenerator[PostgresDatabase]:
    with translate_errors(address.name):
        pool = await asyncpg.create_pool(
            address.url,
            min_size=1,
            max_size=MAX_CONNECTIONS,
            # Nothing here outlives its transaction, so there is nothing to reset between two uses.
            reset=_keep_session,
            **_connection_options(),
        )
    database = PostgresDatabase(address, pool, named)
    try:
        yield database
    finally:
        await database.aclose()


async def _keep_session(_connection: Any) -> None:
    pass


class _Adapter(AsyncPGAdapter):
    """Runs a query on the connection that it is given, prepared once for each connection."""

    async def select(
        self, conn: Any, query_name: str, sql: str, parameters: Any, record_class: Any = None
    ) -> AsyncGenerator[Any, None]:
        """Run a query and give its rows."""
        for row in await conn.fetch(sql, *self._order(query_name, parameters)):
            yield row

    async def select_one(
        self, conn: Any, query_name: str, sql: str, parameters: Any, record_class: Any = None
    ) -> Any:
        """Run a query and give its first row, or None."""
        return await conn.fetchrow(sql, *self._order(query_name, parameters))

    async def insert_update_delete_many(
        self, conn: Any, query_name: str, sql: str, parameters: Any
    ) -> None:
        """Run a statement once for each row."""
        await conn.executemany(sql, [self._order(query_name, row) for row in parameters])

    def _order(self, query_name: str, values: Mapping[str, Value]) -> list[Value]:
        return [values[name] for name in self.var_sorted[query_name]]


class PostgresTransaction(Queries):
    """The named queries in a transaction beside which others run."""

    async def lock_conversation(self, conversation_id: int) -> None:
        """Keep other transactions off a conversation until this one ends."""
        await self.find("lock_conversation", conversation_id=conversation_id)

    async def lock_conversation_of(self, turn_id: int) -> None:
        """Keep other transactions off a turn's conversation until this one ends."""
        await self.find("lock_conversation_of", turn_id=turn_id)

    async def lock_admissions(self) -> None:
        """Keep other transactions that let turns in waiting until this one ends."""
        await self.find("lock_admissions", key=_ADMISSION_LOCK)

    async def read_clock(self) -> datetime:
        """Read the server's clock."""
        return (await self.get("read_clock"))["now"]

    async def announce(self, word: str) -> None:
        """Tell all who listen on this schema."""
        await self.find("announce", word=word)

    async def restart_ids(self) -> None:
        """Let new ids follow those that were put in."""
        await self.find("restart_ids")


class PostgresDatabase:
    """A pool of connections, made anew by itself when the server was away."""

    def __init__(self, address: Address, pool: asyncpg.Pool, named: NamedQueries) -> None:
        self.name = address.name
        self.is_shared = True
        self._sessions = Sessions(lambda: connect(address), named)
        self._pool = pool
        self._named = named
        self._writes: set[asyncio.Task[Any]] = set()
        # Writes whose callers were cancelled: what is asked afterwards must see them.
        self._abandoned: set[asyncio.Task[Any]] = set()

    async def find(self, name: str, /, **values: Value) -> Row | None:
        """Read at most one row. Raises StoreError."""
        await _wait_for(self._abandoned)
        async with self._acquire() as connection:
            return await Queries(connection, self._named).find(name, **values)

    async def load(self, name: str, /, **values: Value) -> list[Row]:
        """Read any number of rows. Raises StoreError."""
        await _wait_for(self._abandoned)
        async with self._acquire() as connection:
            return await Queries(connection, self._named).load(name, **values)

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator[Queries]:
        """Read as of one moment. Raises StoreError."""
        async with (
            self._acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield Queries(connection, self._named)

    async def write(self, work: Work[T]) -> T:
        """Run statements as one transaction that nobody cancels. Raises StoreError."""
        task = asyncio.create_task(self._write(work, set(self._abandoned)))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.done():
                self._abandoned.add(task)
                task.add_done_callback(self._abandoned.discard)
            raise

    async def _write(self, work: Work[T], abandoned: set[asyncio.Task[Any]]) -> T:
        await _wait_for(abandoned)
        return await self.transact(work)

    async def transact(self, work: Work[T]) -> T:
        """Run statements as one transaction, which a cancellation undoes. Raises StoreError."""
        async with self._acquire() as connection:
            try:
                return await self._run(connection, work)
            except _PASSING:
                # All of it was rolled back, so that it can be done again.
                return await self._run(connection, work)

    async def _run(self, connection: Any, work: Work[T]) -> T:
        # The isolation is named, since a lock is of no use to a snapshot older than it.
        async with connection.transaction(isolation="read_committed"):
            return await work(PostgresTransaction(connection, self._named))

    @asynccontextmanager
    async def _acquire(self) -> AsyncGenerator[Any]:
        with translate_errors(self.name):
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT.total_seconds()) as connection:
                yield connection

    async def listen(self, on_word: Callable[[str], None]) -> None:
        """Hear what others announce, until cancelled."""
        await self._sessions.listen(on_word)

    async def run_alone(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do what only one process at a time may do."""
        await self._sessions.run_alone(name, work)

    async def aclose(self) -> None:
        """Let the writes under way come to their end, then close all connections."""
        await _wait_for(self._writes)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT.total_seconds()):
                await self._pool.close()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self._pool.terminate()


async def _wait_for(writes: set[asyncio.Task[Any]]) -> None:
    if writes:
        await asyncio.wait(writes)


class PostgresMigrator:
    """A database whose schema may be changed."""

    backend = "postgres"

    def __init__(
        self, address: Address, connection: asyncpg.Connection, named: NamedQueries
    ) -> None:
        self.address = address
        self.name = address.name
        self.named = named
        self._connection = connection
        self._queries = Queries(connection, named)

    async def load(self, name: str, /) -> list[Row]:
        """Run a named query. Raises StoreError."""
        with translate_errors(self.name):
            return await self._queries.load(name)

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[Queries]:
        """Begin a transaction that holds the lock for migrations. Raises StoreError."""
        timeout = _milliseconds(MIGRATION_TIMEOUT)
        with translate_errors(self.name):
            async with self._connection.transaction():
                await self._connection.execute(
                    f"SET LOCAL statement_timeout = {timeout}; SET LOCAL lock_timeout = {timeout}"
                )
                await self._queries.find("lock_migrations", key=_MIGRATION_LOCK)
                yield self._queries

    async def run(self, script: str) -> None:
        """Run the statements of a migration."""
        await self._connection.execute(script, timeout=MIGRATION_TIMEOUT.total_seconds())


@contextmanager
def translate_errors(name: str) -> Generator[None]:
    """Turn PostgreSQL's errors into StoreError, with the database's name and no values."""
    try:
        yield
    except asyncpg.PostgresError as error:
        # Only the first line: the others may quote what people said.
        raise StoreError(
            f"{name}: {error.args[0] if error.args else type(error).__name__}"
        ) from error
    except TimeoutError as error:
        raise StoreError(f"{name}: the database did not answer in time") from error
    except (OSError, asyncpg.InterfaceError) as error:
        raise StoreError(f"{name}: the database is out of reach: {error}") from error
