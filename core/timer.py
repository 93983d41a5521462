"""What calls a function later: the event loop's `call_later`, or a test's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """What `call_later` gives back."""

    def cancel(self) -> None:
        """Take the call back."""
        ...


CallLater = Callable[[float, Callable[[], None]], Timer]


def call_later(seconds: float, call: Callable[[], None]) -> Timer:
    """Call a function after so many seconds of the running event loop."""
    return asyncio.get_running_loop().call_later(seconds, call)
