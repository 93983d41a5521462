"""Keeps a turn that this process runs from being run by another, and ends it here when that failed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from core.conversation import ReplyMessage, Turn
from core.errors import LeaseLostError, StoreError
from core.store.base import HEARTBEAT, LEASE, Store


class Lease:
    """The hold on one attempt at a turn. It began when the turn was started, or taken over."""

    def __init__(self, store: Store, turn: Turn) -> None:
        self._store = store
        self._turn = turn
        self._lost = asyncio.Event()
        self._held_until = _read_clock() + LEASE.total_seconds()

    @property
    def turn_id(self) -> int:
        """Which turn it is of."""
        return self._turn.id

    def check(self) -> None:
        """Raise LeaseLostError if another process may run the turn by now, as after a long standstill."""
        if _read_clock() >= self._held_until:
            self._lost.set()
        if self._lost.is_set():
            raise self._error

    async def record(self, reply: ReplyMessage, /, *, is_gone: bool = False) -> None:
        """Commit a message of the reply, see RecordReply. Raises LeaseLostError."""
        write = self._store.remove_reply_message if is_gone else self._store.add_reply_message
        if not self._lost.is_set() and await write(self._turn, reply):
            return
        self._lost.set()
        raise self._error

    async def keep(self, stop: Callable[[], None]) -> None:
        """Renew the lease until cancelled; `stop` is called when the turn was cancelled elsewhere.

        Raises LeaseLostError when another process took over, or may have by now.
        """
        while not self._lost.is_set():
            with suppress(asyncio.TimeoutError):
                async with asyncio.timeout(HEARTBEAT.total_seconds()):
                    await self._lost.wait()
            await self._renew(stop)
        raise self._error

    async def _renew(self, stop: Callable[[], None]) -> None:
        asked_at = _read_clock()
        try:
            async with asyncio.timeout(HEARTBEAT.total_seconds()):
                if await self._store.extend(self._turn):
                    self._held_until = asked_at + LEASE.total_seconds()
                elif await self._is_ended_here():
                    stop()
                    self._held_until = asked_at + LEASE.total_seconds()
                else:
                    self._lost.set()
        except (TimeoutError, StoreError):
            if _read_clock() >= self._held_until:
                self._lost.set()

    async def _is_ended_here(self) -> bool:
        """Tell whether the turn ended in this attempt: done, or cancelled by somebody."""
        turn = await self._store.find_turn(self._turn.id)
        return turn is not None and turn.state.is_final and turn.attempts == self._turn.attempts

    @property
    def _error(self) -> LeaseLostError:
        return LeaseLostError(f"turn {self._turn.id}, attempt {self._turn.attempts},")


def _read_clock() -> float:
    """Read a clock that goes on while the process, or the machine under it, stands still."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
