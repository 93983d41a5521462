"""What a provider's headers say of its limits: how long to ask nothing, where nothing is left. Pure.

OpenAI, Groq and others: `x-ratelimit-remaining-requests: 0` with `x-ratelimit-reset-requests: 6m0s`.
Cerebras: the same by the minute and by the day, `x-ratelimit-remaining-tokens-minute`. OpenRouter and others:
`x-ratelimit-remaining: 0` with `x-ratelimit-reset`, the time since 1970 in milliseconds or seconds.
Anthropic: `anthropic-ratelimit-tokens-remaining: 0` with `anthropic-ratelimit-tokens-reset`, RFC 3339.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

LONGEST_PAUSE = timedelta(seconds=60)
"""A forecast is believed no further: beyond it the provider's 429 has the word."""
_KINDS = ("requests", "tokens", "input-tokens", "output-tokens")
_SPANS = ("", "-minute", "-hour", "-day")
_NAMES = (
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    *(
        (f"x-ratelimit-remaining-{kind}{span}", f"x-ratelimit-reset-{kind}{span}")
        for kind in _KINDS
        for span in _SPANS
    ),
    *(
        (f"anthropic-ratelimit-{kind}-remaining", f"anthropic-ratelimit-{kind}-reset")
        for kind in _KINDS
    ),
)
"""The headers for what is left, and for when there is more."""
_EPOCH_SECONDS = 1e9
_EPOCH_MILLISECONDS = 1e12
"""A number from here on is a time since 1970."""
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def find_pause(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Say how long nothing is left, or None where something is, or nobody says."""
    waits = [
        wait
        for left, reset in _NAMES
        if headers.get(left, "").strip() == "0"
        if (wait := _parse_reset(headers.get(reset, "").strip(), now))
    ]
    return min(max(waits), LONGEST_PAUSE) if waits else None


def _parse_reset(value: str, now: datetime) -> timedelta | None:
    """Read `1m2.5s`, `20ms`, plain seconds, those since 1970, or a date."""
    seconds = _parse_seconds(value)
    if seconds is not None:
        if seconds >= _EPOCH_SECONDS:
            seconds /= 1000 if seconds >= _EPOCH_MILLISECONDS else 1
            seconds -= now.timestamp()
        return timedelta(seconds=seconds) if 0 < seconds < 1e7 else None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return at - now if at > now else None


def _parse_seconds(value: str) -> float | None:
    parts = _DURATION.findall(value)
    if parts and "".join(number + unit for number, unit in parts) == value:
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    try:
        return float(value)
    except ValueError:
        return None
