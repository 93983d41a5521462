"""Trying again what a store that is away refused, for platforms that do not send a message again."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from weakref import WeakValueDictionary

from core.errors import StoreError

log = logging.getLogger("skein.patience")

MAX_WAITING = 1000
"""Attempts that wait at once; what comes beyond fails at its first."""
FIRST_PAUSE = timedelta(seconds=0.1)
LONGEST_PAUSE = timedelta(seconds=2)


class Patience:
    """Makes attempts until the store serves them: in order within a place, side by side across them."""

    def __init__(self, duration: timedelta) -> None:
        """Take how long one attempt is made again, from when it was asked for."""
        self._duration = duration
        self._turnstiles = WeakValueDictionary[str, asyncio.Lock]()
        self._waiting = 0

    async def keep_trying(
        self, place: str, name: str, attempt: Callable[[], Awaitable[None]]
    ) -> None:
        """Make an attempt until it succeeds. Raises the StoreError that is left when time is up."""
        give_up_at = time.monotonic() + self._duration.total_seconds()
        turnstile = self._turnstiles.setdefault(place, asyncio.Lock())
        if self._waiting >= MAX_WAITING:
            give_up_at = -math.inf
        self._waiting += 1
        try:
            async with turnstile:
                await self._try(name, attempt, give_up_at)
        finally:
            self._waiting -= 1

    async def _try(
        self, name: str, attempt: Callable[[], Awaitable[None]], give_up_at: float
    ) -> None:
        pause = FIRST_PAUSE.total_seconds()
        while True:
            try:
                return await attempt()
            except StoreError as error:
                if time.monotonic() + pause > give_up_at:
                    raise
                if pause == FIRST_PAUSE.total_seconds():
                    log.warning("%s is not recorded yet: %s", name, error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE.total_seconds())
