"""How often a platform is called for a reply, and how long one goes on where it does not take it."""

from __future__ import annotations

import math
import time
from datetime import timedelta

from bots.outlet import SlowDownError
from core.errors import DeliveryError, StoreError

FIRST_BACK_OFF_SECONDS = 0.5
LONGEST_BACK_OFF_SECONDS = 15.0
LONGEST_STORE_BACK_OFF_SECONDS = 2.0
"""The store is asked again soon: nobody else waits for it as a platform's other users do."""
_BUSY_FACTOR = 10  # how much longer a platform that takes other replies meanwhile may let one wait


class Pace:
    """How often the replies that share one platform limit may call it.

    With `calls_per_minute` shared by `active` replies, each waits its share of a minute between
    edits, and never less than `shortest`. A platform that asks to slow down doubles the wait; each
    call that it takes wins a tenth back.
    """

    def __init__(self, shortest: timedelta, calls_per_minute: int) -> None:
        self._shortest = shortest.total_seconds()
        self._share = 60 / calls_per_minute
        self._stretch = 1.0
        self.active = 0
        self.taken_at = -math.inf
        """When the platform last took something of any of the replies, by the monotonic clock."""

    @property
    def seconds(self) -> float:
        """The wait between two edits of one reply."""
        return max(self._shortest, self.active * self._share) * self._stretch

    def slow(self) -> None:
        """Take note that the platform asked to slow down."""
        self._stretch = min(self._stretch * 2, 16.0)

    def ease(self) -> None:
        """Take note that the platform took a call."""
        self._stretch = max(self._stretch * 0.9, 1.0)
        self.taken_at = read_clock()


class BackOff:
    """Waits that grow from one failure to the next."""

    def __init__(self) -> None:
        self._seconds = FIRST_BACK_OFF_SECONDS

    def reset(self) -> None:
        """Begin anew: something was taken."""
        self._seconds = FIRST_BACK_OFF_SECONDS

    def next(self, error: Exception) -> float:
        """Give how many seconds to wait after a failure."""
        seconds, self._seconds = self._seconds, min(self._seconds * 2, LONGEST_BACK_OFF_SECONDS)
        is_of_store = isinstance(error, StoreError)
        return min(seconds, LONGEST_STORE_BACK_OFF_SECONDS) if is_of_store else seconds


class Insistence:
    """How long a whole reply is tried: as long as the platform takes something within the time allowed.

    One that asks to slow down may take something of any of the replies that share its pace.
    """

    def __init__(self, pace: Pace, give_up_after: float) -> None:
        self._pace = pace
        self._give_up_after = give_up_after
        self._back_off = BackOff()
        self._began = read_clock()
        self._deadline = self._began + give_up_after

    def note_progress(self) -> None:
        """Take note that a part was taken: a long reply that is taken slowly is taken all the same."""
        self._pace.ease()
        self._back_off.reset()
        self._deadline = read_clock() + self._give_up_after

    def find_wait(self, error: Exception) -> float:
        """Give how many seconds to wait after a failure.

        Raises DeliveryError where it was tried for long enough, and a StoreError as it is.
        """
        if isinstance(error, SlowDownError):
            wait = error.retry_after.total_seconds()
            longest = self._began + _BUSY_FACTOR * self._give_up_after
            busy_until = min(self._pace.taken_at + self._give_up_after, longest)
            self._deadline = max(self._deadline, busy_until)
        else:
            wait = self._back_off.next(error)
        if read_clock() + wait <= self._deadline:
            return wait
        if isinstance(error, StoreError):
            raise error
        raise DeliveryError(f"gave up: {error}") from error


def read_clock() -> float:
    """Read a clock that nobody sets, in seconds."""
    return time.monotonic()
