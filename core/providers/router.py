"""Every configured model behind one door: names, limits, retries. Asks through the providers' protocol."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from core import errors
from core.conversation import Usage
from core.errors import EmptyAnswerError, ProviderError, RateLimitedError, UnreachableError
from core.providers.base import Admission, Chunk, FinishReason, Limiter, ModelRef, Provider, Request
from core.providers.catalogue import Catalogue
from core.providers.fair import FairLimiter

log = logging.getLogger("skein.providers")

_BYTES_PER_TOKEN = 3.5
_TOKENS_PER_MESSAGE = 4
_MAX_EMPTY_ANSWERS = 2


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often to ask, and how long to wait in between."""

    max_attempts: int = 3
    first_delay: timedelta = timedelta(milliseconds=500)
    max_delay: timedelta = timedelta(seconds=8)
    max_retry_after: timedelta = timedelta(seconds=60)
    """A provider that asks for a longer pause is taken at its word: the person is told when."""

    def delay_after(self, attempt: int, chance: float) -> timedelta:
        """Give the back-off after an attempt, counted from 1; `chance` of 0 to 1 spreads it."""
        longest = min(self.max_delay, self.first_delay * 2 ** min(attempt - 1, 20))
        return longest * (0.5 + chance / 2)


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
    ) -> None:
        self._catalogue = catalogue
        self._providers = providers
        self._limiters = {name: FairLimiter(limiter) for name, limiter in limiters.items()}
        self._policy = policy or RetryPolicy()
        self._sleep = sleep
        self._chance = chance

    @property
    def default(self) -> ModelRef:
        """The model of a conversation that chose none."""
        return self._catalogue.default

    @property
    def is_demo(self) -> bool:
        """Whether the demo model is the default, so that people should be told."""
        return self.default.provider == "demo"

    def get_model(self, name: str | None) -> ModelRef:
        """Find a model by the name that people give it; None is the default.

        Raises UnknownModelError.
        """
        return self._catalogue.get(name)

    def list_models(self) -> tuple[str, ...]:
        """Name what people may choose, plain names first."""
        return self._catalogue.names

    def find_address(self, provider: str) -> str:
        """Say where a provider is; empty where it is not configured."""
        return self._catalogue.find_address(provider)

    @asynccontextmanager
    async def stream(self, ref: ModelRef, request: Request) -> AsyncGenerator[AsyncIterator[Chunk]]:
        """Ask a model; entering returns once the answer's first text is there.

        Raises ProviderError: on entering after the last attempt, and between chunks where the
        answer breaks, which is never retried.
        """
        request = replace(request, model=ref.model)
        opened = await self._ask_until_answered(ref, request)
        async with opened.stack, aclosing(self._read(ref, opened)) as chunks:
            try:
                yield chunks
            finally:
                opened.admission.correct(opened.meter.used_tokens)

    async def aclose(self) -> None:
        """Close every provider."""
        async with AsyncExitStack() as stack:
            for provider in self._providers.values():
                stack.push_async_callback(provider.aclose)

    async def _ask_until_answered(self, ref: ModelRef, request: Request) -> _Opened:
        attempt = 0
        while True:
            attempt += 1
            admission = await self._admit(ref, request)
            try:
                return await self._ask(ref, request, admission, attempt)
            except ProviderError as error:
                _correct_failed(admission, error)
                self._heed(ref, error)
                is_last = not self._is_worth_retrying(error, attempt)
                self._log(ref, error, attempt, is_last=is_last)
                if is_last:
                    raise
                await self._sleep(self._delay_after(error, attempt).total_seconds())

    async def _admit(self, ref: ModelRef, request: Request) -> Admission:
        try:
            limiter = self._limiters[ref.provider]
            return await limiter.admit(str(ref), _estimate_tokens(request), request.asker)
        except RateLimitedError as error:
            log.warning("no turn under the limits: model=%s %s", ref, error.detail)
            raise

    async def _ask(
        self, ref: ModelRef, request: Request, admission: Admission, attempt: int
    ) -> _Opened:
        """Ask once, and read up to the first text."""
        async with AsyncExitStack() as stack:
            chunks = await stack.enter_async_context(self._providers[ref.provider].stream(request))
            meter = _Meter(_estimate_input_tokens(request))
            head: list[Chunk] = []
            async for chunk in chunks:
                meter.add(chunk)
                head.append(chunk)
                if chunk.text.strip():
                    return _Opened(stack.pop_all(), chunks, head, meter, admission, attempt)
            raise _EmptyAnswer(str(ref), meter)

    async def _read(self, ref: ModelRef, opened: _Opened) -> AsyncGenerator[Chunk]:
        for chunk in opened.head:
            yield chunk
        try:
            async for chunk in opened.chunks:
                opened.meter.add(chunk)
                yield chunk
        except ProviderError as error:
            self._log(ref, error, opened.attempt, is_last=True, place=" after some words")
            raise

    def _heed(self, ref: ModelRef, error: ProviderError) -> None:
        """Hold back everyone's questions where the provider asked for a pause."""
        if isinstance(error, RateLimitedError) and error.retry_after:
            self._limiters[ref.provider].pause(error.retry_after)

    def _is_worth_retrying(self, error: ProviderError, attempt: int) -> bool:
        if attempt >= self._policy.max_attempts:
            return False
        match error:
            case _EmptyAnswer():
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
        self, ref: ModelRef, error: ProviderError, attempt: int, *, is_last: bool, place: str = ""
    ) -> None:
        log.log(
            logging.ERROR if is_last else logging.WARNING,
            "no answer%s: model=%s error=%s attempt=%d/%d detail=%s%s",
            place,
            ref,
            type(error).__name__.lstrip("_"),
            attempt,
            self._policy.max_attempts,
            error.detail,
            "" if is_last else "; asking again",
        )


