"""Tells a person who waits for a provider's limits how many are ahead, once that takes a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

SHORTEST_BETWEEN = timedelta(seconds=3)
"""How often a place in the queue is told anew, at the most."""


class QueueNotice:
    """Shows places in a queue. `on_place` gets the latest one, None where there is no waiting any more."""

    def __init__(
        self,
        show: Callable[[str], None],
        after: timedelta,
        between: timedelta = SHORTEST_BETWEEN,
    ) -> None:
        self._show = show
        self._after = after.total_seconds()
        self._between = between.total_seconds()
        self._ahead: int | None = None
        self._changed = asyncio.Event()

    def on_place(self, ahead: int | None) -> None:
        """Take note of how many are ahead."""
        self._ahead = ahead
        self._changed.set()

    async def run(self) -> None:
        """Tell, until cancelled."""
        while True:
            await self._wait_for(is_waiting=True)
            pause, told = self._after, None
            while not await self._is_let_in_within(pause):
                if self._ahead != told:
                    told = self._ahead
                    self._show(render_place(told or 0))
                pause = self._between

    async def _wait_for(self, *, is_waiting: bool) -> None:
        while (self._ahead is not None) is not is_waiting:
            self._changed.clear()
            await self._changed.wait()

    async def _is_let_in_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wait_for(is_waiting=False)
        return self._ahead is None


def render_place(ahead: int) -> str:
    """Word how many are ahead."""
    return f"Queued, {ahead} ahead of you." if ahead else "Queued, you are next."
