from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from core import errors
from core.conversation import Message, Usage
from core.errors import (
    AuthError,
    BadRequestError,
    EmptyAnswerError,
    OverloadedError,
    ProviderError,
    RateLimitedError,
    UnreachableError,
)
from core.limits.rate import RateLimiter
from core.providers.asking.opened import RequestMeter
from core.providers.asking.retry import RetryPolicy
from core.providers.base import Asker, Chunk, ModelRef, Request
from core.providers.catalogue import Catalogue
from core.providers.known.endpoints import Endpoint
from core.providers.router import Router
from tests.core.clock import FakeClock
from tests.core.providers.test_fair import settle
from tests.metrics import RecordingMetrics

Script = Sequence[Chunk | ProviderError]
REF = ModelRef("openai", "m", 1000)
QUESTION = Request("m", (Message.user("a secret question"),), max_new_tokens=100)
END = Chunk("", "stop", Usage(5, 2))
HELLO: Script = (Chunk("Hello"), Chunk(" you"), END)


class ScriptedProvider:
    """Plays one script per request. An error that comes first is raised on entering."""

    name = "openai"

    def __init__(self, *scripts: Script) -> None:
        self.scripts = deque(scripts)
        self.requests = list[Request]()
        self.open_count = 0
        self.thought_tokens = 0

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncGenerator[AsyncIterator[Chunk]]:
        self.requests.append(request)
        script = self.scripts.popleft()
        if isinstance(script[0], ProviderError):
            raise script[0]
        self.open_count += 1
        try:
            async with aclosing(self._play(script)) as chunks:
                yield chunks
        finally:
            self.open_count -= 1

    async def _play(self, script: Script) -> AsyncGenerator[Chunk]:
        for step in script:
            if isinstance(step, ProviderError):
                raise step
            yield step

    def find_room(self, request: Request) -> int:
        return request.max_new_tokens + self.thought_tokens

    async def aclose(self) -> None:
        self.scripts.clear()


class Bench:
    """A router over one scripted provider, with time that passes only in sleeps."""

    def __init__(
        self,
        *scripts: Script,
        max_attempts: int = 3,
        requests: int = 60,
        tokens: int | None = None,
        max_wait_seconds: float = 120,
    ) -> None:
        self.clock = FakeClock()
        self.metrics = RecordingMetrics()
        self.provider = ScriptedProvider(*scripts)
        self.limiter = RateLimiter(
            requests,
            tokens,
            max_wait=timedelta(seconds=max_wait_seconds),
            clock=self.clock.now,
            call_later=self.clock.call_later,
        )
        self.router = Router(
            Catalogue([Endpoint("openai", "openai", "http://x", "m")]),
            {"openai": self.provider},
            {"openai": self.limiter},
            RetryPolicy(max_attempts),
            sleep=self.clock.sleep,
            chance=lambda: 1.0,
            clock=self.clock.now,
            later=self.clock.call_later,
            metrics=self.metrics,
        )

    async def ask(self, request: Request = QUESTION) -> str:
        async with asyncio.timeout(5), self.router.stream(REF, request) as chunks:
            return "".join([chunk.text async for chunk in chunks])


def overloaded() -> OverloadedError:
    return OverloadedError("openai/m", "HTTP 503: full")


async def test_an_answer_comes_through_whole() -> None:
    bench = Bench(HELLO)
    async with bench.router.stream(REF, QUESTION) as chunks:
        received = [chunk async for chunk in chunks]
    assert received == list(HELLO)
    assert bench.provider.open_count == 0


async def test_the_refs_model_is_asked() -> None:
    bench = Bench(HELLO)
    async with bench.router.stream(ModelRef("openai", "other", 1000), QUESTION):
        pass
    assert bench.provider.requests[0].model == "other"


