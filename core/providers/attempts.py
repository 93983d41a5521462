"""Asks one model once: under its provider's limits, with its breaker's leave, up to the first word."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta

from core.errors import BadRequestError, ProviderError, RateLimitedError
from core.providers.attempt import (
    NoWordError,
    Opened,
    RequestMeter,
    correct_failed,
    estimate_input_tokens,
    estimate_tokens,
)
from core.providers.base import Admission, Chunk, Limiter, ModelRef, Provider, Request
from core.providers.breakers import Breakers
from core.providers.fair import FairLimiter

log = logging.getLogger("skein.providers")


class Attempts:
    """Makes attempts, and tells breakers and limiters what came of them."""

    def __init__(self, breakers: Breakers) -> None:
        self._breakers = breakers
        self._providers: Mapping[str, Provider] = {}
        self._limiters: dict[str, FairLimiter] = {}
        self._inner: Mapping[str, Limiter] = {}

    def change(self, providers: Mapping[str, Provider], limiters: Mapping[str, Limiter]) -> None:
        """Ask these from now on, by name. Queues before limiters that stay are kept."""
        queues = self._limiters
        self._limiters = {
            name: queues[name] if self._inner.get(name) is limiter else FairLimiter(limiter)
            for name, limiter in limiters.items()
        }
        self._providers, self._inner = providers, limiters

    async def make(self, ref: ModelRef, request: Request, number: int) -> Opened:
        """Ask once; `number` counts from 1. Raises ProviderError."""
        breakers = self._breakers
        given = await breakers.admit(ref)
        try:
            opened = await self._ask(ref, replace(request, model=ref.model), number)
        except ProviderError as error:
            breakers.fail(ref, given, error)
            raise
        except BaseException:
            breakers.release(ref, given)
            raise
        breakers.succeed(ref, given)
        return opened

    def pause(self, ref: ModelRef, duration: timedelta) -> None:
        """Hold back everyone's questions where the provider asked for a pause."""
        limiter = self._limiters.get(ref.provider)
        if limiter:
            limiter.pause(duration)

    async def _ask(self, ref: ModelRef, request: Request, number: int) -> Opened:
        provider = self._providers.get(ref.provider)
        if provider is None:
            raise BadRequestError(str(ref), "its provider is not configured any more")
        admission = await self._admit(ref, request)
        try:
            return await self._open(provider, ref, request, admission, number)
        except ProviderError as error:
            correct_failed(admission, error)
            raise

    async def _admit(self, ref: ModelRef, request: Request) -> Admission:
        try:
            limiter = self._limiters[ref.provider]
            return await limiter.admit(str(ref), estimate_tokens(request), request.asker)
        except RateLimitedError as error:
            log.warning("no turn under the limits: model=%s %s", ref, error.detail)
            raise

    async def _open(
        self,
        provider: Provider,
        ref: ModelRef,
        request: Request,
        admission: Admission,
        number: int,
    ) -> Opened:
        """Read up to the first text."""
        async with AsyncExitStack() as stack:
            chunks = await stack.enter_async_context(provider.stream(request))
            meter = RequestMeter(estimate_input_tokens(request))
            head: list[Chunk] = []
            async for chunk in chunks:
                meter.add(chunk)
                head.append(chunk)
                if chunk.pause:
                    self.pause(ref, chunk.pause)
                if chunk.text.strip():
                    return Opened(ref, stack.pop_all(), chunks, head, meter, admission, number)
            raise NoWordError(str(ref), meter)
