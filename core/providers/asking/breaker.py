"""A circuit breaker: a model that fails again and again is left alone for a while, then probed. Pure.

    closed --failures in a row--> open --cool-down--> half-open --good probe--> closed
                                    ^------ bad probe, twice the cool-down ------'

Times are seconds of one monotonic clock.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from core import errors
from core.errors import AuthError, OverloadedError, ProviderError, UnreachableError

log = logging.getLogger("skein.providers")


class BreakerState(Enum):
    """Whether a model is asked."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a breaker opens, and for how long."""

    max_failures: int = 5
    """So many in a row open it."""
    cool_down: timedelta = timedelta(seconds=5)
    longest_cool_down: timedelta = timedelta(seconds=60)
    auth_cool_down: timedelta = timedelta(seconds=60)
    """A refused key opens it at once: only people mend that."""
    longest_auth_cool_down: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Pass:
    """Leave to ask a model once. `period` is the one between two changes of state in which it was given."""

    period: int
    is_probe: bool = False


class Breaker:
    """One model's breaker. Each pass it gives has to come back by `succeed`, `fail` or `release`.

    `on_change` is called after each change of state.
    """

    def __init__(
        self,
        model: str,
        policy: BreakerPolicy | None = None,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.state = BreakerState.CLOSED
        self.error: ProviderError | None = None
        """Why it opened."""
        self._model = model
        self._policy = policy or BreakerPolicy()
        self._on_change = on_change
        self._period = 0
        self._failures = 0
        self._cool_down = timedelta()
        self._open_until = 0.0

    def find_wait(self, now: float) -> float | None:
        """Say how long until the model may be asked: 0 now, None where a probe is under way."""
        match self.state:
            case BreakerState.CLOSED:
                return 0.0
            case BreakerState.HALF_OPEN:
                return None
            case BreakerState.OPEN:
                return max(0.0, self._open_until - now)

    def admit_nowait(self, now: float) -> Pass | None:
        """Give leave to ask, if there is any now; after a cool-down, for one probe."""
        if self.find_wait(now) != 0.0:
            return None
        if self.state is BreakerState.CLOSED:
            return Pass(self._period)
        self._enter(BreakerState.HALF_OPEN)
        log.info("breaker half-open: model=%s is asked once, as a probe", self._model)
        return Pass(self._period, is_probe=True)

    def succeed(self, given: Pass) -> None:
        """The model began to answer. What was asked before the breaker opened says nothing of now."""
        if given.period == self._period and self.state is BreakerState.HALF_OPEN:
            self._failures = 0
            self._cool_down = timedelta()
            self.error = None
            self._enter(BreakerState.CLOSED)
            log.info("breaker closed: model=%s answers again", self._model)

    def fail(self, given: Pass, error: ProviderError, now: float) -> None:
        """The model failed; an error that says nothing of its health only gives the pass back."""
        if not isinstance(error, _FAILURES):
            self.release(given, now)
            return
        if given.period != self._period:
            return
        self._failures += 1
        is_auth = isinstance(error, AuthError)
        if given.is_probe or is_auth or self._failures >= self._policy.max_failures:
            self._open(error, now)

    def complete(self) -> None:
        """An answer came to its end: failures in a row are counted anew."""
        if self.state is BreakerState.CLOSED:
            self._failures = 0

    def break_off(self, error: ProviderError, now: float) -> None:
        """The model failed in the middle of an answer, for which its pass was given back before."""
        if self.state is BreakerState.CLOSED:
            self.fail(Pass(self._period), error, now)

    def release(self, given: Pass, now: float) -> None:
        """Nothing was learned of the model: where this was the probe, another one may go."""
        if given.is_probe and given.period == self._period:
            self._open_until = now
            self._enter(BreakerState.OPEN)

    def _open(self, error: ProviderError, now: float) -> None:
        policy, is_auth = self._policy, isinstance(error, AuthError)
        first = policy.auth_cool_down if is_auth else policy.cool_down
        longest = policy.longest_auth_cool_down if is_auth else policy.longest_cool_down
        self._cool_down = min(max(first, self._cool_down * 2), longest)
        self._open_until = now + self._cool_down.total_seconds()
        self.error = error
        self._enter(BreakerState.OPEN)
        log.warning(
            "breaker open: model=%s is not asked for %g s: failures=%d error=%s detail=%s",
            self._model,
            self._cool_down.total_seconds(),
            self._failures,
            type(error).__name__,
            error.detail,
        )

    def _enter(self, state: BreakerState) -> None:
        self.state = state
        self._period += 1
        self._on_change()


_FAILURES = (OverloadedError, UnreachableError, errors.TimeoutError, AuthError)
