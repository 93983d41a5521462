from __future__ import annotations

from typing import Any

import pytest

from core.conversation import Usage
from core.providers.wire.usage import count_thinking, join_usages, parse_usage


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        (
            {
                "prompt_tokens": 30,
                "completion_tokens": 500,
                "total_tokens": 530,
                "prompt_tokens_details": {"cached_tokens": 16},
                "completion_tokens_details": {"reasoning_tokens": 448},
            },
            Usage(30, 500, 16),
        ),
        (
            {
                "prompt_tokens": 30,
                "completion_tokens": 52,
                "total_tokens": 530,
                "completion_tokens_details": {"reasoning_tokens": 448},
            },
            Usage(30, 500),
        ),
        ({"prompt_tokens": 30, "completion_tokens": 52, "total_tokens": 530}, Usage(30, 500)),
        ({"prompt_tokens": 30, "total_tokens": 530}, Usage(30, 500)),
        (
            {
                "prompt_tokens": 30,
                "completion_tokens": 52,
                "completion_tokens_details": {"reasoning_tokens": 448},
            },
            Usage(30, 500),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 2, "prompt_cache_hit_tokens": 4},
            Usage(9, 2, 4),
        ),
        ({"prompt_tokens": 9, "completion_tokens": 2, "cached_tokens": 4}, Usage(9, 2, 4)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 2,
                "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
            },
            Usage(9, 2, 4, 3),
        ),
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 2,
                "total_tokens": 107,
                "prompt_tokens_details": {"cached_tokens": 100},
            },
            Usage(105, 2, 100),
        ),
        ({"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 9}, Usage(9, 5)),
        ({"prompt_tokens": "9", "completion_tokens": -1, "prompt_tokens_details": None}, Usage()),
        ({}, Usage()),
    ],
    ids=[
        "openai",
        "xai",
        "gemini",
        "gemini without a word",
        "thinking apart, no total",
        "deepseek",
        "moonshot",
        "openrouter",
        "a proxy before anthropic",
        "a wrong total",
        "no numbers",
        "nothing",
    ],
)
def test_each_servers_usage_is_read(told: dict[str, Any], usage: Usage) -> None:
    assert parse_usage(told) == usage


def test_reports_on_one_answer_count_up_and_an_empty_last_one_changes_nothing() -> None:
    usage = None
    for told in (Usage(30, 1), Usage(30, 7, 16), Usage(0, 0)):
        usage = join_usages(usage, told)
    assert usage == Usage(30, 7, 16)


def test_thinking_is_counted_where_it_is_told() -> None:
    assert count_thinking({"completion_tokens_details": {"reasoning_tokens": 448}}) == 448
    assert count_thinking({"reasoning_tokens": 3}) == 3
    assert count_thinking({"completion_tokens_details": {}}) == 0
