from __future__ import annotations

import pytest

from core.providers.dialect import Dialect, Dialects, learn
from core.providers.refusal import Refusal

FIRST = Dialect(("max_tokens", "max_completion_tokens"))


@pytest.mark.parametrize(
    ("message", "parameter", "learned"),
    [
        (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
            "max_tokens",
            Dialect(("max_completion_tokens",)),
        ),
        (
            "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default "
            "(1) value is supported.",
            "temperature",
            Dialect(FIRST.limits, temperature=False),
        ),
        (
            "`temperature` is deprecated for this model.",
            "",
            Dialect(FIRST.limits, temperature=False),
        ),
        (
            "body.stream_options: Extra inputs are not permitted",
            "",
            Dialect(FIRST.limits, stream_options=False),
        ),
        (
            "Unrecognized request argument supplied: stream_options",
            "",
            Dialect(FIRST.limits, stream_options=False),
        ),
        (
            "max_tokens is too large: 9999. This model supports at most 4096 completion tokens",
            "max_tokens",
            Dialect(),
        ),
        (
            "This model's maximum context length is 2048 tokens. However, you requested 4196 tokens "
            "(100 in the messages, 4096 in the completion).",
            "",
            Dialect(),
        ),
    ],
)
def test_what_is_refused_by_name_is_left_out(
    message: str, parameter: str, learned: Dialect
) -> None:
    assert learn(FIRST, Refusal(400, message, "", parameter)) == learned


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "temperature must be between 0 and 2"),
        (400, "The model `x` does not exist"),
        (
            400,
            "This model's maximum context length is 2048 tokens. However, you requested 9000 "
            "tokens (5000 in the messages, 4000 in the completion).",
        ),
        (429, "Unsupported parameter: 'temperature'"),
    ],
)
def test_other_refusals_teach_nothing(status: int, message: str) -> None:
    assert learn(FIRST, Refusal(status, message)) is None


def test_what_was_learned_is_remembered_for_that_model_alone() -> None:
    dialects = Dialects(FIRST)
    refusal = Refusal(400, "Unsupported parameter: 'temperature'", parameter="temperature")
    assert dialects.learn("a", FIRST, refusal)
    assert not dialects.get("a").temperature
    assert dialects.get("b") == FIRST
    assert not dialects.learn("a", dialects.get("a"), refusal)


def test_what_another_request_learned_is_tried_first() -> None:
    dialects = Dialects(FIRST)
    refusal = Refusal(400, "Unsupported parameter: 'max_tokens'", parameter="max_tokens")
    assert dialects.learn("a", FIRST, refusal)
    assert dialects.learn("a", FIRST, refusal)
    assert dialects.get("a").limits == ("max_completion_tokens",)
