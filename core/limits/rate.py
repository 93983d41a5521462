"""How much may be asked of a provider: requests and tokens per minute, first come first served.

`SlidingWindow` is the rule, pure and synchronous; `RateLimiter` is the queue before it.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from core.errors import RateLimitedError
from core.timer import CallLater, Timer, call_later

MINUTE_SECONDS = 60.0
MAX_WAIT = timedelta(seconds=120)


@dataclass(slots=True, eq=False)
class Entry:
    """One request in the window. Its tokens are an estimate until they are corrected."""

    at: float
    tokens: int
    is_counted: bool = True


class SlidingWindow:
    """Keeps requests, and their tokens, within a limit in any 60 seconds. Times are seconds.

    A request larger than the whole token limit is let through when it is alone in the window:
    it would wait forever otherwise, and the provider has the last word on it.
    """

    def __init__(self, max_requests: int | None, max_tokens: int | None = None) -> None:
        self._max_requests = max_requests
        self._max_tokens = max_tokens
        self._entries: deque[Entry] = deque()
        self._tokens = 0
        self._paused_until = -math.inf

    @property
    def paused_until(self) -> float:
        """Nothing is admitted before this time."""
        return self._paused_until

    def pause_until(self, at: float) -> None:
        """Admit nothing before that time. A pause is never shortened."""
        self._paused_until = max(self._paused_until, at)

    def admit_nowait(self, tokens: int, now: float) -> Entry | None:
        """Admit a request if there is room for it now."""
        if self.free_at(tokens, now) > now:
            return None
        return self.count(now, tokens)

    def count(self, at: float, tokens: int) -> Entry:
        """Count a request that was made at a time, not before those counted so far."""
        entry = Entry(at, max(0, tokens))
        self._entries.append(entry)
        self._tokens += entry.tokens
        return entry

    def free_at(self, tokens: int, now: float) -> float:
        """Say when there is room for a request, if nothing else changes; not before now."""
        self._forget_until(now)
        at = max(now, self._paused_until)
        excess_requests = len(self._entries) + 1 - self._max_requests if self._max_requests else 0
        excess_tokens = self._tokens + max(0, tokens) - self._max_tokens if self._max_tokens else 0
        for entry in self._entries:
            if excess_requests <= 0 and excess_tokens <= 0:
                break
            at = max(at, entry.at + MINUTE_SECONDS)
            excess_requests -= 1
            excess_tokens -= entry.tokens
        return at

    def correct(self, entry: Entry, tokens: int) -> None:
        """Replace an estimate by the truth."""
        if entry.is_counted:
            self._tokens += max(0, tokens) - entry.tokens
            entry.tokens = max(0, tokens)

    def withdraw(self, entry: Entry) -> None:
        """Take back an admission that was never used."""
        if entry.is_counted:
            self._entries.remove(entry)
            self._uncount(entry)

    def _forget_until(self, now: float) -> None:
        while self._entries and self._entries[0].at + MINUTE_SECONDS <= now:
            self._uncount(self._entries.popleft())

    def _uncount(self, entry: Entry) -> None:
        entry.is_counted = False
        self._tokens -= entry.tokens


@dataclass(slots=True, eq=False)
class _Waiter:
    model: str
    tokens: int
    deadline: float
    turn: asyncio.Future[Entry]


@dataclass(frozen=True, slots=True)
class WindowAdmission:
    """Leave to make one request, as a `RateLimiter` gives it."""

    limiter: RateLimiter
    entry: Entry

    def correct(self, tokens: int) -> None:
        """Replace the estimate by what the request took in truth."""
        self.limiter.correct(self.entry, tokens)

    def withdraw(self) -> None:
        """Give it back, since no request is made."""
        self.limiter.withdraw(self.entry)


class RateLimiter:
    """The queue before one provider and key. Strictly in order: small requests never overtake."""

    def __init__(
        self,
        max_requests_per_minute: int | None = None,
        max_tokens_per_minute: int | None = None,
        *,
        max_wait: timedelta = MAX_WAIT,
        clock: Callable[[], float] = time.monotonic,
        call_later: CallLater = call_later,
    ) -> None:
        self._window = SlidingWindow(max_requests_per_minute, max_tokens_per_minute)
        self._max_wait_seconds = max_wait.total_seconds()
        self._clock = clock
        self._call_later = call_later
        self._waiters: deque[_Waiter] = deque()
        self._timer: Timer | None = None

    async def admit(self, model: str, tokens: int) -> WindowAdmission:
        """Wait for leave to make a request of so many tokens.

        Raises RateLimitedError after `max_wait`, or at once where a pause is longer than that.
        """
        turn: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        waiter = _Waiter(model, tokens, self._clock() + self._max_wait_seconds, turn)
        self._waiters.append(waiter)
        self._advance()
        try:
            return WindowAdmission(self, await turn)
        except asyncio.CancelledError:
            self._leave(waiter)
            raise

    def correct(self, entry: Entry, tokens: int) -> None:
        """Replace an estimate by the truth, and let in whom that makes room for."""
        self._window.correct(entry, tokens)
        self._advance()

    def withdraw(self, entry: Entry) -> None:
        """Take back an admission that was never used, and let in whom that makes room for."""
        self._window.withdraw(entry)
        self._advance()

    def pause(self, duration: timedelta) -> None:
        """Admit nothing for so long. Who would wait longer than `max_wait` is refused at once."""
        self._window.pause_until(self._clock() + duration.total_seconds())
        self._advance()

    @property
    def paused_for(self) -> timedelta:
        """How long nothing is admitted from now on."""
        return timedelta(seconds=max(0.0, self._window.paused_until - self._clock()))

    @property
    def waiting_count(self) -> int:
        """How many requests wait."""
        return len(self._waiters)

    def _leave(self, waiter: _Waiter) -> None:
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        elif not waiter.turn.cancelled() and waiter.turn.exception() is None:
            self._window.withdraw(waiter.turn.result())
        self._advance()

    def _advance(self) -> None:
        """Let in everyone there is room for, refuse whom it would take too long, set the timer."""
        now = self._clock()
        while self._waiters:
            waiter = self._waiters[0]
            if waiter.turn.done():  # cancelled, and its task has not yet run
                self._waiters.popleft()
            elif entry := self._window.admit_nowait(waiter.tokens, now):
                self._waiters.popleft()
                waiter.turn.set_result(entry)
            elif now >= waiter.deadline or self._window.paused_until > waiter.deadline:
                self._waiters.popleft()
                waiter.turn.set_exception(self._refusal(waiter, now))
            else:
                break
        self._set_timer(now)

    def _refusal(self, waiter: _Waiter, now: float) -> RateLimitedError:
        wait = timedelta(seconds=self._window.free_at(waiter.tokens, now) - now)
        if self._window.paused_until > now:
            return RateLimitedError(waiter.model, "the provider asked for a pause", wait)
        return RateLimitedError(waiter.model, "too many requests wait for Skein's own limit", wait)

    def _set_timer(self, now: float) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._waiters:
            head = self._waiters[0]
            at = min(self._window.free_at(head.tokens, now), head.deadline)
            self._timer = self._call_later(max(0.0, at - now), self._advance)
