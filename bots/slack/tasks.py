"""Tasks that someone owns: they are waited for, and in the end cancelled, by whoever started them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

log = logging.getLogger("skein.slack")


class Tasks:
    """A set of running tasks. One that fails is logged, and harms no other."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._end)

    async def wait(self, limit: timedelta) -> None:
        """Wait until all that runs now has ended, but no longer than the limit."""
        if running := tuple(self._running):
            await asyncio.wait(running, timeout=limit.total_seconds())

    async def aclose(self, limit: timedelta = timedelta()) -> None:
        """Give what runs a last chance to end, then cancel it."""
        await self.wait(limit)
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("Slack: something beside failed", exc_info=error)
