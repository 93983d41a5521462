from __future__ import annotations

from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from pydantic import SecretStr

from core.errors import AuthError, BadRequestError, OverloadedError, RateLimitedError
from core.limits.rate import RateLimiter
from core.providers.base import Provider
from core.providers.catalogue import Catalogue
from core.providers.known.endpoints import Endpoint
from core.providers.openai import OpenAIProvider
from core.providers.router import Router
from core.providers.wire.pace import LONGEST_PAUSE, find_pause
from core.providers.wire.refusal import make_error, parse_refusal
from tests.core.clock import FakeClock
from tests.core.providers.contract import ask, read
from tests.core.providers.scripted_server import Answer, ScriptedModelServer

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "12ms"}, 0.012),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "7.66s"}, 7.66),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "0m30s"}, 30),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "2h"}, 60),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20"}, 20),
        ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "20"}, None),
        ({"x-ratelimit-remaining-requests": "0"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "soon"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "nan"}, None),
        (
            {
                "x-ratelimit-remaining-tokens-minute": "0",
                "x-ratelimit-reset-tokens-minute": "11.5",
            },
            11.5,
        ),
        ({"x-ratelimit-remaining-requests-day": "0", "x-ratelimit-reset-requests-day": "9000"}, 60),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "3s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "8s",
            },
            8,
        ),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1767225612000"}, 12),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1767225612"}, 12),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1767225500"}, None),
        (
            {
                "anthropic-ratelimit-output-tokens-remaining": "0",
                "anthropic-ratelimit-output-tokens-reset": "2026-01-01T00:00:09Z",
            },
            9,
        ),
        (
            {
                "anthropic-ratelimit-tokens-remaining": "0",
                "anthropic-ratelimit-tokens-reset": "2025-01-01T00:00:09Z",
            },
            None,
        ),
    ],
)
def test_headers_say_how_long_nothing_is_left(
    headers: dict[str, str], seconds: float | None
) -> None:
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert find_pause(headers, NOW) == expected
    assert expected is None or expected <= LONGEST_PAUSE


def test_a_429_without_a_word_of_its_own_waits_for_the_limits_reset() -> None:
    headers = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "5s"}
    error = make_error("m", parse_refusal(429, "{}", headers, NOW))
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == timedelta(seconds=5)
    told = make_error("m", parse_refusal(429, "{}", headers | {"retry-after": "2"}, NOW))
    assert isinstance(told, RateLimitedError)
    assert told.retry_after == timedelta(seconds=2)


@pytest.mark.parametrize("status", [500, 503, 529])
def test_a_server_that_is_overloaded_may_say_for_how_long(status: int) -> None:
    error = make_error("m", parse_refusal(status, "", {"retry-after": "20"}, NOW))
    assert isinstance(error, OverloadedError)
    assert error.retry_after == timedelta(seconds=20)
    assert make_error("m", parse_refusal(status, "", {}, NOW)).retry_after is None


def test_a_question_that_moderation_flags_is_no_matter_of_the_key() -> None:
    body = '{"error": {"code": 403, "message": "Your chosen model requires moderation and was flagged"}}'
    assert isinstance(make_error("m", parse_refusal(403, body, {}, NOW)), BadRequestError)
    assert isinstance(make_error("m", parse_refusal(403, "{}", {}, NOW)), AuthError)


async def test_an_answer_with_nothing_left_holds_back_the_next_question(
    server: ScriptedModelServer, session: aiohttp.ClientSession
) -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "30s"}
    server.play(Answer("Hello", headers=headers))
    clock = FakeClock()
    limiter = RateLimiter(clock=clock.now, call_later=clock.call_later)
    provider: Provider = OpenAIProvider("openai", session, server.openai_url, SecretStr("k"))
    catalogue = Catalogue([Endpoint("openai", "openai", server.openai_url, "m")])
    router = Router(catalogue, {"openai": provider}, {"openai": limiter}, clock=clock.now)
    async with router.stream(router.default, ask("m")) as chunks:
        assert "".join([chunk.text async for chunk in chunks]) == "Hello"
    assert limiter.paused_for == timedelta(seconds=30)
    assert await read(provider, ask("m"))  # without the router nobody waits