class _EmptyAnswer(EmptyAnswerError):
    """An empty answer, and whether asking again could give another.

    Models end now and then without a word, and the second time they speak. Who refused, or spent
    all tokens on thinking, would only do so again.
    """

    def __init__(self, model: str, meter: _Meter) -> None:
        super().__init__(model, f"the answer has no text and ended for: {meter.finish_reason}")
        self.is_accident = meter.finish_reason in ("stop", "other")
        self.used_tokens = meter.used_tokens


class _Meter:
    """Counts what a request takes: as the provider tells it, or as an estimate."""

    def __init__(self, input_tokens: int) -> None:
        self.finish_reason: FinishReason | None = None
        self._input_tokens = input_tokens
        self._output_bytes = 0
        self._usage: Usage | None = None

    def add(self, chunk: Chunk) -> None:
        self._output_bytes += len(chunk.text.encode("utf-8", "replace"))
        self._usage = chunk.usage or self._usage
        self.finish_reason = chunk.finish_reason or self.finish_reason

    @property
    def used_tokens(self) -> int:
        told = self._usage or Usage()
        sent = self._input_tokens if told.input_tokens is None else told.input_tokens
        estimate = int(self._output_bytes / _BYTES_PER_TOKEN)
        return sent + (estimate if told.output_tokens is None else told.output_tokens)


@dataclass(frozen=True, slots=True)
class _Opened:
    """An answer that has begun: what was read of it, and what closes it."""

    stack: AsyncExitStack
    chunks: AsyncIterator[Chunk]
    head: list[Chunk]
    meter: _Meter
    admission: Admission
    attempt: int


def _correct_failed(admission: Admission, error: ProviderError) -> None:
    """Count what a failed request took. Where the answer broke off unseen, the estimate stands."""
    if isinstance(error, _EmptyAnswer):
        admission.correct(error.used_tokens)
    elif not isinstance(error, UnreachableError | errors.TimeoutError):
        admission.correct(0)


def _estimate_input_tokens(request: Request) -> int:
    texts = [request.system or "", *(message.text for message in request.messages)]
    size_bytes = sum(len(text.encode("utf-8", "replace")) for text in texts)
    image_tokens = sum(image.tokens for message in request.messages for image in message.images)
    return int(size_bytes / _BYTES_PER_TOKEN) + _TOKENS_PER_MESSAGE * len(texts) + image_tokens


def _estimate_tokens(request: Request) -> int:
    """Estimate the most that a request can take; providers, too, count the answer's limit at first."""
    return _estimate_input_tokens(request) + request.max_new_tokens
