"""What lasts as long as a connection to PostgreSQL does: a name that is held, an ear that is kept open.

Each has a connection of its own, which is made anew when it is lost.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from datetime import timedelta

import asyncpg

from core.beside import beside
from core.errors import SkeinError
from core.store.database import NamedQueries, Queries

log = logging.getLogger("skein.store")

HOLD_LOCK = 0x536B03
"""As the lock for migrations: the second half is the schema and the name."""
TRY_INTERVAL = timedelta(seconds=1)
"""How long a name whose holder died stays without one, at the most."""
CHECK_INTERVAL = timedelta(seconds=5)
"""How long a server that vanished without a word is taken for one that is there."""
GOES_ON = timedelta(seconds=20)
"""How long work goes on without a connection that holds its name. A database that is away for all gives
the name to nobody; one that is away for this process alone may have given it to another."""

_FAILURES = (SkeinError, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

Connect = Callable[[], AbstractAsyncContextManager[asyncpg.Connection]]


class _LostError(Exception):
    """A name is held no more."""


class Sessions:
    """Holds names and hears words, each over a connection of its own."""

    def __init__(self, connect: Connect, named: NamedQueries) -> None:
        self._connect = connect
        self._named = named

    async def listen(self, on_word: Callable[[str], None]) -> None:
        """Hear what is announced on this schema, until cancelled; see Store.listen."""

        def hear(_connection: object, _pid: int, _channel: str, word: object) -> None:
            on_word(str(word))

        while True:
            try:
                async with self._connect() as connection:
                    channel = await Queries(connection, self._named).get("name_channel")
                    await connection.add_listener(channel["name"], hear)
                    on_word("waiting")
                    await wait_until_lost(connection)
            except _FAILURES as error:
                log.debug("nothing can be heard from other processes: %s", error)
            await _pause()

    async def run_alone(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do what only one process at a time may do; see Store.run_alone."""
        while True:
            try:
                async with AsyncExitStack() as stack:
                    connection = await self._take(stack, name)
                    log.info("%s: this process has it", name)
                    async with beside(self._keep(stack, name, connection)):
                        return await work()
            except _LostError as error:
                log.warning("%s: %s", name, error)

    async def _keep(self, stack: AsyncExitStack, name: str, connection: asyncpg.Connection) -> None:
        """Hold a name over one connection after another. Raises _LostError."""
        while True:
            await wait_until_lost(connection)
            log.warning("%s: the connection that held it is lost; it goes on for now", name)
            try:
                async with asyncio.timeout(GOES_ON.total_seconds()):
                    connection = await self._take(stack, name, must_be_free=True)
            except TimeoutError:
                raise _LostError("it was not to be held again in time, and is left") from None
            log.info("%s: this process has it again", name)

    async def _take(
        self, stack: AsyncExitStack, name: str, *, must_be_free: bool = False
    ) -> asyncpg.Connection:
        """Wait until a name is free, however long the database is away.

        Raises _LostError where somebody else holds it, and it must be free.
        """
        while True:
            async with AsyncExitStack() as attempt:
                try:
                    connection = await attempt.enter_async_context(self._connect())
                    while not await self._try_hold(connection, name):
                        if must_be_free:
                            raise _LostError("another process has it now")
                        await _pause()
                except _FAILURES as error:
                    log.debug("%s cannot be held: %s", name, error)
                else:
                    stack.push_async_exit(attempt.pop_all())
                    return connection
            await _pause()

    async def _try_hold(self, connection: asyncpg.Connection, name: str) -> bool:
        row = await Queries(connection, self._named).get("try_hold", key=HOLD_LOCK, name=name)
        return bool(row["is_held"])


async def _pause() -> None:
    longest = TRY_INTERVAL.total_seconds()
    await asyncio.sleep(random.uniform(longest / 2, longest))  # noqa: S311 -- jitter, no secret


async def wait_until_lost(connection: asyncpg.Connection) -> None:
    """Wait until a connection is of no use any more."""
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _: lost.set())
    with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
        while not connection.is_closed():
            try:
                async with asyncio.timeout(CHECK_INTERVAL.total_seconds()):
                    await lost.wait()
            except TimeoutError:
                # A server that vanished without a word is noticed by asking it something.
                await connection.execute("SELECT 1", timeout=CHECK_INTERVAL.total_seconds())
