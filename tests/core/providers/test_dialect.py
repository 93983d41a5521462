from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.providers.wire.dialect import Dialect, Dialects, Lesson, Thinking, learn
from core.providers.wire.refusal import Refusal, parse_refusal

FIRST = Dialect(("max_tokens", "max_completion_tokens"))
NEEDY = Dialect(needs_limit=True)
PAYLOAD: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hi"}],
    "stream": True,
    "stream_options": {"include_usage": True},
    "max_tokens": 4096,
    "temperature": 0.5,
    "reasoning_effort": "low",
}
TEMPERATURE = Refusal(400, "Unsupported parameter: 'temperature'", parameter="temperature")


def without(*names: str, dialect: Dialect = FIRST) -> Dialect:
    return replace(dialect, left_out=frozenset(names))


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
            without("temperature"),
        ),
        ("`temperature` is deprecated for this model.", "", without("temperature")),
        ("invalid temperature: only 1 is allowed for this model", "", without("temperature")),
        (
            "body.stream_options: Extra inputs are not permitted",
            "",
            without("stream_options"),
        ),
        (
            "Unrecognized request argument supplied: stream_options",
            "",
            without("stream_options"),
        ),
        (
            'Invalid JSON payload received. Unknown name "stream_options": Cannot find field.',
            "",
            without("stream_options"),
        ),
        ('json: unknown field "stream_options"', "", without("stream_options")),
        ("Unknown parameter: 'x'", "stream_options.include_usage", None),
        (
            "Unknown parameter: 'stream_options.include_usage'",
            "stream_options.include_usage",
            without("stream_options"),
        ),
        (
            "property 'reasoning_effort' is unsupported, did you mean 'reasoning_format'?",
            "",
            without("reasoning_effort"),
        ),
        (
            "`reasoning_effort` must be one of `none` or `default`",
            "",
            without("reasoning_effort"),
        ),
        (
            "Model grok-4 does not support parameter reasoningEffort.",
            "",
            without("reasoning_effort"),
        ),
        (
            "Unsupported value: 'stream' does not support true with this model.",
            "stream",
            without("stream", "stream_options"),
        ),
        ("Streaming is not supported by this model", "", without("stream", "stream_options")),
        (
            "body.temperature: Extra inputs are not permitted; body.stream_options: Extra inputs are "
            "not permitted",
            "",
            without("temperature", "stream_options"),
        ),
        ("System role not supported", "", replace(FIRST, has_system_role=False)),
        (
            "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
            "messages[0].role",
            replace(FIRST, has_system_role=False),
        ),
        (
            "max_tokens is too large: 9999. This model supports at most 4000 completion tokens, "
            "whereas you provided 4096.",
            "max_tokens",
            replace(FIRST, max_tokens=4000),
        ),
        (
            "`max_tokens` must be less than or equal to `1024`, the maximum value for `max_tokens`",
            "",
            replace(FIRST, max_tokens=1024),
        ),
        (
            "Invalid max_tokens value, the valid range of max_tokens is [1, 2048]",
            "",
            replace(FIRST, max_tokens=2048),
        ),
        (
            "it has a maxOutputTokens value of 4096 but the supported range is from 1 (inclusive) to "
            "2049 (exclusive)",
            "",
            replace(FIRST, max_tokens=2048),
        ),
        ("max_tokens is too large for this model", "", Dialect(())),
    ],
)
def test_what_is_refused_by_name_is_left_out(
    message: str, parameter: str, learned: Dialect | None
) -> None:
    lesson = learn(FIRST, Refusal(400, message, "", parameter), PAYLOAD)
    assert lesson == (Lesson(learned) if learned else None)


@pytest.mark.parametrize(
    ("message", "room"),
    [
        (
            "This model's maximum context length is 2048 tokens. However, you requested 4196 tokens "
            "(100 in the messages, 4096 in the completion).",
            1948,
        ),
        (
            "'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context "
            "length is 2048 tokens and your request has 100 input tokens (4096 > 2048 - 100).",
            1948,
        ),
        (
            "input length and `max_tokens` exceed context limit: 198,000 + 4096 > 200,000, decrease it",
            2000,
        ),
        (
            "`inputs` tokens + `max_new_tokens` must be <= 4097. Given: 1000 `inputs` tokens and 4096 "
            "`max_new_tokens`",
            3097,
        ),
    ],
)
def test_where_only_the_answer_is_too_long_it_is_shorter_this_once(message: str, room: int) -> None:
    lesson = learn(FIRST, Refusal(400, message), PAYLOAD)
    assert lesson == Lesson(replace(FIRST, max_tokens=room), is_lasting=False)


GROQ = (
    "Request too large for model `openai/gpt-oss-120b` on tokens per minute (TPM): Limit {}, Requested "
    "{}, please reduce your message size and try again."
)
OPENROUTER = (
    "You requested up to 4096 tokens, but can only afford {}. To increase, add more credits"
)


