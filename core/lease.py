"""Keeps a turn that this process runs from being run by another, and ends it here when that failed.

A lease that could not be renewed in time is doubtful: another process may run the turn by now, or,
where the database is away for all, nobody. Meanwhile the model's answer goes on being read, and
nothing is said on the platform. The database knows in the end: it renews the lease of the latest attempt
alone, so that a turn which nobody took over goes on where it stands. Of a store that no other process
shares there is no doubt.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from core.conversation import ReplyMessage, Turn
from core.errors import LeaseDoubtfulError, LeaseLostError, StoreError
from core.store.base import HEARTBEAT, LEASE, Store

log = logging.getLogger("skein.turns")

RETRY_INTERVAL = timedelta(seconds=1)
"""How soon a lease that could not be renewed is tried again."""


class Lease:
    """The hold on one attempt at a turn.

    It began no earlier than `began_at`, when the store was asked to start the turn, or to take it over.
    `patience` is how long it may be doubtful before the attempt is given up.
    """

    def __init__(self, store: Store, turn: Turn, began_at: float, patience: timedelta) -> None:
        self._store = store
        self._turn = turn
        self._patience = patience.total_seconds()
        self._lost = asyncio.Event()
        self._held_until = began_at + LEASE.total_seconds()

    @property
    def turn(self) -> Turn:
        """Which turn it is of, as it began."""
        return self._turn

    def check(self) -> None:
        """Raise LeaseLostError or LeaseDoubtfulError unless the turn is surely held, by the clock."""
        if self._lost.is_set():
            raise self._lost_error
        if self._store.is_shared and read_clock() >= self._held_until:
            raise LeaseDoubtfulError(self._name)

    async def confirm(self) -> None:
        """Raise LeaseLostError if the turn was taken over: whoever runs it now speaks of it."""
        turn = await self._store.find_turn(self._turn.id)
        if turn is not None and turn.attempts != self._turn.attempts:
            raise self._lost_error

    async def record(self, reply: ReplyMessage, /, *, is_gone: bool = False) -> None:
        """Commit a message of the reply, see RecordReply. Raises LeaseLostError."""
        write = self._store.remove_reply_message if is_gone else self._store.add_reply_message
        if not self._lost.is_set() and await write(self._turn, reply):
            return
        self._lost.set()
        raise self._lost_error

    async def keep(self, stop: Callable[[], None]) -> None:
        """Renew the lease until cancelled; `stop` is called when the turn was cancelled elsewhere.

        Raises LeaseLostError when another process took over, or it was doubtful for too long.
        """
        pause = HEARTBEAT
        while not self._lost.is_set():
            with suppress(asyncio.TimeoutError):
                async with asyncio.timeout(pause.total_seconds()):
                    await self._lost.wait()
            was_renewed = await self._renew(stop)
            pause = HEARTBEAT if was_renewed else min(RETRY_INTERVAL, HEARTBEAT)
        raise self._lost_error

    async def _renew(self, stop: Callable[[], None]) -> bool:
        """Ask for another lease. False where there was no answer."""
        asked_at = read_clock()
        try:
            async with asyncio.timeout(HEARTBEAT.total_seconds()):
                if await self._store.extend(self._turn):
                    self._hold_from(asked_at)
                elif await self._is_ended_here():
                    stop()
                    self._hold_from(asked_at)
                else:
                    self._lost.set()
        except (TimeoutError, StoreError) as error:
            self._doubt(error)
            return False
        return True

    def _hold_from(self, asked_at: float) -> None:
        if asked_at >= self._held_until:
            log.info("%s: nobody took it over, it goes on", self._name)
        self._held_until = asked_at + LEASE.total_seconds()

    def _doubt(self, error: Exception) -> None:
        log.debug("%s: the lease cannot be renewed: %r", self._name, error)
        if self._store.is_shared and read_clock() >= self._held_until + self._patience:
            self._lost.set()

    async def _is_ended_here(self) -> bool:
        """Tell whether the turn ended in this attempt: done, or cancelled by somebody."""
        turn = await self._store.find_turn(self._turn.id)
        return turn is not None and turn.state.is_final and turn.attempts == self._turn.attempts

    @property
    def _name(self) -> str:
        return f"turn {self._turn.id}, attempt {self._turn.attempts}"

    @property
    def _lost_error(self) -> LeaseLostError:
        return LeaseLostError(f"{self._name},")


def read_clock() -> float:
    """Read a clock that goes on while the process, or the machine under it, stands still."""
    # Linux, then macOS; elsewhere the monotonic clock does so.
    clock = getattr(time, "CLOCK_BOOTTIME", None) or getattr(time, "CLOCK_MONOTONIC", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)
