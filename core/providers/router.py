"""Every configured model behind one door: names, fallbacks, retries. Asks through the protocol.

In `asking/`, `attempts.py` asks one model once, `chain.py` knows who may answer, `retry.py` when to ask
again, and `breakers.py` who is left alone.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from core.errors import ProviderError, RateLimitedError
from core.metrics import Metrics, NullMetrics
from core.prices import Price
from core.providers.asking.attempts import LONGEST_PAUSE, Attempts, Patience
from core.providers.asking.breaker import BreakerState
from core.providers.asking.breakers import Breakers
from core.providers.asking.chain import Chain
from core.providers.asking.opened import Opened, estimate_input_tokens
from core.providers.asking.retry import NoTurnError, RetryPolicy
from core.providers.base import Chunk, Limiter, ModelRef, Provider, Request
from core.providers.catalogue import Catalogue
from core.timer import CallLater, call_later

log = logging.getLogger("skein.providers")

_REST = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Setup:
    """What there is to ask: providers and limiters by the provider's name."""

    catalogue: Catalogue
    providers: Mapping[str, Provider]
    limiters: Mapping[str, Limiter]


async def _look_nowhere() -> None:
    """Do nothing."""


class Router:
    """Implements `Models` over providers and limiters, both by the provider's name."""

    def __init__(
        self,
        catalogue: Catalogue,
        providers: Mapping[str, Provider],
        limiters: Mapping[str, Limiter],
        policy: RetryPolicy | None = None,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
        later: CallLater = call_later,
        metrics: Metrics | None = None,
    ) -> None:
        self._policy = policy or RetryPolicy()
        self._sleep = sleep
        self._chance = chance
        self._clock = clock
        self._breakers = Breakers(clock, later, metrics)
        self._attempts = Attempts(self._breakers, self._policy, metrics or NullMetrics(), clock)
        self._look_again: Callable[[], Awaitable[None]] = _look_nowhere
        self._setup = Setup(catalogue, {}, {})
        self.change(Setup(catalogue, providers, limiters))

    def change(self, setup: Setup) -> None:
        """Ask these from now on. What is under way goes on as it began."""
        self._setup = setup
        self._attempts.change(setup.providers, setup.limiters)
        self._breakers.clear()  # what failed may be what was mended

    def relist(self, setup: Setup) -> None:
        """Ask these from now on, of which only the models have changed: what failed stays so."""
        self._setup = setup
        self._attempts.change(setup.providers, setup.limiters)

    def subscribe(self, look_again: Callable[[], Awaitable[None]]) -> None:
        """Call this where a name is unknown: servers may have that model by now."""
        self._look_again = look_again

    async def look_again(self) -> None:
        """Look whether there are other models by now, if it is long enough ago. Never raises."""
        await self._look_again()

    @property
    def default(self) -> ModelRef:
        """The model of a conversation that chose none."""
        return self._setup.catalogue.default

    @property
    def is_demo(self) -> bool:
        """Whether the demo model is the default, so that people should be told."""
        return self.default.provider == "demo"

    def get_model(self, name: str | None) -> ModelRef:
        """Find a model by the name that people give it; None is the default.

        Raises UnknownModelError.
        """
        return self._setup.catalogue.get(name)

    def list_models(self) -> tuple[str, ...]:
        """Name what people may choose, plain names first."""
        return self._setup.catalogue.names

    def find_address(self, provider: str) -> str:
        """Say where a provider is; empty where it is not configured."""
        return self._setup.catalogue.find_address(provider)

    def find_price(self, name: str) -> Price | None:
        """Give the price that the operator set for `provider/model`."""
        return self._setup.catalogue.find_price(name)

    @property
    def breaker_states(self) -> dict[str, BreakerState]:
        """The state of the breaker of each model that was asked, as `provider/model`."""
        return self._breakers.states

    @property
    def waiting_counts(self) -> dict[str, int]:
        """How many requests wait for the limits of each provider."""
        return self._attempts.waiting_counts

    @asynccontextmanager
    async def stream(self, ref: ModelRef, request: Request) -> AsyncGenerator[AsyncIterator[Chunk]]:
        """Ask a model, or its fallbacks; entering returns once the answer's first text is there.

        Raises ProviderError: on entering after the last attempt, and between chunks where the
        answer breaks and is not replaced.
        """
        chain = Chain(ref, self._find_fallbacks(ref, request))
        chain.opened = await self._ask_until_answered(chain, request)
        try:
            async with aclosing(self._read(chain, request)) as chunks:
                yield chunks
        finally:
            await chain.opened.aclose()

    async def aclose(self) -> None:
        """Close every provider."""
        async with AsyncExitStack() as stack:
            for provider in self._setup.providers.values():
                stack.push_async_callback(provider.aclose)

    def _find_fallbacks(self, ref: ModelRef, request: Request) -> tuple[ModelRef, ...]:
        """Give those of a model's fallbacks that can take the request."""
        fallbacks = self._setup.catalogue.find_fallbacks(ref)
        if not fallbacks:  # to count tokens takes time
            return ()
        has_images = any(message.images for message in request.messages)
        sent = estimate_input_tokens(request)
        return tuple(
            fallback
            for fallback in fallbacks
            if fallback.window_tokens >= sent + fallback.address(request).max_new_tokens
            and (fallback.image_tokens or not has_images)
        )

    async def _ask_until_answered(self, chain: Chain, request: Request) -> Opened:
        """Ask one after another without a pause, and when all have failed, again after one."""
        max_attempts = self._policy.max_attempts + len(chain.refs) - 1
        patience = Patience(self._policy.max_breaker_wait)
        until = self._clock() + self._policy.retry_within.total_seconds()
        for attempt in range(1, max_attempts + 1):
            ref = self._choose(chain)
            try:
                patience.in_queue = self._find_queue_wait(chain, ref, request)
                return await self._attempts.make(ref, request, attempt, patience)
            except ProviderError as error:
                self._note(chain, ref, error)
                stands_ready = any(map(self._attempts.is_ready, chain.untried))
                pause = 0.0 if stands_ready else self._find_pause(chain).total_seconds()
                is_too_late = not stands_ready and self._clock() + pause > until
                is_last = not chain.refs or attempt >= max_attempts or is_too_late
                self._log(ref, error, f"{attempt}/{max_attempts}", is_last=is_last)
                if is_last and chain.first_error in (None, error):
                    raise
                if is_last and chain.first_error:
                    raise chain.first_error from error
            if not stands_ready:
                await self._sleep(pause)
                chain.begin_round()
        raise AssertionError("the last attempt answers or raises")

    def _find_pause(self, chain: Chain) -> timedelta:
        """Say how long to wait until the first of those that failed may be asked again."""
        round_number, policy = chain.rounds + 1, self._policy
        errors = [chain.errors[ref] for ref in chain.refs if ref in chain.errors]
        first = policy.delay_after(round_number, self._chance())
        pauses = (policy.find_pause(error, round_number, self._chance()) for error in errors)
        return min(pauses, default=first)

    def _find_queue_wait(self, chain: Chain, ref: ModelRef, request: Request) -> timedelta | None:
        """Say how long to queue for one's limits: as long as need be, unless another's are free."""
        others = (other for other in chain.untried if other.provider != ref.provider)
        if request.asker.is_patient or not any(map(self._attempts.is_ready, others)):
            return None
        return self._policy.fallback_after

    def _choose(self, chain: Chain) -> ModelRef:
        """Choose the first that stands ready; where none does, the first that was not yet asked."""
        untried = chain.untried or chain.refs
        return next(filter(self._attempts.is_ready, untried), untried[0])

    async def _read(self, chain: Chain, request: Request) -> AsyncGenerator[Chunk]:
        if chain.opened and chain.opened.ref != chain.asked:
            yield Chunk(answered_by=chain.opened.ref)
        while opened := chain.opened:
            try:
                async for chunk in _read_whole(opened):
                    yield chunk
            except ProviderError as error:
                place = " after some words"
                self._log(opened.ref, error, str(opened.attempt), is_last=True, place=place)
                self._breakers.break_off(opened.ref, error)
                opened.tally.outcome = "broken_off"
                if not await self._replace(chain, opened, request, error):
                    raise
                yield Chunk(answered_by=chain.opened.ref, is_restart=True)
            else:
                self._breakers.complete(opened.ref)
                opened.tally.outcome = "answered"
                return

    async def _replace(
        self, chain: Chain, broken: Opened, request: Request, error: ProviderError
    ) -> bool:
        """Have another model answer anew, where that is wanted. Each is given one such chance."""
        chain.note(broken.ref, error)
        chain.refs = [ref for ref in chain.refs if ref != broken.ref]
        if self._policy.on_break != "replace" or not chain.refs:
            return False
        await broken.aclose()
        chain.begin_round()
        try:
            chain.opened = await self._ask_until_answered(chain, request)
        except ProviderError:
            return False
        return True

    def _note(self, chain: Chain, ref: ModelRef, error: ProviderError) -> None:
        """Take in a failure: hold back others' questions, and strike who would only fail again."""
        is_limited = isinstance(error, RateLimitedError)
        told = None if isinstance(error, NoTurnError) else error.retry_after
        if rest := told or (_REST if is_limited else None):
            self._breakers.rest(ref, min(rest, LONGEST_PAUSE))
        if is_limited and told and chain.is_alone(ref):  # a fallback there must not wait
            self._attempts.pause(ref, told)
        chain.note(ref, error)
        if not self._policy.is_worth_retrying(error, chain.rounds + 1):
            chain.strike(ref, error)

    def _log(
        self, ref: ModelRef, error: ProviderError, attempt: str, *, is_last: bool, place: str = ""
    ) -> None:
        log.log(
            logging.ERROR if is_last else logging.WARNING,
            "no answer%s: model=%s error=%s attempt=%s detail=%s%s",
            place,
            ref,
            type(error).__name__,
            attempt,
            error.detail,
            "" if is_last else "; asking again",
        )


async def _read_whole(opened: Opened) -> AsyncGenerator[Chunk]:
    for chunk in opened.head:
        yield chunk
    async for chunk in opened.chunks:
        opened.meter.add(chunk)
        yield chunk
