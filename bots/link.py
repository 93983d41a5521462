"""Whether something outside can be reached: a chat platform's events, or the database."""

from __future__ import annotations

import asyncio
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
        self._changed = asyncio.Event()

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
        self._was_connected = True
        self._turn("connected")

    def stand_by(self) -> None:
        """Tell that another process holds it, and this one is ready to."""
        self._turn("standing by")

    def lose(self) -> None:
        """Tell that it is not there, or not yet. Once more changes nothing."""
        if not self._was_connected:
            self._turn("connecting")
        elif self._state != "down":
            self._down_at = self._clock()
            self._turn("down")

    async def wait_for(self, state: LinkState) -> None:
        """Wait until it is so."""
        while self._state != state:
            await self._changed.wait()

    def _turn(self, state: LinkState) -> None:
        self._state = state
        self._changed.set()
        self._changed = asyncio.Event()
