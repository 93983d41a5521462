from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import errors
from core.errors import ContextTooLongError, ProviderError, RateLimitedError
from core.providers.wire.refusal import (
    MAX_DETAIL_CHARS,
    clean_detail,
    make_error,
    parse_refusal,
    parse_retry_after,
    parse_stream_error,
)

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
KEY = "sk-test-0123456789abcdef"


def error_of(
    status: int, body: object = "", headers: dict[str, str] | None = None, key: str = ""
) -> ProviderError:
    text = body if isinstance(body, str) else json.dumps(body)
    return make_error("openai/m", parse_refusal(status, text, headers or {}, NOW), key)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequestError),
        (401, errors.AuthError),
        (402, errors.AuthError),
        (403, errors.AuthError),
        (404, errors.ModelNotFoundError),
        (408, errors.TimeoutError),
        (413, errors.ContextTooLongError),
        (422, errors.BadRequestError),
        (429, errors.RateLimitedError),
        (500, errors.OverloadedError),
        (502, errors.OverloadedError),
        (529, errors.OverloadedError),
        (307, errors.ModelNotFoundError),
    ],
)
def test_a_status_has_its_error(status: int, kind: type[ProviderError]) -> None:
    assert type(error_of(status)) is kind


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}),
        (
            400,
            {
                "type": "error",
                "error": {
                    "type": "invalid_request_error",
                    "message": "Your credit balance is too low to access the Anthropic API.",
                },
            },
        ),
        (400, {"code": "invalid-argument", "error": "Incorrect API key provided: ab***yz."}),
        (
            400,
            [
                {
                    "error": {
                        "code": 400,
                        "message": "API key not valid.",
                        "status": "INVALID_ARGUMENT",
                    }
                }
            ],
        ),
    ],
    ids=["openai", "anthropic", "xai", "gemini"],
)
def test_a_wrong_key_and_an_empty_account_are_for_the_operator_to_mend(
    status: int, body: object
) -> None:
    assert isinstance(error_of(status, body), errors.AuthError)


@pytest.mark.parametrize(
    "message",
    [
        "openai/gpt-9 is not a valid model ID",
        "The model `x` does not exist",
        "Model Not Exist",
        "Invalid model: x",
    ],
)
def test_a_model_that_is_not_there_is_known_whatever_the_status(message: str) -> None:
    assert isinstance(error_of(400, {"error": {"message": message}}), errors.ModelNotFoundError)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"message": "No such model", "type": "x"}}, "No such model"),
        ({"type": "error", "error": {"type": "x", "message": "No such model"}}, "No such model"),
        ([{"error": {"code": 400, "message": "No such model"}}], "No such model"),
        ({"object": "error", "message": "No such model"}, "No such model"),
        ({"error": "model 'x' not found"}, "model 'x' not found"),
        ({"detail": "Not Found"}, "Not Found"),
        (
            {"detail": [{"loc": ["body", "n"], "msg": "Input should be 1", "input": "my prompt"}]},
            "body.n: Input should be 1",
        ),
        ("upstream connect error", "upstream connect error"),
        ("<html><body>Bad gateway</body></html>", ""),
        ({"error": {"message": {"nested": 1}}}, ""),
        (
            {
                "object": "error",
                "message": {
                    "detail": [{"loc": ["body", "n"], "msg": "Extra inputs", "input": "p"}]
                },
            },
            "body.n: Extra inputs",
        ),
        (
            {"object": "Error", "message": [{"loc": ["body", "n"], "msg": "Extra inputs"}]},
            "body.n: Extra inputs",
        ),
        ({}, ""),
        ([], ""),
        ("null", ""),
    ],
)
def test_the_servers_own_message_is_kept_in_every_shape(body: object, message: str) -> None:
    detail = error_of(400, body).detail
    assert detail == (f"HTTP 400: {message}" if message else "HTTP 400")


