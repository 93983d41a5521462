"""Every configured model behind one door: names, limits, retries, fallbacks. Asks through the protocol."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from core.errors import (
    AuthError,
    BadRequestError,
    ModelNotFoundError,
    ProviderError,
    RateLimitedError,
)
from core.providers.attempt import (
    NoWordError,
    Opened,
    RequestMeter,
    correct_failed,
    estimate_input_tokens,
    estimate_tokens,
)
from core.providers.base import Admission, Chunk, Limiter, ModelRef, Provider, Request
from core.providers.breaker import Breaker, Pass
from core.providers.catalogue import Catalogue
from core.providers.fair import FairLimiter

log = logging.getLogger("skein.providers")

_MAX_EMPTY_ANSWERS = 2
_REST = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often to ask, and how long to wait in between."""

    max_attempts: int = 3
    """Of one model; with fallbacks, one more for each of them."""
    first_delay: timedelta = timedelta(milliseconds=500)
    max_delay: timedelta = timedelta(seconds=8)
    max_retry_after: timedelta = timedelta(seconds=60)
    """A provider that asks for a longer pause is taken at its word: the person is told when."""
    max_breaker_wait: timedelta = timedelta(seconds=10)
    """How long to wait for a model that its breaker holds back, where no other stands ready."""
    on_break: Literal["keep", "replace"] = "keep"
    """What becomes of an answer that breaks off: the error is raised, or a fallback answers anew."""

    def delay_after(self, attempt: int, chance: float) -> timedelta:
        """Give the back-off after an attempt, counted from 1; `chance` of 0 to 1 spreads it."""
        longest = min(self.max_delay, self.first_delay * 2 ** min(attempt - 1, 20))
        return longest * (0.5 + chance / 2)


