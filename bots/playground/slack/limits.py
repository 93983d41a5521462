"""Slack's limits: how long things may be, and how often each method may be called.

Sources: docs.slack.dev/apis/web-api/rate-limits and the method pages; where Slack says nothing, what
others measured: chat.update refuses text beyond 4,000 characters, a stream takes about 11,900 and
dies after about five minutes.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from bots.playground.slack.refusal import RateLimitedError
from bots.playground.slack.state import Clock


@dataclass(frozen=True, slots=True)
class Sizes:
    """How long things may be, in characters, and how long a stream lives."""

    text: int = 40_000
    """Longer text is cut off, not refused."""
    updated_text: int = 4_000
    markdown: int = 12_000
    stream: int = 11_900
    stream_lifetime: timedelta = timedelta(minutes=5)
    status_lifetime: timedelta = timedelta(minutes=2)
    messages_a_call: int = 1_000
    """How many messages conversations.history and replies give at once."""


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `calls` within `seconds`, counted over the whole workspace or for each channel."""

    calls: int
    seconds: float = 60.0
    per_channel: bool = False


TIER_2 = Rate(20)
TIER_3 = Rate(50)
TIER_4 = Rate(100)
POSTING = Rate(5, 5.0, per_channel=True)
"""One a second for each channel; short bursts are borne."""

RATES: Mapping[str, Rate] = {
    "agents.sessions.rename": TIER_3,
    "agents.sessions.setStatus": TIER_3,
    "api.test": TIER_4,
    # Tier 1 on paper; in practice a client that reconnects a few times in a row is served.
    "apps.connections.open": TIER_2,
    "assistant.threads.setStatus": Rate(600),
    "assistant.threads.setSuggestedPrompts": TIER_4,
    "assistant.threads.setTitle": TIER_4,
    "auth.test": Rate(300),
    "bots.info": TIER_3,
    "chat.appendStream": TIER_4,
    "chat.delete": TIER_3,
    "chat.postEphemeral": TIER_4,
    "chat.postMessage": POSTING,
    "chat.startStream": TIER_2,
    "chat.stopStream": TIER_2,
    "chat.update": TIER_3,
    "conversations.history": TIER_3,
    "conversations.info": TIER_3,
    "conversations.list": TIER_2,
    "conversations.members": TIER_4,
    "conversations.open": TIER_3,
    "conversations.replies": TIER_3,
    "reactions.add": TIER_3,
    "reactions.remove": TIER_2,
    "team.info": TIER_3,
    "users.info": TIER_4,
    "users.list": TIER_2,
    "views.publish": TIER_4,
}

DISTRIBUTED_RATES: Mapping[str, Rate] = {
    "conversations.history": Rate(1),
    "conversations.replies": Rate(1),
}
"""What distributed apps outside the Marketplace get."""

DISTRIBUTED_MESSAGES_A_CALL = 15


@dataclass(slots=True)
class RateLimits:
    """Sliding windows over the calls of each method. `scale` multiplies what is allowed; None is no limit."""

    clock: Clock
    scale: float | None = 1.0
    is_distributed: bool = False
    _calls: dict[tuple[str, str], deque[float]] = field(
        default_factory=lambda: defaultdict[tuple[str, str], deque[float]](deque)
    )

    def admit(self, method: str, channel: str) -> None:
        """Count a call. Raises RateLimitedError when there were too many of late."""
        rate = self._rate(method)
        if rate is None or self.scale is None:
            return
        allowed = max(1, int(rate.calls * self.scale))
        calls = self._calls[method, channel if rate.per_channel else ""]
        now = self.clock()
        while calls and calls[0] <= now - rate.seconds:
            calls.popleft()
        if len(calls) >= allowed:
            raise RateLimitedError(max(1, math.ceil(calls[0] + rate.seconds - now)))
        calls.append(now)

    def _rate(self, method: str) -> Rate | None:
        if self.is_distributed and method in DISTRIBUTED_RATES:
            return DISTRIBUTED_RATES[method]
        return RATES.get(method)
