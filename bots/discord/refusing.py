"""Places that refuse something, as seen: forgotten after a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

_MAX_REMEMBERED = 1_000


class Refusing:
    """Remembers them, for a bounded time and in bounded space."""

    def __init__(
        self,
        remembered_for: timedelta = timedelta(minutes=10),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._remembered_for = remembered_for.total_seconds()
        self._clock = clock
        self._until: dict[str, float] = {}

    def is_known(self, place: str) -> bool:
        """Tell whether it was refused there of late."""
        return self._until.get(place, 0.0) > self._clock()

    def note(self, place: str) -> None:
        """Take note of such a refusal."""
        if len(self._until) >= _MAX_REMEMBERED:
            self._until.clear()
        self._until[place] = self._clock() + self._remembered_for
