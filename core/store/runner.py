"""One runner at a time on a PostgreSQL database, by an advisory lock on a connection of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import asyncpg

from core.errors import StoreBusyError, StoreError
from core.store.address import Address, parse_postgres_url
from core.store.postgres import connect, translate_errors

log = logging.getLogger("skein.store")

GRACE = timedelta(seconds=2)
"""How long a runner waits for another that is just ending."""
CHECK_INTERVAL = timedelta(seconds=15)
RETRY_INTERVAL = timedelta(seconds=1)

RUNNER_LOCK = 0x536B02
"""As the lock for migrations: the second half is the schema."""


@asynccontextmanager
async def lock_postgres(url: str) -> AsyncGenerator[None]:
    """Be the only runner on a database. Raises StoreBusyError while another one is, SettingsError.

    The server drops the lock with the connection, however this process ends. A lost connection is
    made anew; should another runner have taken the lock meanwhile, the body is cancelled and this
    raises StoreBusyError.
    """
    address = parse_postgres_url(url)
    try:
        async with asyncio.TaskGroup() as tasks:
            taken = asyncio.Event()
            keeping = tasks.create_task(_keep(address, taken))
            await taken.wait()
            yield
            keeping.cancel()
    except BaseExceptionGroup as group:
        # One of the two failed, the body or the keeper, and the other was cancelled for it.
        error = group.exceptions[0]
        raise error from error.__cause__


async def _keep(address: Address, taken: asyncio.Event) -> None:
    """Hold the lock until cancelled. Raises what the first attempt does; later only StoreBusyError."""
    while True:
        try:
            async with _hold(address) as connection:
                if taken.is_set():
                    log.warning("%s: the lock of this runner is held again", address.name)
                taken.set()
                await _wait_until_lost(connection)
            log.warning("%s: the connection that held this runner's lock is lost", address.name)
        except StoreBusyError:
            raise
        except StoreError:
            if not taken.is_set():
                raise
            await asyncio.sleep(RETRY_INTERVAL.total_seconds())


@asynccontextmanager
async def _hold(address: Address) -> AsyncGenerator[asyncpg.Connection]:
    async with connect(address) as connection:
        with translate_errors(address.name):
            try:
                await connection.execute(f"SET lock_timeout = {GRACE.total_seconds() * 1000:.0f}")
                await connection.execute(
                    "SELECT pg_advisory_lock($1, hashtext(current_schema()))", RUNNER_LOCK
                )
            except asyncpg.LockNotAvailableError as error:
                raise StoreBusyError(address.name) from error
        yield connection


async def _wait_until_lost(connection: asyncpg.Connection) -> None:
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _: lost.set())
    with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        while not connection.is_closed():
            try:
                async with asyncio.timeout(CHECK_INTERVAL.total_seconds()):
                    await lost.wait()
            except TimeoutError:
                # A server that vanished without a word is noticed by asking it something.
                await connection.execute("SELECT 1")
