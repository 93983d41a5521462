"""How long to leave alone what keeps failing: ever longer. Pure but for the clock."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

_MAX_NAMES = 1_000
_MAX_DOUBLINGS = 30


@dataclass(slots=True)
class _Failing:
    failures: int = 0
    until: float = 0.0


class Pauses:
    """Each failure after the first few doubles the pause; a success ends it."""

    def __init__(
        self,
        first: timedelta,
        longest: timedelta,
        *,
        patience: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first_seconds = first.total_seconds()
        self._longest_seconds = longest.total_seconds()
        self._patience = patience
        self._clock = clock
        self._failing: OrderedDict[str, _Failing] = OrderedDict()

    def is_paused(self, name: str = "") -> bool:
        """Tell whether something is to be left alone now."""
        failing = self._failing.get(name)
        return failing is not None and self._clock() < failing.until

    def note_failure(self, name: str = "") -> None:
        """Leave something alone for longer than the last time."""
        failing = self._failing.setdefault(name, _Failing())
        self._failing.move_to_end(name)
        failing.failures += 1
        doublings = min(failing.failures - self._patience - 1, _MAX_DOUBLINGS)
        if doublings >= 0:
            pause_seconds = min(self._longest_seconds, self._first_seconds * 2**doublings)
            failing.until = self._clock() + pause_seconds
        while len(self._failing) > _MAX_NAMES:
            self._failing.popitem(last=False)

    def note_success(self, name: str = "") -> None:
        """Forget that something failed."""
        self._failing.pop(name, None)
