"""Makes discord.py's waits fit a bot that people wait for: bounded, needed, one line a failure."""

from __future__ import annotations

import logging
from typing import Any

import discord.client
import discord.http
from discord.backoff import ExponentialBackoff

_DOUBLINGS = 5  # at most 2 ** 5 seconds between two attempts; discord.py itself goes to 17 minutes


class BoundedBackoff(ExponentialBackoff[bool]):
    """discord.py's own back-off, which spreads clients, with an end that people would still wait for."""

    def __init__(self, base: int = 1, *, integral: bool = False) -> None:
        super().__init__(base, integral=integral)
        self._max = _DOUBLINGS


class OpenRatelimit(discord.http.Ratelimit):
    """A rate limit that lets calls pass while any are left.

    discord.py's own, told of a longest wait, refuses every call in a window longer than that.
    """

    async def acquire(self) -> None:
        """Take one of the calls that are left, or do as discord.py does where none is."""
        if self.is_expired():
            self.reset()
        if self.remaining > 0:
            self._last_request = self._loop.time()
            self.remaining -= 1
            self.outgoing += 1
        else:
            await super().acquire()

    async def __aexit__(self, *raised: Any) -> None:
        """Give the call back, and let those that wait use what is left, however long the window.

        discord.py's own refuses them where the window is longer than the longest wait.
        """
        left = self.remaining - self.outgoing + 1
        if left > 0 and not self._sleeping.locked():
            self.outgoing -= 1
            self._wake(left)
        else:
            await super().__aexit__(*raised)


class OneLine(logging.Filter):
    """Tells of a lost connection in one line, where discord.py adds a traceback each time."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Fold the reason into the message of a reconnect."""
        if record.exc_info and str(record.msg).startswith("Attempting a reconnect"):
            error = record.exc_info[1]
            record.msg = f"lost the gateway ({type(error).__name__}: {error}); {record.msg.lower()}"
            record.exc_info = None
        return True


def calm_waits() -> None:
    """Bound discord.py's waits and its words. Doing it again changes nothing."""
    discord.http.Ratelimit = OpenRatelimit
    discord.client.ExponentialBackoff = BoundedBackoff  # pyright: ignore[reportAttributeAccessIssue, reportPrivateImportUsage]
    log = logging.getLogger("discord.client")
    if not any(isinstance(each, OneLine) for each in log.filters):
        log.addFilter(OneLine())