@pytest.mark.parametrize(
    ("status", "message", "lesson"),
    [
        (413, GROQ.format(6000, 7096), Lesson(replace(FIRST, max_tokens=3000))),
        (429, GROQ.format(6000, 7096), Lesson(replace(FIRST, max_tokens=3000))),
        (413, GROQ.format(9000, 9500), Lesson(replace(FIRST, max_tokens=3596), is_lasting=False)),
        (413, GROQ.format(9000, 15000), None),
        (429, "on tokens per min (TPM): Limit 9000, Used 8000, Requested 4500.", None),
        (429, "Slow down", None),
        (402, OPENROUTER.format(1000), Lesson(replace(FIRST, max_tokens=1000), is_lasting=False)),
        (402, OPENROUTER.format(10), None),
        (402, "Insufficient credits", None),
    ],
)
def test_less_is_reserved_where_one_request_is_more_than_is_allowed_at_all(
    status: int, message: str, lesson: Lesson | None
) -> None:
    assert learn(FIRST, Refusal(status, message), PAYLOAD) == lesson


def test_mistrals_refusal_is_understood() -> None:
    body = (
        '{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body",'
        '"stream_options"],"msg":"Extra inputs are not permitted","input":{"include_usage":true}}]},'
        '"type":"invalid_request_error","param":null,"code":null}'
    )
    assert learn(FIRST, parse_refusal(422, body, {}), PAYLOAD) == Lesson(without("stream_options"))


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "temperature must be between 0 and 2"),
        (400, "The model `x` does not exist"),
        (400, "Unknown parameter: 'messages'"),
        (400, "unexpected end of stream"),
        (400, "upstream does not support this"),
        (400, "Unsupported model: m; unknown upstream"),
        (
            400,
            "This model's maximum context length is 2048 tokens. However, you requested 9000 "
            "tokens (5000 in the messages, 4000 in the completion).",
        ),
        (
            400,
            "This model's maximum context length is 2048 tokens. However, you requested 6096 "
            "tokens (2000 in the messages, 4096 in the completion).",
        ),
        (429, "Unsupported parameter: 'temperature'"),
    ],
)
def test_other_refusals_teach_nothing(status: int, message: str) -> None:
    assert learn(FIRST, Refusal(status, message), PAYLOAD) is None


def test_a_limit_that_is_needed_is_never_left_out() -> None:
    too_large = (
        "max_tokens: 4096 > 2000, which is the maximum allowed number of output tokens for m-4"
    )
    assert learn(NEEDY, Refusal(400, too_large), PAYLOAD) == Lesson(replace(NEEDY, max_tokens=2000))
    for message in ("max_tokens is too large", "Unsupported parameter: 'max_tokens'"):
        assert learn(NEEDY, Refusal(400, message), PAYLOAD) is None


def test_who_thinks_gets_room_for_it_up_to_what_the_model_gives() -> None:
    thinking = Thinking(10_000)
    thinker = replace(FIRST, is_thinker=True)
    assert FIRST.find_limit(100, thinking) == {"max_tokens": 100}
    assert thinker.find_limit(100, thinking) == {"max_tokens": 10_100}
    assert replace(thinker, max_tokens=8192).find_limit(100, thinking) == {"max_tokens": 8192}
    assert Dialect(()).find_limit(100, thinking) == {}


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_what_was_learned_is_remembered_for_that_model_alone() -> None:
    dialects = Dialects(FIRST)
    assert dialects.learn("a", FIRST, TEMPERATURE, PAYLOAD)
    assert not dialects.get("a").takes("temperature")
    assert dialects.get("b") == FIRST
    assert not dialects.learn("a", dialects.get("a"), TEMPERATURE, PAYLOAD)


def test_what_two_requests_learn_at_once_is_all_remembered() -> None:
    dialects = Dialects(FIRST)
    stream_options = Refusal(400, "Unknown parameter: 'stream_options'")
    assert dialects.learn("a", FIRST, TEMPERATURE, PAYLOAD) == without("temperature")
    assert dialects.learn("a", FIRST, stream_options, PAYLOAD) == without("stream_options")
    assert dialects.get("a") == without("temperature", "stream_options")


def test_what_another_request_learned_is_not_learned_twice() -> None:
    dialects = Dialects(FIRST)
    refusal = Refusal(400, "Unsupported parameter: 'max_tokens'", parameter="max_tokens")
    for _ in range(2):
        learned = dialects.learn("a", FIRST, refusal, PAYLOAD)
        assert learned
        assert learned.limits == ("max_completion_tokens",)
    assert dialects.get("a").limits == ("max_completion_tokens",)


def test_what_holds_for_one_question_is_not_remembered() -> None:
    dialects = Dialects(FIRST)
    message = "input length and `max_tokens` exceed context limit: 198000 + 4096 > 200000"
    assert dialects.learn("a", FIRST, Refusal(400, message), PAYLOAD)
    assert dialects.get("a") == FIRST


def test_what_was_learned_is_forgotten_after_a_while() -> None:
    clock = Clock()
    dialects = Dialects(FIRST, timedelta(hours=1), clock)
    assert dialects.learn("a", FIRST, TEMPERATURE, PAYLOAD)
    clock.seconds = 3000
    dialects.keep("a", replace(dialects.get("a"), is_thinker=True))
    clock.seconds = 3600
    assert dialects.get("a") == replace(without("temperature"), is_thinker=True)
    clock.seconds = 3601
    assert dialects.get("a") == FIRST


def test_names_of_models_without_end_take_no_memory_without_end() -> None:
    dialects = Dialects(FIRST)
    for number in range(600):
        dialects.keep(str(number), without("temperature"))
    known = [number for number in range(600) if dialects.get(str(number)) != FIRST]
    assert known == list(range(100, 600))
