"""How much may be asked of a provider by all processes on one database together.

The rule is that of `core.limits.rate`, over what the database remembers of the last minute and by its
clock. Who asks is let in by turns within a process; between processes those that wait, one of each,
stand in one line, so that none is held up by another, nor a large request by small ones.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from core.errors import RateLimitedError, StoreError
from core.limits.rate import MAX_WAIT, MINUTE_SECONDS, SlidingWindow
from core.store.database import Database, Transaction

log = logging.getLogger("skein.store")

LONGEST_SLEEP_SECONDS = 2.0
"""How long room that another process made stays unseen."""
_SHORTEST_SLEEP = 0.2
"""How often who is not the first in line looks whether it is by now."""
_LIFE = timedelta(seconds=3 * LONGEST_SLEEP_SECONDS)
"""Who waits and was not seen for so long is gone."""
_SETTLE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class SharedAdmission:
    """Leave to make one request, as a `SharedLimiter` gives it."""

    limiter: SharedLimiter
    id: int | None
    """None where nothing is counted."""

    def correct(self, tokens: int) -> None:
        """Replace the estimate by what the request took in truth, soon."""
        if self.id is not None:
            self.limiter.correct(self.id, tokens)

    def withdraw(self) -> None:
        """Give it back, since no request is made."""
        if self.id is not None:
            self.limiter.withdraw(self.id)


class SharedLimiter:
    """The queue before one provider, shared through a database. Leaving it writes what is still due."""

    def __init__(
        self,
        database: Database,
        name: str,
        max_requests_per_minute: int | None = None,
        max_tokens_per_minute: int | None = None,
        *,
        max_wait: timedelta = MAX_WAIT,
    ) -> None:
        self._database = database
        self._name = name
        self._limits = max_requests_per_minute, max_tokens_per_minute
        self._max_wait_seconds = max_wait.total_seconds()
        self._queue = asyncio.Lock()
        self._writes: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.settle()
        for write in self._writes:
            write.cancel()

    async def settle(self) -> None:
        """Wait, but not for ever, until others can see what was corrected and paused here."""
        if self._writes:
            await asyncio.wait(self._writes, timeout=_SETTLE_SECONDS)

    async def admit(self, model: str, tokens: int) -> SharedAdmission:
        """Wait for leave to make a request of so many tokens.

        Raises RateLimitedError after `max_wait`, or at once where a pause is longer than that.
        """
        deadline = time.monotonic() + self._max_wait_seconds
        try:
            async with asyncio.timeout(self._max_wait_seconds), self._queue:
                return await self._wait_for_room(model, max(0, tokens), deadline)
        except TimeoutError as error:
            detail = "too many requests wait for Skein's own limit"
            raise RateLimitedError(model, detail, timedelta(seconds=MINUTE_SECONDS)) from error

    def correct(self, admission_id: int, tokens: int) -> None:
        """Replace an estimate by the truth."""
        self._spawn(self._run("correct_admission", admission_id=admission_id, tokens=tokens))

    def withdraw(self, admission_id: int) -> None:
        """Take back an admission that was never used."""
        self._spawn(self._run("withdraw_admission", admission_id=admission_id))

    def pause(self, duration: timedelta) -> None:
        """Admit nothing for so long, in any process."""
        self._spawn(self._pause(duration))

    async def _wait_for_room(self, model: str, tokens: int, deadline: float) -> SharedAdmission:
        place: int | None = None
        try:
            while True:
                found = await self._look(tokens, place)
                if isinstance(found, SharedAdmission):
                    return found
                place = found.place
                if found.is_paused and time.monotonic() + found.seconds > deadline:
                    wait = timedelta(seconds=found.seconds)
                    raise RateLimitedError(model, "the provider asked for a pause", wait)
                jitter = random.uniform(0.0, 0.05)  # noqa: S311 -- no secret
                await asyncio.sleep(min(found.seconds, LONGEST_SLEEP_SECONDS) + jitter)
        finally:
            if place is not None:  # a second time where it was let in, which changes nothing
                self._spawn(self._run("remove_waiter", waiter_id=place))

    async def _look(self, tokens: int, place: int | None) -> SharedAdmission | _Wait:
        try:
            return await self._database.transact(
                lambda transaction: self._try_admit(transaction, tokens, place)
            )
        except StoreError as error:
            log.warning("%s: the limit cannot be read: %s", self._name, error)
            return _Wait(LONGEST_SLEEP_SECONDS, place, is_paused=False)

    async def _try_admit(
        self, transaction: Transaction, tokens: int, place: int | None
    ) -> SharedAdmission | _Wait:
        limit = await transaction.get("lock_limit", name=self._name)
        now = await transaction.read_clock()
        if now is None:
            raise TypeError("only a database that is shared has a clock")
        window = await self._load_window(transaction, now, limit["paused_until"])
        seconds = window.free_at(tokens, 0.0)
        if not any(self._limits):  # nothing to count: only pauses are shared
            is_paused = seconds > 0
            return _Wait(seconds, None, is_paused) if is_paused else SharedAdmission(self, None)
        first = await transaction.find("find_first_waiter", name=self._name, since=now - _LIFE)
        is_first = first is None or first["id"] == place
        if seconds > 0 or not is_first:
            place = await self._stay_in_line(transaction, place, now)
            wait = seconds if is_first else max(seconds, _SHORTEST_SLEEP)
            return _Wait(wait, place, is_paused=window.paused_until > 0)
        if place is not None:
            await transaction.find("remove_waiter", waiter_id=place)
        row = await transaction.get("add_admission", name=self._name, tokens=tokens, now=now)
        return SharedAdmission(self, row["id"])

    async def _load_window(
        self, transaction: Transaction, now: datetime, paused_until: datetime | None
    ) -> SlidingWindow:
        """Read what was admitted in the last minute, as seconds from now."""
        minute = timedelta(seconds=MINUTE_SECONDS)
        await transaction.load("forget_admissions", name=self._name, since=now - minute)
        window = SlidingWindow(*self._limits)
        for row in await transaction.load("load_admissions", name=self._name):
            window.count((row["admitted_at"] - now).total_seconds(), row["tokens"])
        if paused_until is not None:
            window.pause_until((paused_until - now).total_seconds())
        return window

    async def _stay_in_line(
        self, transaction: Transaction, place: int | None, now: datetime
    ) -> int:
        if place is not None:
            seen = await transaction.find("see_waiter", waiter_id=place, now=now)
            if seen is not None:
                return place
        await transaction.load("forget_waiters", name=self._name, since=now - _LIFE)
        return (await transaction.get("add_waiter", name=self._name, now=now))["id"]

    async def _pause(self, duration: timedelta) -> None:
        async def work(transaction: Transaction) -> None:
            now = await transaction.read_clock()
            until = None if now is None else now + duration
            await transaction.find("pause_limit", name=self._name, until=until)

        await self._database.write(work)

    async def _run(self, name: str, **values: int) -> None:
        await self._database.write(lambda transaction: transaction.find(name, **values))

    def _spawn(self, write: Coroutine[Any, Any, None]) -> None:
        async def guarded() -> None:
            try:
                await write
            except StoreError as error:  # the next minute forgets it
                log.warning("%s: the limit is not exact: %s", self._name, error)

        task = asyncio.create_task(guarded())
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)


@dataclass(frozen=True, slots=True)
class _Wait:
    """How long there is no room, as far as is known."""

    seconds: float
    place: int | None
    """Where it stands in line; None where there is none."""
    is_paused: bool
