"""What the metrics hear of requests to models."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from core import errors
from core.conversation import Usage
from core.errors import OverloadedError, ProviderError
from core.metrics import BreakerOpened, QueueLeft, RequestEnded
from core.providers.asking.tally import name_outcome
from core.providers.base import Chunk
from tests.core.providers.test_fair import settle
from tests.core.providers.test_router import END, HELLO, QUESTION, REF, Bench, overloaded


def outcomes(bench: Bench) -> list[str]:
    return [event.outcome for event in bench.metrics.of(RequestEnded)]


async def test_each_attempt_is_told_with_what_became_of_it() -> None:
    bench = Bench((END,), (overloaded(),), HELLO)
    await bench.ask()
    assert outcomes(bench) == ["empty_answer", "overloaded", "answered"]
    empty, _, answered = bench.metrics.of(RequestEnded)
    assert empty.usage == Usage(5, 2)
    assert empty.to_first_text is None
    assert answered.usage == Usage(5, 2)
    assert answered.to_first_text == timedelta(0)
    assert (answered.provider, answered.model) == ("openai", "m")


async def test_an_answer_is_timed_to_its_first_text_and_to_its_end() -> None:
    bench = Bench(HELLO)
    async with bench.router.stream(REF, QUESTION) as chunks:
        bench.clock.advance(3)
        assert [chunk async for chunk in chunks] == list(HELLO)
    [told] = bench.metrics.of(RequestEnded)
    assert (told.to_first_text, told.in_all) == (timedelta(0), timedelta(seconds=3))


async def test_what_the_provider_does_not_tell_is_estimated() -> None:
    bench = Bench((Chunk("Hello you"), Chunk("", "stop")))
    await bench.ask()
    [told] = bench.metrics.of(RequestEnded)
    assert told.usage.is_estimated
    assert told.usage.input_tokens
    assert told.usage.output_tokens


async def test_an_answer_that_breaks_off_is_told_as_such() -> None:
    bench = Bench((Chunk("Hel"), overloaded()))
    with pytest.raises(OverloadedError):
        await bench.ask()
    assert outcomes(bench) == ["broken_off"]


async def test_an_answer_that_nobody_reads_to_its_end_is_told_as_cancelled() -> None:
    bench = Bench(HELLO)
    async with bench.router.stream(REF, QUESTION) as chunks:
        await anext(chunks)
    assert outcomes(bench) == ["cancelled"]


async def test_the_wait_for_the_limits_is_told() -> None:
    bench = Bench(HELLO, HELLO, requests=1)
    await bench.ask()
    second, third = (asyncio.create_task(bench.ask()) for _ in range(2))
    await settle()
    bench.clock.advance(60)
    await second
    third.cancel()
    await settle()
    waits = [
        (event.waited.total_seconds(), event.is_admitted) for event in bench.metrics.of(QueueLeft)
    ]
    assert waits == [(0, True), (60, True), (60, False)]
    assert bench.router.waiting_counts == {"openai": 0}


async def test_a_breaker_that_opens_is_told_once() -> None:
    bench = Bench(*[(overloaded(),)] * 5, max_attempts=5)
    with pytest.raises(OverloadedError):
        await bench.ask()
    assert bench.metrics.of(BreakerOpened) == [BreakerOpened("openai", "m")]
    assert {model: state.value for model, state in bench.router.breaker_states.items()} == {
        "openai/m": "open"
    }


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        (errors.AuthError, "auth"),
        (errors.RateLimitedError, "rate_limited"),
        (errors.TimeoutError, "timeout"),
        (errors.UnreachableError, "unreachable"),
        (errors.ModelNotFoundError, "model_not_found"),
        (errors.ContextTooLongError, "context_too_long"),
        (errors.BadRequestError, "bad_request"),
        (ProviderError, "other"),
    ],
)
def test_each_kind_of_error_has_a_name(kind: type[ProviderError], outcome: str) -> None:
    assert name_outcome(kind("openai/m", "no")) == outcome
