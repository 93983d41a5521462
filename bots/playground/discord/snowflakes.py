"""Discord's ids: the milliseconds since 2015 in the upper bits, a counter below, as decimal strings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], float]
"""Gives the time in seconds since the epoch."""

_DISCORD_EPOCH_MS = 1_420_070_400_000
_TIME_SHIFT = 22


class Snowflakes:
    """Makes ids that only ever grow, even when the clock stands still or goes back."""

    def __init__(self, now: Clock) -> None:
        self._now = now
        self._last = 0

    def next(self) -> str:
        """Make an id of this moment."""
        milliseconds = int(self._now() * 1000) - _DISCORD_EPOCH_MS
        self._last = max(self._last + 1, milliseconds << _TIME_SHIFT)
        return str(self._last)

    def pass_by(self, snowflake: str) -> None:
        """Take note of an id made elsewhere: every later one is greater."""
        self._last = max(self._last, int(snowflake))


def is_snowflake(value: object) -> bool:
    """Tell whether a value from a request can be an id."""
    return isinstance(value, str | int) and str(value).isascii() and str(value).isdigit()


def seconds_of(snowflake: str) -> float:
    """Give the time at which an id was made, in seconds since the epoch."""
    return ((int(snowflake) >> _TIME_SHIFT) + _DISCORD_EPOCH_MS) / 1000


def timestamp(seconds: float) -> str:
    """Write a time as Discord does."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
