"""The breakers of all models, and the wait for one that is held back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from core.errors import ProviderError
from core.providers.base import ModelRef
from core.providers.breaker import Breaker, Pass


class Breakers:
    """Says which models stand ready, and gives leave to ask them. Times are of one monotonic clock."""

    def __init__(
        self,
        max_wait: timedelta,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        self._max_wait_seconds = max_wait.total_seconds()
        self._clock = clock
        self._sleep = sleep
        self._breakers: dict[str, Breaker] = {}
        self._resting_until: dict[str, float] = {}

    def is_ready(self, ref: ModelRef) -> bool:
        """Tell whether a model may be asked now, and did not ask to be left alone."""
        now, breaker = self._clock(), self._breakers.get(str(ref))
        is_held = breaker is not None and breaker.find_wait(now) != 0.0
        return not is_held and self._resting_until.get(str(ref), now) <= now

    def rest(self, ref: ModelRef, duration: timedelta) -> None:
        """Prefer others for so long, as the model's provider asked."""
        self._resting_until[str(ref)] = self._clock() + duration.total_seconds()

    async def admit(self, ref: ModelRef) -> Pass:
        """Give leave to ask a model. Raises the error that opened its breaker where that takes too long."""
        breaker = self._get(ref)
        wait = breaker.find_wait(self._clock())
        if wait and wait <= self._max_wait_seconds:
            await self._sleep(wait)
        given = breaker.admit_nowait(self._clock())
        if given:
            return given
        error = breaker.error
        kind = type(error) if error else ProviderError
        raise kind(str(ref), f"not asked after: {error.detail if error else 'failures'}")

    def succeed(self, ref: ModelRef, given: Pass) -> None:
        """The model answered."""
        self._get(ref).succeed(given)

    def fail(self, ref: ModelRef, given: Pass, error: ProviderError) -> None:
        """The model failed."""
        self._get(ref).fail(given, error, self._clock())

    def release(self, ref: ModelRef, given: Pass) -> None:
        """Nothing was learned of the model."""
        self._get(ref).release(given, self._clock())

    def break_off(self, ref: ModelRef, error: ProviderError) -> None:
        """The model failed in the middle of an answer."""
        self._get(ref).break_off(error, self._clock())

    def clear(self) -> None:
        """Forget all failures."""
        self._breakers.clear()

    def _get(self, ref: ModelRef) -> Breaker:
        return self._breakers.setdefault(str(ref), Breaker(str(ref)))
