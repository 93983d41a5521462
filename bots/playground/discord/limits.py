"""Discord's rate limits: buckets per route and channel, and one for the whole bot.

Discord publishes no numbers; these are what bots in the field observe. A bot must read the headers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from bots.playground.discord.errors import ApiError, rate_limited
from bots.playground.discord.snowflakes import Clock


@dataclass(frozen=True, slots=True)
class Limit:
    """So many calls in so many seconds. Routes with the same name share a bucket."""

    name: str
    calls: int
    seconds: float


POST_MESSAGE = Limit("post message", 5, 5)
EDIT_MESSAGE = Limit("edit message", 5, 5)
DELETE_MESSAGE = Limit("delete message", 5, 1)
READ_MESSAGES = Limit("read messages", 10, 5)
TYPING = Limit("typing", 5, 5)
REACTION = Limit("reaction", 1, 0.25)
THREAD = Limit("thread", 5, 5)
CHANNEL = Limit("channel", 5, 5)
COMMANDS = Limit("commands", 5, 20)
WEBHOOK = Limit("webhook", 5, 2)
OTHER = Limit("other", 40, 1)

EVERYTHING = Limit("everything", 50, 1)
"""The bot as a whole. Interactions and webhooks do not count."""
OLD_EDITS = Limit("old edits", 3, 20)
"""Edits of messages older than an hour, per channel (error 30046)."""


@dataclass(slots=True)
class _Window:
    ends_at: float
    used: int = 0


class Limits:
    """Counts calls in windows that begin with their first call."""

    def __init__(self, now: Clock, scale: float = 1) -> None:
        """Take a clock, and a factor for the length of every window: 0 lifts all limits."""
        self._now = now
        self._scale = scale
        self._windows: dict[tuple[str, str], _Window] = {}

    def take(self, limit: Limit, major: str) -> dict[str, str]:
        """Count a call against a limit; gives the headers that tell. Raises ApiError (429)."""
        if not self._scale:
            return {}
        window = self._window(limit, major)
        if window.used >= limit.calls:
            raise LimitedError(
                self._headers(limit, window), rate_limited(window.ends_at - self._now())
            )
        window.used += 1
        return self._headers(limit, window)

    def take_global(self) -> None:
        """Count a call against the limit of the whole bot. Raises ApiError (429)."""
        if not self._scale:
            return
        window = self._window(EVERYTHING, "")
        if window.used >= EVERYTHING.calls:
            error = rate_limited(window.ends_at - self._now(), is_global=True)
            raise LimitedError({"X-RateLimit-Global": "true"}, error, scope="global")
        window.used += 1

    def take_old_edit(self, channel: str) -> None:
        """Count an edit of a message older than an hour. Raises ApiError (429, code 30046)."""
        if not self._scale:
            return
        window = self._window(OLD_EDITS, channel)
        if window.used >= OLD_EDITS.calls:
            text = "Maximum number of edits to messages older than 1 hour reached. Try again later."
            error = rate_limited(window.ends_at - self._now(), code=30046, message=text)
            raise LimitedError({}, error, scope="shared")
        window.used += 1

    def _window(self, limit: Limit, major: str) -> _Window:
        now = self._now()
        window = self._windows.get((limit.name, major))
        if window is None or window.ends_at <= now:
            self._windows = {key: each for key, each in self._windows.items() if each.ends_at > now}
            window = _Window(now + limit.seconds * self._scale)
            self._windows[limit.name, major] = window
        return window

    def _headers(self, limit: Limit, window: _Window) -> dict[str, str]:
        bucket = hashlib.md5(limit.name.encode(), usedforsecurity=False).hexdigest()
        return {
            "X-RateLimit-Limit": str(limit.calls),
            "X-RateLimit-Remaining": str(max(0, limit.calls - window.used)),
            "X-RateLimit-Reset": f"{window.ends_at:.3f}",
            "X-RateLimit-Reset-After": f"{max(0.0, window.ends_at - self._now()):.3f}",
            "X-RateLimit-Bucket": bucket,
        }


class LimitedError(ApiError):
    """A 429 with its headers."""

    def __init__(self, headers: Mapping[str, str], refusal: ApiError, scope: str = "user") -> None:
        super().__init__(refusal.status, refusal.code, str(refusal.body["message"]))
        self.body = refusal.body
        retry_after = float(refusal.body["retry_after"])
        self.headers = {
            **headers,
            "Retry-After": str(max(1, round(retry_after + 0.5))),
            "X-RateLimit-Scope": scope,
        }
