"""What an answer of a Chat Completions server took, in each server's words. Pure.

OpenAI counts what the model thinks among `completion_tokens`, and what came from its cache among
`prompt_tokens` (platform.openai.com, "Reasoning models", "Prompt caching"). Not so all that follow it:
xAI and Gemini leave thinking out of `completion_tokens` and have it in `total_tokens` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from core.conversation import Usage

Json = Mapping[str, object]


def parse_usage(usage: Json) -> Usage:
    """Read a `usage` object. What is missing, or is no number, is None."""
    details = _object(usage, "prompt_tokens_details")
    cached = _first(
        _count(details, "cached_tokens"),
        _count(usage, "prompt_cache_hit_tokens"),  # DeepSeek
        _count(usage, "cached_tokens"),  # Moonshot, Together
    )
    sent, total = _count(usage, "prompt_tokens"), _count(usage, "total_tokens")
    if sent is not None and cached is not None and cached > sent:
        sent += cached  # a proxy before Anthropic: there, input is what was not cached
    written = _count(usage, "completion_tokens")
    thought = count_thinking(usage)
    if written is not None and thought > written:
        written += thought
    if sent is not None and total is not None:
        written = max(written or 0, total - sent)
    return Usage(sent, written, cached, _count(details, "cache_write_tokens"))  # OpenRouter


def join_usages(one: Usage | None, other: Usage) -> Usage:
    """Make one of two reports on the same answer. They count up, and the last one may be empty."""
    if one is None:
        return other
    return Usage(
        _greater(one.input_tokens, other.input_tokens),
        _greater(one.output_tokens, other.output_tokens),
        _greater(one.cached_tokens, other.cached_tokens),
        _greater(one.written_tokens, other.written_tokens),
    )


def count_thinking(usage: Json) -> int:
    """Say how many tokens were thought, as far as it is told."""
    details = _object(usage, "completion_tokens_details")
    return _first(_count(details, "reasoning_tokens"), _count(usage, "reasoning_tokens")) or 0


def _count(counts: Json, name: str) -> int | None:
    value = counts.get(name)
    return value if isinstance(value, int) and value >= 0 else None


def _object(usage: Json, name: str) -> Json:
    value = usage.get(name)
    return cast("Json", value) if isinstance(value, dict) else {}


def _first(*counts: int | None) -> int | None:
    return next((count for count in counts if count is not None), None)


def _greater(one: int | None, other: int | None) -> int | None:
    return max((count for count in (one, other) if count is not None), default=None)
