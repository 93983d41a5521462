"""A clock that stands still until it is told to go on."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count


@dataclass(order=True, slots=True)
class FakeTimer:
    at: float
    number: int
    call: Callable[[], None] = field(compare=False)
    is_cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.is_cancelled = True


class FakeClock:
    """Gives `now`, `call_later` and `sleep`; `advance` fires what falls due, in order."""

    def __init__(self, now: float = 1000.0) -> None:
        self._now = now
        self._timers: list[FakeTimer] = []
        self._numbers = count()
        self.slept: list[float] = []

    def now(self) -> float:
        return self._now

    def call_later(self, delay: float, call: Callable[[], None]) -> FakeTimer:
        timer = FakeTimer(self._now + delay, next(self._numbers), call)
        heapq.heappush(self._timers, timer)
        return timer

    @property
    def next_at(self) -> float | None:
        """When something falls due next; None where nothing does."""
        return min((timer.at for timer in self._timers if not timer.is_cancelled), default=None)

    def advance(self, seconds: float) -> None:
        until = self._now + seconds
        while self._timers and self._timers[0].at <= until:
            timer = heapq.heappop(self._timers)
            if not timer.is_cancelled:
                self._now = max(self._now, timer.at)
                timer.call()
        self._now = until

    async def sleep(self, seconds: float) -> None:
        """Pass the time at once, and remember how much."""
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)

    async def wait(self, seconds: float) -> None:
        """Wait until so much time was passed by `advance`."""
        waited = asyncio.get_running_loop().create_future()

        def end() -> None:
            if not waited.done():
                waited.set_result(None)

        self.call_later(seconds, end)
        await waited
