"""How much may be asked of a provider by all processes on one database together.

The rule is that of `core.limits`, over what the database remembers of the last minute and by its
clock. Who asks is let in by turns within a process, and as it comes between processes.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from core.errors import RateLimitedError, StoreError
from core.limits import MAX_WAIT, MINUTE_SECONDS, SlidingWindow
from core.store.database import Database, Transaction

log = logging.getLogger("skein.store")

LONGEST_SLEEP_SECONDS = 2.0
"""How long room that another process made stays unseen."""
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
        while True:
            try:
                found = await self._database.transact(
                    lambda transaction: self._try_admit(transaction, tokens)
                )
            except StoreError as error:
                log.warning("%s: the limit cannot be read: %s", self._name, error)
                found = _Wait(LONGEST_SLEEP_SECONDS, is_paused=False)
            if isinstance(found, SharedAdmission):
                return found
            if found.is_paused and time.monotonic() + found.seconds > deadline:
                wait = timedelta(seconds=found.seconds)
                raise RateLimitedError(model, "the provider asked for a pause", wait)
            jitter = random.uniform(0.0, 0.05)  # noqa: S311 -- no secret
            await asyncio.sleep(min(found.seconds, LONGEST_SLEEP_SECONDS) + jitter)

    async def _try_admit(self, transaction: Transaction, tokens: int) -> SharedAdmission | _Wait:
        limit = await transaction.get("lock_limit", name=self._name)
        now = await transaction.read_clock()
        if now is None:
            raise TypeError("only a database that is shared has a clock")
        minute = timedelta(seconds=MINUTE_SECONDS)
        await transaction.load("forget_admissions", name=self._name, since=now - minute)
        window = SlidingWindow(*self._limits)
        for row in await transaction.load("load_admissions", name=self._name):
            window.count((row["admitted_at"] - now).total_seconds(), row["tokens"])
        paused_until = limit["paused_until"]
        if paused_until is not None:
            window.pause_until((paused_until - now).total_seconds())
        seconds = window.free_at(tokens, 0.0)
        if seconds > 0:
            return _Wait(seconds, is_paused=window.paused_until > 0)
        if not any(self._limits):
            return SharedAdmission(self, None)  # nothing to count: only pauses are shared
        row = await transaction.get("add_admission", name=self._name, tokens=tokens, now=now)
        return SharedAdmission(self, row["id"])

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
    is_paused: bool
