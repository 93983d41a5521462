"""The breakers of all models, and the wait for one that is held back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from core.errors import ProviderError
from core.metrics import BreakerOpened, Metrics, NullMetrics
from core.providers.asking.breaker import Breaker, BreakerState, Pass
from core.providers.base import ModelRef
from core.timer import CallLater, call_later

MAX_BREAKERS = 1000
"""How many are kept before those that say nothing are dropped: people can name any model."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Leave to ask a model once. One of its methods has to be called when that is over."""

    breaker: Breaker
    given: Pass
    clock: Callable[[], float]

    def succeed(self) -> None:
        """The model began to answer."""
        self.breaker.succeed(self.given)

    def fail(self, error: ProviderError) -> None:
        """The model failed, or the question was refused."""
        self.breaker.fail(self.given, error, self.clock())

    def release(self) -> None:
        """Nothing was learned of the model."""
        self.breaker.release(self.given, self.clock())


class Breakers:
    """Says which models stand ready, and gives leave to ask them. Times are of one monotonic clock."""

    def __init__(
        self,
        clock: Callable[[], float],
        later: CallLater = call_later,
        metrics: Metrics | None = None,
    ) -> None:
        self._clock = clock
        self._metrics = metrics or NullMetrics()
        self._later = later
        self._breakers: dict[str, Breaker] = {}
        self._waiters: dict[str, list[asyncio.Future[None]]] = {}
        self._resting_until: dict[str, float] = {}

    @property
    def states(self) -> dict[str, BreakerState]:
        """The state of each model that was asked, as `provider/model`."""
        return {model: breaker.state for model, breaker in self._breakers.items()}

    def is_ready(self, ref: ModelRef) -> bool:
        """Tell whether a model may be asked now, and did not ask to be left alone."""
        now, breaker = self._clock(), self._breakers.get(str(ref))
        is_held = breaker is not None and breaker.find_wait(now) != 0.0
        return not is_held and self._resting_until.get(str(ref), now) <= now

    def rest(self, ref: ModelRef, duration: timedelta) -> None:
        """Prefer others for so long, as the model's provider asked."""
        self._resting_until[str(ref)] = self._clock() + duration.total_seconds()

    async def wait(self, ref: ModelRef, patience: timedelta) -> None:
        """Wait until a model may be asked, or its next probe may go.

        While a probe is under way, that is for what it finds. All who wait go on together then: the
        limiter's queue lets them in one by one, and the first of them alone where it is for a probe.

        Raises the error that opened the breaker where that takes too long.
        """
        until = self._clock() + patience.total_seconds()
        while (wait := self._get(ref).find_wait(self._clock())) != 0.0:
            left = until - self._clock()
            if left <= 0 or (wait or 0.0) > left:
                raise self._refuse(ref)
            await self._wait_for_change(str(ref), left if wait is None else wait)

    def admit_nowait(self, ref: ModelRef) -> Leave | None:
        """Give leave to ask a model, if there is any now."""
        breaker = self._get(ref)
        given = breaker.admit_nowait(self._clock())
        return Leave(breaker, given, self._clock) if given else None

    def complete(self, ref: ModelRef) -> None:
        """The model's answer came to its end."""
        self._get(ref).complete()

    def break_off(self, ref: ModelRef, error: ProviderError) -> None:
        """The model failed in the middle of an answer."""
        self._get(ref).break_off(error, self._clock())

    def clear(self) -> None:
        """Forget all failures; who waits for a model may ask it."""
        self._breakers.clear()
        self._resting_until.clear()
        for model in self._waiters:
            self._wake(model)

    def _get(self, ref: ModelRef) -> Breaker:
        model = str(ref)
        if model not in self._breakers:
            if len(self._breakers) >= MAX_BREAKERS:
                self._forget_idle()
            self._breakers[model] = Breaker(model, on_change=partial(self._change, ref))
        return self._breakers[model]

    def _forget_idle(self) -> None:
        """Drop the breakers that hold nobody back, and the rests that are over."""
        now, closed = self._clock(), BreakerState.CLOSED
        self._breakers = {
            model: each for model, each in self._breakers.items() if each.state is not closed
        }
        self._resting_until = {
            model: until for model, until in self._resting_until.items() if until > now
        }

    def _change(self, ref: ModelRef) -> None:
        self._wake(str(ref))
        if self._get(ref).find_wait(self._clock()):  # none where a probe was only given up
            self._metrics.note(BreakerOpened(ref.provider, ref.model))

    def _refuse(self, ref: ModelRef) -> ProviderError:
        error = self._get(ref).error
        kind = type(error) if error else ProviderError
        return kind(str(ref), f"not asked after: {error.detail if error else 'failures'}")

    async def _wait_for_change(self, model: str, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        waiters = self._waiters.setdefault(model, [])
        waiters.append(woken)
        timer = self._later(seconds, partial(_resolve, woken))
        try:
            await woken
        finally:
            timer.cancel()
            waiters.remove(woken)
            if not waiters:
                self._waiters.pop(model, None)

    def _wake(self, model: str) -> None:
        for woken in self._waiters.get(model, ()):
            _resolve(woken)


def _resolve(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
