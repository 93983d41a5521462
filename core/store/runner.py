"""Who uses a PostgreSQL database: any number of runners, or one command that wants it for itself.

Each has an advisory lock on a connection of its own; those of the runners are shared.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg

from core.beside import beside
from core.errors import StoreBusyError, StoreError
from core.store.address import Address, parse_postgres_url
from core.store.database import RUNNER_LOCK
from core.store.postgres import connect, translate_errors
from core.store.sessions import wait_until_lost

log = logging.getLogger("skein.store")

GRACE = timedelta(seconds=2)
"""How long one waits for another that is just ending."""
RETRY_INTERVAL = timedelta(seconds=1)

_SHARED = "SELECT pg_advisory_lock_shared($1, hashtext(current_schema()))"
_ALONE = "SELECT pg_advisory_lock($1, hashtext(current_schema()))"


@asynccontextmanager
async def lock_postgres(url: str, *, is_alone: bool = False) -> AsyncGenerator[None]:
    """Be a runner on a database, or use it alone, without any. Raises StoreBusyError, SettingsError.

    The server drops the lock with the connection, however this process ends. A lost connection is
    made anew; should somebody have taken the lock meanwhile that bears no other, the body is
    cancelled and this raises StoreBusyError.
    """
    address = parse_postgres_url(url)
    statement = _ALONE if is_alone else _SHARED
    taken = asyncio.Event()
    async with beside(_keep(address, statement, taken)):
        await taken.wait()
        yield


async def _keep(address: Address, statement: str, taken: asyncio.Event) -> None:
    """Hold the lock until cancelled. Raises what the first attempt does; later only StoreBusyError."""
    while True:
        try:
            async with _hold(address, statement) as connection:
                if taken.is_set():
                    log.warning("%s: the lock of this runner is held again", address.name)
                taken.set()
                await wait_until_lost(connection)
            log.warning("%s: the connection that held this runner's lock is lost", address.name)
        except StoreBusyError:
            raise
        except StoreError:
            if not taken.is_set():
                raise
            await asyncio.sleep(RETRY_INTERVAL.total_seconds())


@asynccontextmanager
async def _hold(address: Address, statement: str) -> AsyncGenerator[asyncpg.Connection]:
    async with connect(address) as connection:
        with translate_errors(address.name):
            try:
                await connection.execute(f"SET lock_timeout = {GRACE.total_seconds() * 1000:.0f}")
                await connection.execute(statement, RUNNER_LOCK)
            except asyncpg.LockNotAvailableError as error:
                raise StoreBusyError(address.name) from error
        yield connection