async def test_entering_returns_at_the_first_text() -> None:
    bench = Bench((Chunk(""), Chunk("\n"), Chunk("Hello"), overloaded()))
    async with bench.router.stream(REF, QUESTION) as chunks:
        texts = [(await anext(chunks)).text for _ in range(3)]
    assert texts == ["", "\n", "Hello"]


@pytest.mark.parametrize(
    "error",
    [
        overloaded(),
        UnreachableError("openai/m", "no route"),
        errors.TimeoutError("openai/m", "late"),
        RateLimitedError("openai/m", "slow down"),
    ],
)
async def test_what_can_succeed_is_tried_again_with_growing_pauses(error: ProviderError) -> None:
    bench = Bench((error,), (error,), HELLO)
    assert await bench.ask() == "Hello you"
    assert bench.clock.slept == [0.5, 1.0]


async def test_an_error_before_the_first_text_of_a_stream_is_tried_again() -> None:
    bench = Bench((Chunk(""), overloaded()), HELLO)
    assert await bench.ask() == "Hello you"
    assert bench.provider.open_count == 0


async def test_after_the_last_attempt_the_error_is_raised() -> None:
    bench = Bench(*[(overloaded(),)] * 3)
    with pytest.raises(OverloadedError):
        await bench.ask()
    assert len(bench.provider.requests) == 3


@pytest.mark.parametrize(
    "error", [AuthError("openai/m", "wrong key"), BadRequestError("openai/m", "no such model")]
)
async def test_what_cannot_succeed_is_asked_once(error: ProviderError) -> None:
    bench = Bench((error,), HELLO)
    with pytest.raises(type(error)):
        await bench.ask()
    assert len(bench.provider.requests) == 1


async def test_after_the_first_text_nothing_is_tried_again() -> None:
    bench = Bench((Chunk("Hel"), overloaded()), HELLO)
    received = list[str]()

    async def listen() -> None:
        async with bench.router.stream(REF, QUESTION) as chunks:
            async for chunk in chunks:
                received.append(chunk.text)

    with pytest.raises(OverloadedError):
        await listen()
    assert received == ["Hel"]
    assert len(bench.provider.requests) == 1
    assert bench.provider.open_count == 0


@pytest.mark.parametrize("kind", [RateLimitedError, OverloadedError])
async def test_a_retry_waits_as_long_as_the_provider_says(
    kind: type[RateLimitedError | OverloadedError],
) -> None:
    bench = Bench((kind("openai/m", "slow down", timedelta(seconds=30)),), HELLO)
    assert await bench.ask() == "Hello you"
    assert bench.clock.slept == [30]


async def test_a_pause_that_the_provider_asks_for_holds_for_everyone() -> None:
    bench = Bench(
        (RateLimitedError("openai/m", "slow down", timedelta(seconds=30)),), max_attempts=1
    )
    with pytest.raises(RateLimitedError):
        await bench.ask()
    bench.provider.scripts.append(HELLO)
    second = asyncio.create_task(bench.ask())
    await asyncio.sleep(0)
    bench.clock.advance(29)
    await asyncio.sleep(0)
    assert len(bench.provider.requests) == 1
    bench.clock.advance(1)
    assert await second == "Hello you"


async def test_an_overloaded_model_that_asks_for_more_than_one_waits_is_not_asked_again() -> None:
    hour = timedelta(hours=1)
    bench = Bench((OverloadedError("openai/m", "HTTP 503: maintenance", hour),), HELLO)
    with pytest.raises(OverloadedError) as failed:
        await bench.ask()
    assert failed.value.retry_after == hour
    assert "in 60 minutes" in errors.render_for_people(failed.value)
    assert len(bench.provider.requests) == 1


async def test_a_pause_too_long_to_wait_is_told_and_asked_no_more_meanwhile() -> None:
    hour = timedelta(hours=1)
    bench = Bench((RateLimitedError("openai/m", "daily quota", hour),), HELLO)
    with pytest.raises(RateLimitedError) as first:
        await bench.ask()
    bench.clock.advance(1800)
    with pytest.raises(RateLimitedError) as second:
        await bench.ask()
    assert first.value.retry_after == hour
    assert second.value.retry_after == hour / 2
    assert len(bench.provider.requests) == 1
    bench.clock.advance(1800)
    assert await bench.ask() == "Hello you"


