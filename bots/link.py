"""Whether something outside can be reached: a chat platform's events, or the database."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Literal

LinkState = Literal["connecting", "connected", "standing by", "down"]


class Link:
    """The state of one connection, told by who holds it. It begins as `connecting`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._state: LinkState = "connecting"
        self._was_connected = False
        self._down_at = 0.0

    @property
    def state(self) -> LinkState:
        """What was told last."""
        return self._state

    @property
    def down_for(self) -> timedelta | None:
        """How long it has been down. None where it is not, nor before it was first connected."""
        if self._state != "down":
            return None
        return timedelta(seconds=self._clock() - self._down_at)

    def connect(self) -> None:
        """Tell that it is there."""
        self._state, self._was_connected = "connected", True

    def stand_by(self) -> None:
        """Tell that another process holds it, and this one is ready to."""
        self._state = "standing by"

    def lose(self) -> None:
        """Tell that it is not there, or not yet. Once more changes nothing."""
        if not self._was_connected:
            self._state = "connecting"
        elif self._state != "down":
            self._state, self._down_at = "down", self._clock()
