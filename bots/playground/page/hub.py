"""Gathers the feeds of all simulations into one, and remembers what the bot did lately."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack, asynccontextmanager
from typing import Any

from bots.playground.base import Feed, FeedEvent, Simulation


class Hub:
    """One feed of everything that happens, and the last API calls and deliveries for a page opened late."""

    def __init__(self, simulations: Sequence[Simulation], backlog: int = 300) -> None:
        self.simulations = {simulation.platform: simulation for simulation in simulations}
        self.feed = Feed()
        self._recent: dict[str, deque[FeedEvent]] = {
            platform: deque(maxlen=backlog) for platform in self.simulations
        }

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[Hub]:
        """Gather until the context ends."""
        with ExitStack() as listening:
            tasks = [
                asyncio.create_task(
                    self._gather(each.platform, listening.enter_context(each.feed.listen()))
                )
                for each in self.simulations.values()
            ]
            try:
                yield self
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def recent(self) -> list[FeedEvent]:
        """Give the last calls and deliveries of all platforms, oldest first."""
        events = [event for events in self._recent.values() for event in events]
        return sorted(events, key=lambda event: event["at"])

    async def _gather(self, platform: str, queue: asyncio.Queue[FeedEvent]) -> None:
        while True:
            event = _stamped(await queue.get())
            if event["type"] in ("call", "delivery"):
                self._recent[platform].append(event)
            self.feed.publish(event)


def _stamped(event: FeedEvent) -> FeedEvent:
    """Add when it happened, in seconds since the epoch."""
    call: dict[str, Any] = event.get("call", {})
    return {**event, "at": call.get("at", time.time())}