async def test_a_pause_of_days_is_believed_for_an_hour() -> None:
    bench = Bench((RateLimitedError("openai/m", "monthly quota", timedelta(days=20)),), HELLO)
    with pytest.raises(RateLimitedError):
        await bench.ask()
    bench.clock.advance(3600)
    assert await bench.ask() == "Hello you"


async def test_who_waits_too_long_for_the_limits_is_told_and_holds_up_nobody() -> None:
    bench = Bench(HELLO, HELLO, tokens=500, max_wait_seconds=10)
    await bench.ask()
    large = replace(QUESTION, max_new_tokens=485)  # fits once the minute is over
    asking = asyncio.create_task(bench.ask(large))
    await settle()
    bench.clock.advance(10)
    with pytest.raises(RateLimitedError) as failed:
        await asking
    assert failed.value.retry_after == timedelta(seconds=50)
    assert bench.clock.slept == []
    assert await bench.ask() == "Hello you"


async def test_what_an_attempt_without_a_word_took_is_told_to_who_asked() -> None:
    spent: list[tuple[ModelRef, Usage]] = []
    asker = Asker(on_attempt=lambda ref, usage: spent.append((ref, usage)))
    broken: Script = (Chunk(usage=Usage(7)), OverloadedError("openai/m", "full"))
    bench = Bench((END,), broken, HELLO)
    async with bench.router.stream(REF, replace(QUESTION, asker=asker)) as chunks:
        assert "".join([chunk.text async for chunk in chunks]) == "Hello you"
    assert spent == [(REF, Usage(5, 2)), (REF, Usage(7))]


async def test_an_empty_answer_is_tried_once_more() -> None:
    bench = Bench((Chunk("  \n"), END), HELLO)
    assert await bench.ask() == "Hello you"
    bench = Bench((END,), (END,), HELLO)
    with pytest.raises(EmptyAnswerError):
        await bench.ask()


@pytest.mark.parametrize("reason", ["length", "refusal"])
async def test_an_empty_answer_that_would_only_come_again_is_not_tried_again(reason: str) -> None:
    bench = Bench((Chunk("", reason),), HELLO)  # pyright: ignore[reportArgumentType]
    with pytest.raises(EmptyAnswerError):
        await bench.ask()
    assert len(bench.provider.requests) == 1


async def test_requests_wait_for_the_limiter() -> None:
    bench = Bench(HELLO, HELLO, requests=1)
    await bench.ask()
    second = asyncio.create_task(bench.ask())
    await asyncio.sleep(0)
    assert len(bench.provider.requests) == 1
    bench.clock.advance(60)
    assert await second == "Hello you"


async def test_each_attempt_counts_as_a_request() -> None:
    bench = Bench((overloaded(),), HELLO, HELLO, requests=2)
    await bench.ask()
    third = asyncio.create_task(bench.ask())
    await asyncio.sleep(0)
    assert bench.limiter.waiting_count == 1
    bench.clock.advance(60)
    await third


async def test_usage_takes_the_place_of_the_estimate() -> None:
    bench = Bench(HELLO, HELLO, tokens=120)
    await bench.ask()  # estimated at more than 100 tokens, 7 in truth
    assert await bench.ask() == "Hello you"


async def test_what_a_model_may_think_is_reserved_too() -> None:
    bench = Bench(HELLO, HELLO, tokens=300)
    bench.provider.thought_tokens = 190
    await bench.ask()
    asking = asyncio.create_task(bench.ask())  # 7 were taken, and more than 293 may be
    await asyncio.sleep(0)
    assert bench.limiter.waiting_count == 1
    bench.clock.advance(60)
    assert await asking == "Hello you"


