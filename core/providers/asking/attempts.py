"""Asks one model once: under its provider's limits, with its breaker's leave, up to the first word."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from datetime import timedelta

from core.errors import BadRequestError, ProviderError, RateLimitedError
from core.metrics import Metrics, QueueLeft
from core.providers.asking.breakers import Breakers, Leave
from core.providers.asking.fair import FairLimiter
from core.providers.asking.length import end_in_time
from core.providers.asking.opened import (
    NoWordError,
    Opened,
    RequestMeter,
    correct_failed,
    estimate_input_tokens,
)
from core.providers.asking.retry import NoTurnError, RetryPolicy
from core.providers.asking.tally import Tally
from core.providers.base import Admission, Asker, Chunk, Limiter, ModelRef, Provider, Request

LONGEST_PAUSE = timedelta(hours=1)
"""After so long a provider is asked again, whatever it said: its account may have been filled meanwhile."""


@dataclass(slots=True)
class Patience:
    """How long a request may still wait: for breakers in all, and in a queue if others can be asked."""

    for_breakers: timedelta
    in_queue: timedelta | None = None


class Attempts:
    """Makes attempts, and tells breakers and limiters what came of them."""

    def __init__(
        self, breakers: Breakers, policy: RetryPolicy, metrics: Metrics, clock: Callable[[], float]
    ) -> None:
        self._breakers = breakers
        self._policy = policy
        self._metrics = metrics
        self._clock = clock
        self._paused_until: dict[str, float] = {}
        self._providers: Mapping[str, Provider] = {}
        self._limiters: dict[str, FairLimiter] = {}
        self._inner: Mapping[str, Limiter] = {}

    def change(self, providers: Mapping[str, Provider], limiters: Mapping[str, Limiter]) -> None:
        """Ask these from now on, by name. Queues before limiters that stay are kept."""
        kept = {name for name, limiter in limiters.items() if self._inner.get(name) is limiter}
        self._limiters = {
            name: self._limiters[name] if name in kept else self._make_queue(limiter)
            for name, limiter in limiters.items()
        }
        self._paused_until = {
            name: until for name, until in self._paused_until.items() if name in kept
        }
        self._providers, self._inner = providers, limiters

    def _make_queue(self, limiter: Limiter) -> FairLimiter:
        return FairLimiter(limiter, max_wait=self._policy.max_queue_wait)

    @property
    def waiting_counts(self) -> dict[str, int]:
        """How many requests stand in the queue before each provider's limits."""
        return {name: limiter.waiting_count for name, limiter in self._limiters.items()}

    def is_ready(self, ref: ModelRef) -> bool:
        """Tell whether a model may be asked now, as far as is known without asking."""
        pause_seconds = self._paused_until.get(ref.provider, -math.inf) - self._clock()
        is_paused = pause_seconds > self._policy.fallback_after.total_seconds()
        return not is_paused and self._breakers.is_ready(ref)

    async def make(
        self, ref: ModelRef, request: Request, number: int, patience: Patience
    ) -> Opened:
        """Ask once; `number` counts from 1. Raises ProviderError."""
        provider = self._providers.get(ref.provider)
        if provider is None:
            raise BadRequestError(str(ref), "its provider is not configured any more")
        request = ref.address(request)
        # The most that it can take: providers, too, count the answer's limit at first.
        tokens = estimate_input_tokens(request) + provider.find_room(request)
        admission, leave = await self._wait_for_leave(ref, request.asker, tokens, patience)
        tally = Tally(ref, self._metrics, self._clock)
        try:
            opened = await self._open(provider, ref, request, admission, number, tally)
        except ProviderError as error:
            correct_failed(admission, error)
            leave.fail(error)
            tally.fail(error)
            raise
        except BaseException:
            leave.release()
            tally.end()
            raise
        leave.succeed()
        tally.hear()
        return opened

    def pause(self, ref: ModelRef, duration: timedelta) -> None:
        """Hold back everyone's questions where the provider asked for a pause, but not for days."""
        duration = min(duration, LONGEST_PAUSE)
        until = self._clock() + duration.total_seconds()
        self._paused_until[ref.provider] = max(until, self._paused_until.get(ref.provider, until))
        limiter = self._limiters.get(ref.provider)
        if limiter:
            limiter.pause(duration)

    async def _wait_for_leave(
        self, ref: ModelRef, asker: Asker, tokens: int, patience: Patience
    ) -> tuple[Admission, Leave]:
        """Wait for the breaker and for the limits. Raises ProviderError.

        The breaker has the last word: a probe that stood in the limiter's queue would hold up all
        others. Who finds it shut by then gives the place back, and waits again.
        """
        while True:
            began_at = self._clock()
            try:
                await self._breakers.wait(ref, patience.for_breakers)
            finally:
                patience.for_breakers -= timedelta(seconds=self._clock() - began_at)
            admission = await self._admit(ref, asker, tokens, patience.in_queue)
            if leave := self._breakers.admit_nowait(ref):
                return admission, leave
            admission.withdraw()

    async def _admit(
        self, ref: ModelRef, asker: Asker, tokens: int, max_wait: timedelta | None
    ) -> Admission:
        """Wait for leave from the provider's limits. Raises NoTurnError."""
        limiter = self._limiters[ref.provider]
        began_at, is_admitted = self._clock(), False
        seconds = None if max_wait is None else max_wait.total_seconds()
        try:
            async with asyncio.timeout(seconds):
                admission = await limiter.admit(str(ref), tokens, asker)
            is_admitted = True
        except TimeoutError as error:
            detail = f"no turn under the limits within {seconds:g} s, and others stand ready"
            raise NoTurnError(str(ref), detail, is_early=True) from error
        except RateLimitedError as error:
            raise NoTurnError(str(ref), error.detail, error.retry_after) from error
        else:
            return admission
        finally:
            waited = timedelta(seconds=self._clock() - began_at)
            self._metrics.note(QueueLeft(ref.provider, waited, is_admitted))

    async def _open(
        self,
        provider: Provider,
        ref: ModelRef,
        request: Request,
        admission: Admission,
        number: int,
        tally: Tally,
    ) -> Opened:
        """Read up to the first text. What an attempt took that has none is told to who asked."""
        meter = RequestMeter(estimate_input_tokens(request))
        try:
            async with AsyncExitStack() as stack:
                received = await stack.enter_async_context(provider.stream(request))
                chunks = await stack.enter_async_context(aclosing(end_in_time(ref, received)))
                head = await self._read_head(ref, chunks, meter)
                taken = stack.pop_all()
                return Opened(ref, taken, chunks, head, meter, admission, number, tally)
        except BaseException:
            if meter.told:
                tally.usage = meter.told
                request.asker.on_attempt(ref, meter.told)
            raise

    async def _read_head(
        self, ref: ModelRef, chunks: AsyncIterator[Chunk], meter: RequestMeter
    ) -> list[Chunk]:
        """Read up to the first text. Raises NoWordError where there is none."""
        head: list[Chunk] = []
        async for chunk in chunks:
            meter.add(chunk)
            head.append(chunk)
            if chunk.pause:
                self.pause(ref, chunk.pause)
            if chunk.text.strip():
                return head
        raise NoWordError(str(ref), meter)
