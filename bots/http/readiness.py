"""Whether this process can do its work: what it depends on, and how long it may do without."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from bots.link import Link, LinkState

log = logging.getLogger("skein.http")

LONGEST_BETWEEN_LOOKS = timedelta(seconds=5)
SHORTEST_BETWEEN_LOOKS = timedelta(seconds=0.25)
LOOKS_WITHIN_GRACE = 4
"""How often the store is asked, at the least, before its absence counts."""
PING_TIMEOUT = timedelta(seconds=5)
"""After so long without an answer the store counts as down, until the answer comes."""
CLOSING = timedelta(seconds=1)

Status = Literal["ready", "not ready", "stopping"]


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that the process depends on, as it is at one moment."""

    name: str
    state: LinkState
    down_for: timedelta | None
    is_ready: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What there is to say at one moment."""

    status: Status
    parts: tuple[Part, ...]

    def __str__(self) -> str:
        """Name what is missing, in words for the log."""
        missing = [f"{part.name} is {_describe(part)}" for part in self.parts if not part.is_ready]
        return ", ".join(missing) or self.status


def _describe(part: Part) -> str:
    if part.down_for is None:
        return part.state
    return f"{part.state} for {part.down_for.total_seconds():.0f} s"


class Readiness:
    """Judges links: a part may be down for as long as the grace, and counts once it was connected."""

    def __init__(
        self, links: Mapping[str, Link], grace: timedelta, is_stopping: Callable[[], bool]
    ) -> None:
        self._links = links
        self._grace = grace
        self._is_stopping = is_stopping

    def report(self) -> Report:
        """Say how things are now."""
        parts = tuple(self._judge(name, link) for name, link in self._links.items())
        if self._is_stopping():
            return Report("stopping", parts)
        return Report("ready" if all(part.is_ready for part in parts) else "not ready", parts)

    def _judge(self, name: str, link: Link) -> Part:
        down_for = link.down_for
        is_ready = link.state != "connecting" and (down_for is None or down_for <= self._grace)
        return Part(name, link.state, down_for, is_ready)


class Watch:
    """Asks the store now and then whether it is there, and logs when readiness turns."""

    def __init__(
        self,
        readiness: Readiness,
        store: Link,
        ping: Callable[[], Awaitable[object]],
        grace: timedelta,
        ping_timeout: timedelta = PING_TIMEOUT,
    ) -> None:
        self._readiness = readiness
        self._store = store
        self._ping = ping
        self._pause = _choose_pause(grace)
        self._ping_timeout = ping_timeout
        self._last: Status | None = None

    async def run(self) -> None:
        """Watch until cancelled. Whatever fails, the bot goes on."""
        asking = asyncio.create_task(self._ask_store())
        try:
            while True:
                await asyncio.wait({asking}, timeout=self._ping_timeout.total_seconds())
                if not asking.done():
                    self._store.lose()
                self._log_turn(self._readiness.report())
                await asyncio.sleep(self._pause.total_seconds())
                if asking.done():
                    asking = asyncio.create_task(self._ask_store())
        finally:
            asking.cancel()
            await asyncio.wait({asking}, timeout=CLOSING.total_seconds())

    async def _ask_store(self) -> None:
        # It is not cut off in time: on a connection that is dead, a cancellation waits, too.
        try:
            await self._ping()
        except Exception:
            log.debug("the store does not answer", exc_info=True)
            self._store.lose()
        else:
            self._store.connect()

    def _log_turn(self, report: Report) -> None:
        """Log each change once. That it is not ready when it begins, or stops, is none."""
        last, self._last = self._last, report.status
        if report.status == "ready" and last == "not ready":
            log.info("ready")
        elif report.status == "not ready" and last == "ready":
            log.error("not ready: %s", report)


def _choose_pause(grace: timedelta) -> timedelta:
    return min(max(grace / LOOKS_WITHIN_GRACE, SHORTEST_BETWEEN_LOOKS), LONGEST_BETWEEN_LOOKS)