async def test_an_answer_without_usage_is_counted_by_its_length() -> None:
    bench = Bench((Chunk("x" * 350), Chunk("", "stop")), HELLO, tokens=200)
    await bench.ask()
    second = asyncio.create_task(bench.ask())
    await asyncio.sleep(0)
    assert bench.limiter.waiting_count == 1
    bench.clock.advance(60)
    await second


async def test_a_refused_request_takes_no_tokens() -> None:
    bench = Bench((BadRequestError("openai/m", "no"),), HELLO, tokens=120)
    with pytest.raises(BadRequestError):
        await bench.ask()
    assert await bench.ask() == "Hello you"


async def test_a_request_that_came_to_nobody_knows_what_keeps_its_estimate() -> None:
    broken = UnreachableError("openai/m", "the answer broke off before its end")
    bench = Bench((broken,), HELLO, tokens=120, max_attempts=1)
    with pytest.raises(UnreachableError):
        await bench.ask()
    asking = asyncio.create_task(bench.ask())
    await settle()
    assert bench.limiter.waiting_count == 1
    bench.clock.advance(60)
    assert await asking == "Hello you"


def test_usage_that_was_told_once_counts_to_the_end() -> None:
    meter = RequestMeter(10)
    for chunk in (Chunk("Hello", usage=Usage(50, 7)), Chunk("", "stop")):
        meter.add(chunk)
    assert meter.used_tokens == 57


async def test_leaving_early_closes_the_request() -> None:
    bench = Bench(HELLO)
    async with bench.router.stream(REF, QUESTION) as chunks:
        await anext(chunks)
    assert bench.provider.open_count == 0


async def test_an_error_of_the_reader_closes_the_request_and_goes_on_up() -> None:
    bench = Bench(HELLO)

    async def fall_over() -> None:
        async with bench.router.stream(REF, QUESTION) as chunks:
            await anext(chunks)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fall_over()
    assert bench.provider.open_count == 0


async def test_each_failure_is_one_full_line_without_the_prompt(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench((overloaded(),), (AuthError("openai/m", "HTTP 401: wrong key"),))
    with caplog.at_level(logging.DEBUG, "skein.providers"), pytest.raises(AuthError):
        await bench.ask()
    lines = [record.getMessage() for record in caplog.records if record.name == "skein.providers"]
    assert len(lines) == 3
    assert "breaker open" in lines.pop(1)
    assert all(part in lines[0] for part in ("openai/m", "OverloadedError", "503", "attempt=1/3"))
    assert all(part in lines[1] for part in ("openai/m", "AuthError", "401", "attempt=2/3"))
    assert "secret question" not in caplog.text


def test_back_off_grows_to_a_bound_and_is_spread() -> None:
    policy = RetryPolicy(10)
    delays = [policy.delay_after(attempt, 1.0) for attempt in range(1, 10)]
    assert delays == sorted(delays)
    assert delays[-1] == policy.max_delay
    assert policy.delay_after(1, 0.0) == policy.first_delay / 2


async def test_names_come_from_the_catalogue() -> None:
    router = Bench().router
    assert str(router.default) == "openai/m"
    assert router.get_model("gpt-4o") == router.get_model("openai/gpt-4o")
    assert "gpt-4o" in router.list_models()
    assert not router.is_demo


async def test_closing_closes_every_provider() -> None:
    bench = Bench(HELLO)
    await bench.router.aclose()
    assert not bench.provider.scripts


async def test_a_question_is_not_put_again_long_after_the_first_time() -> None:
    failure = RateLimitedError("openai/m", "slow down", timedelta(seconds=50))
    bench = Bench(*[(failure,)] * 10, max_attempts=10)
    began_at = bench.clock.now()
    with pytest.raises(RateLimitedError):
        await bench.ask()
    assert len(bench.provider.requests) == 3, "at once, after 50 s and after 100 s"
    assert bench.clock.now() - began_at == pytest.approx(100)
