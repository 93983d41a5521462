"""What a provider's headers say of its limits: how long to ask nothing, where nothing is left. Pure.

OpenAI, Groq and others: `x-ratelimit-remaining-requests: 0` with `x-ratelimit-reset-requests: 6m0s`.
Anthropic: `anthropic-ratelimit-tokens-remaining: 0` with `anthropic-ratelimit-tokens-reset`, RFC 3339.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

LONGEST_PAUSE = timedelta(seconds=60)
"""A forecast is believed no further: beyond it the provider's 429 has the word."""
_KINDS = ("requests", "tokens", "input-tokens", "output-tokens")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def find_pause(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Say how long nothing is left, or None where something is, or nobody says."""
    waits = [
        wait
        for kind in _KINDS
        for left, reset in (
            (f"x-ratelimit-remaining-{kind}", f"x-ratelimit-reset-{kind}"),
            (f"anthropic-ratelimit-{kind}-remaining", f"anthropic-ratelimit-{kind}-reset"),
        )
        if headers.get(left, "").strip() == "0"
        if (wait := _parse_reset(headers.get(reset, "").strip(), now))
    ]
    return min(max(waits), LONGEST_PAUSE) if waits else None


def _parse_reset(value: str, now: datetime) -> timedelta | None:
    """Read `1m2.5s`, `20ms`, plain seconds, or a date."""
    seconds = _parse_seconds(value)
    if seconds is not None:
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