@pytest.mark.parametrize(
    ("status", "message", "tokens", "limit"),
    [
        (
            400,
            "This model's maximum context length is 128000 tokens. However, your messages resulted "
            "in 150000 tokens. Please reduce the length of the messages.",
            150000,
            128000,
        ),
        (
            400,
            "This model's maximum context length is 2048 tokens. However, you requested 4196 tokens "
            "(2100 in the messages, 2096 in the completion).",
            4196,
            2048,
        ),
        (400, "Your input exceeds the context window of this model.", None, None),
        (400, "prompt is too long: 210000 tokens > 200000 maximum", 210000, 200000),
        (
            400,
            "input length and `max_tokens` exceed context limit: 154690 + 64000 > 200000, decrease it",
            218690,
            200000,
        ),
        (
            400,
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            1200000,
            1048576,
        ),
        (400, "request (5000 tokens) exceeds the available context size (4096 tokens)", 5000, 4096),
        (
            400,
            "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
            40000,
            32768,
        ),
        (
            400,
            "This model's maximum prompt length is 131072 but the request contains 150,000 tokens.",
            150000,
            131072,
        ),
        (
            413,
            "Request too large for model `llama-3.3-70b-versatile` on tokens per minute (TPM): "
            "Limit 6000, Requested 9000",
            9000,
            6000,
        ),
        (
            422,
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000 "
            "`inputs` tokens",
            9000,
            8193,
        ),
    ],
)
def test_a_context_overflow_is_known_in_each_wording(
    status: int, message: str, tokens: int | None, limit: int | None
) -> None:
    error = error_of(status, {"error": {"message": message}})
    assert isinstance(error, ContextTooLongError)
    assert (error.tokens, error.limit) == (tokens, limit)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "0"}, 0),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 2026 12:00:30 GMT"}, 30),
        ({"retry-after": "Thu, 01 Jan 2026 11:00:00 GMT"}, 0),
        ({"retry-after": "1e300"}, 30 * 86400),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}, 30 * 86400),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait_is_read_in_each_form(
    headers: dict[str, str], seconds: float | None
) -> None:
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert parse_retry_after(headers, NOW) == expected


def test_geminis_delay_stands_in_the_body() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "45.5s"}]
    error = error_of(429, [{"error": {"code": 429, "message": "Quota", "details": details}}])
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == timedelta(seconds=45.5)


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, 529),
        ({"error": {"code": 502, "message": "Upstream"}}, 502),
        ({"error": {"code": "429", "message": "Slow down"}}, 429),
        ({"error": {"code": "rate_limit_exceeded", "message": "Slow down"}}, 429),
        ({"object": "error", "message": "broken", "code": 400}, 400),
        ({"error": "something fell over"}, 500),
        ({"error": {"message": "Too large", "type": "x", "status_code": 413}}, 413),
        ({"type": "error", "error": {"type": "billing_error", "message": "Unpaid"}}, 402),
        ({"error": {"code": "1234", "message": "Odd"}}, 500),
        ({"error": {"message": "context canceled by the upstream, no permission to go on"}}, 500),
    ],
)
def test_an_error_in_a_stream_is_given_a_status(event: dict[str, object], status: int) -> None:
    refusal = parse_stream_error(event)
    assert refusal
    assert refusal.status == status


def test_a_chunk_with_a_null_error_is_no_error() -> None:
    assert parse_stream_error({"choices": [], "error": None}) is None


@pytest.mark.parametrize(
    "echo",
    [KEY, KEY.upper(), KEY[:8] + "****cdef", f"'{KEY}'", f"Bearer {KEY}, that is", KEY[:6] + "..."],
)
def test_a_key_never_gets_into_an_error(echo: str) -> None:
    error = error_of(
        401, {"error": {"message": f"Incorrect API key provided: {echo} (see docs)"}}, key=KEY
    )
    assert KEY[:6] not in str(error).lower()
    assert "cdef" not in str(error).lower()
    assert "[key]" in error.detail
    assert "Incorrect API key" in error.detail


@settings(deadline=None)
@given(st.text(max_size=2000))
def test_a_detail_is_one_printable_line_of_sane_length(text: str) -> None:
    detail = clean_detail(text, KEY)
    assert len(detail) <= MAX_DETAIL_CHARS
    assert "\n" not in detail
    assert detail.isprintable()


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([400, 401, 429, 500, 503]))
def test_any_body_makes_an_error(body: bytes, status: int) -> None:
    assert isinstance(error_of(status, body.decode("utf-8", "replace")), ProviderError)