@dataclass(frozen=True, slots=True)
class Setup:
    """What there is to ask: providers and limiters by the provider's name."""

    catalogue: Catalogue
    providers: Mapping[str, Provider]
    limiters: Mapping[str, Limiter]


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
    ) -> None:
        self._policy = policy or RetryPolicy()
        self._sleep = sleep
        self._chance = chance
        self._clock = clock
        self._breakers: dict[str, Breaker] = {}
        self._resting_until: dict[str, float] = {}
        self._limiters: dict[str, FairLimiter] = {}
        self._setup = Setup(catalogue, {}, {})
        self.change(Setup(catalogue, providers, limiters))

    def change(self, setup: Setup) -> None:
        """Ask these from now on. What is under way goes on as it began."""
        old, queues = self._setup, self._limiters
        self._limiters = {
            name: queues[name] if old.limiters.get(name) is limiter else FairLimiter(limiter)
            for name, limiter in setup.limiters.items()
        }
        self._setup = setup
        self._breakers.clear()  # what failed may be what was mended

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

    @asynccontextmanager
    async def stream(self, ref: ModelRef, request: Request) -> AsyncGenerator[AsyncIterator[Chunk]]:
        """Ask a model, or its fallbacks; entering returns once the answer's first text is there.

        Raises ProviderError: on entering after the last attempt, and between chunks where the
        answer breaks and is not replaced.
        """
        chain = _Chain(ref, self._find_fallbacks(ref, request))
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
        has_images = any(message.images for message in request.messages)
        tokens = estimate_tokens(request)
        return tuple(
            fallback
            for fallback in self._setup.catalogue.find_fallbacks(ref)
            if fallback.window_tokens >= tokens and (fallback.image_tokens or not has_images)
        )

    async def _ask_until_answered(self, chain: _Chain, request: Request) -> Opened:
        """Ask one after another without a pause, and when all have failed, again after one."""
        max_attempts = self._policy.max_attempts + len(chain.refs) - 1
        for attempt in range(1, max_attempts + 1):
            ref = self._choose(chain)
            try:
                given = await self._wait_for_breaker(ref)
                return await self._try(ref, request, given, attempt)
            except ProviderError as error:
                self._note(chain, ref, error, attempt)
                is_last = not chain.refs or attempt >= max_attempts
                stands_ready = not is_last and self._has_ready(chain)
                self._log(ref, error, f"{attempt}/{max_attempts}", is_last=is_last)
                if is_last and chain.first_error in (None, error):
                    raise
                if is_last and chain.first_error:
                    raise chain.first_error from error
            if not stands_ready:
                await self._sleep(self._find_pause(chain).total_seconds())
                chain.begin_round()
        raise AssertionError("the last attempt answers or raises")

    def _find_pause(self, chain: _Chain) -> timedelta:
        """Say how long to wait until the first of those that failed may be asked again."""
        round_number = chain.rounds + 1
        errors = [chain.errors[ref] for ref in chain.refs if ref in chain.errors]
        first = self._policy.delay_after(round_number, self._chance())
        return min((self._delay_after(error, round_number) for error in errors), default=first)

    def _choose(self, chain: _Chain) -> ModelRef:
        """Choose the first that stands ready; where none does, the first that was not yet asked."""
        untried = [ref for ref in chain.refs if ref not in chain.errors] or chain.refs
        return next((ref for ref in untried if self._is_ready(ref)), untried[0])

    def _has_ready(self, chain: _Chain) -> bool:
        return any(self._is_ready(ref) for ref in chain.refs if ref not in chain.errors)

    def _is_ready(self, ref: ModelRef) -> bool:
        now, breaker = self._clock(), self._breakers.get(str(ref))
        is_held = breaker is not None and breaker.find_wait(now) != 0.0
        return not is_held and self._resting_until.get(str(ref), now) <= now

    async def _wait_for_breaker(self, ref: ModelRef) -> Pass:
        """Get leave of a model's breaker. Raises the error that opened it where that takes too long."""
        breaker = self._breakers.setdefault(str(ref), Breaker(str(ref)))
        wait = breaker.find_wait(self._clock())
        if wait and wait <= self._policy.max_breaker_wait.total_seconds():
            await self._sleep(wait)
        given = breaker.admit_nowait(self._clock())
        if given:
            return given
        error = breaker.error
        kind = type(error) if error else ProviderError
        raise kind(str(ref), f"not asked after: {error.detail if error else 'failures'}")

    async def _try(self, ref: ModelRef, request: Request, given: Pass, attempt: int) -> Opened:
        """Ask once, and tell breaker and limiter what came of it."""
        breaker = self._breakers.setdefault(str(ref), Breaker(str(ref)))
        provider = self._setup.providers.get(ref.provider)
        if provider is None:
            breaker.release(given, self._clock())
            raise BadRequestError(str(ref), "its provider is not configured any more")
        request = replace(request, model=ref.model)
        try:
            admission = await self._admit(ref, request)
            try:
                opened = await self._ask(provider, ref, request, admission, attempt)
            except ProviderError as error:
                correct_failed(admission, error)
                raise
        except ProviderError as error:
            breaker.fail(given, error, self._clock())
            raise
        except BaseException:
            breaker.release(given, self._clock())
            raise
        breaker.succeed(given)
        return opened

    async def _admit(self, ref: ModelRef, request: Request) -> Admission:
        try:
            limiter = self._limiters[ref.provider]
            return await limiter.admit(str(ref), estimate_tokens(request), request.asker)
        except RateLimitedError as error:
            log.warning("no turn under the limits: model=%s %s", ref, error.detail)
            raise

    async def _ask(
        self,
        provider: Provider,
        ref: ModelRef,
        request: Request,
        admission: Admission,
        attempt: int,
    ) -> Opened:
        """Ask once, and read up to the first text."""
        async with AsyncExitStack() as stack:
            chunks = await stack.enter_async_context(provider.stream(request))
            meter = RequestMeter(estimate_input_tokens(request))
            head: list[Chunk] = []
            async for chunk in chunks:
                meter.add(chunk)
                head.append(chunk)
                if chunk.pause:
                    self._pause(ref, chunk.pause)
                if chunk.text.strip():
                    return Opened(ref, stack.pop_all(), chunks, head, meter, admission, attempt)
            raise NoWordError(str(ref), meter)

    async def _read(self, chain: _Chain, request: Request) -> AsyncGenerator[Chunk]:
        if chain.opened and chain.opened.ref != chain.asked:
            yield Chunk(answered_by=chain.opened.ref)
        while opened := chain.opened:
            try:
                async for chunk in _read_whole(opened):
                    yield chunk
            except ProviderError as error:
                place = " after some words"
                self._log(opened.ref, error, str(opened.attempt), is_last=True, place=place)
                breaker = self._breakers.get(str(opened.ref))
                if breaker:
                    breaker.break_off(error, self._clock())
                if not await self._replace(chain, opened, request, error):
                    raise
                yield Chunk(answered_by=chain.opened.ref, is_restart=True)
            else:
                return

    async def _replace(
        self, chain: _Chain, broken: Opened, request: Request, error: ProviderError
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

    def _note(self, chain: _Chain, ref: ModelRef, error: ProviderError, attempt: int) -> None:
        """Take in a failure: hold back others' questions, and strike who would only fail again."""
        if isinstance(error, RateLimitedError):
            rest = error.retry_after or _REST
            self._resting_until[str(ref)] = self._clock() + rest.total_seconds()
            is_alone = all(each.provider != ref.provider for each in chain.refs if each != ref)
            if error.retry_after and is_alone:  # a fallback of the same provider must not wait
                self._pause(ref, error.retry_after)
        chain.note(ref, error)
        if not self._is_worth_retrying(error, chain.rounds + 1):
            chain.refs.remove(ref)
            if ref == chain.asked and _is_about_the_question(error):
                chain.refs.clear()

    def _pause(self, ref: ModelRef, duration: timedelta) -> None:
        """Hold back everyone's questions where the provider asked for a pause."""
        limiter = self._limiters.get(ref.provider)
        if limiter:
            limiter.pause(duration)

    def _is_worth_retrying(self, error: ProviderError, attempt: int) -> bool:
        match error:
            case NoWordError():
                return error.is_accident and attempt < _MAX_EMPTY_ANSWERS
            case RateLimitedError(retry_after=timedelta() as wait):
                return wait <= self._policy.max_retry_after
            case _:
                return error.retryable

    def _delay_after(self, error: ProviderError, attempt: int) -> timedelta:
        delay = self._policy.delay_after(attempt, self._chance())
        asked = error.retry_after if isinstance(error, RateLimitedError) else None
        return max(delay, asked or delay)

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


class _Chain:
    """Who may answer one request, and who failed. `refs` are those still worth asking, in order."""

    def __init__(self, asked: ModelRef, fallbacks: Sequence[ModelRef]) -> None:
        self.asked = asked
        self.refs = [asked, *(ref for ref in dict.fromkeys(fallbacks) if ref != asked)]
        self.errors: dict[ModelRef, ProviderError] = {}
        """What those said that were asked in this round."""
        self.first_error: ProviderError | None = None
        """What the model said that was asked for: it is what people are told of."""
        self.rounds = 0
        self.opened: Opened | None = None

    def note(self, ref: ModelRef, error: ProviderError) -> None:
        """Take in that one failed."""
        self.errors[ref] = error
        if ref == self.asked:
            self.first_error = error

    def begin_round(self) -> None:
        """Let all be asked again that are still worth it."""
        self.errors.clear()
        self.rounds += 1


async def _read_whole(opened: Opened) -> AsyncGenerator[Chunk]:
    for chunk in opened.head:
        yield chunk
    async for chunk in opened.chunks:
        opened.meter.add(chunk)
        yield chunk


def _is_about_the_question(error: ProviderError) -> bool:
    """Whether the question is at fault, which another model would only be asked in vain."""
    if isinstance(error, NoWordError):
        return not error.is_accident
    return not error.retryable and not isinstance(error, AuthError | ModelNotFoundError)
