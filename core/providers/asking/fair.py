"""The queue before a provider's limits: fair between people and channels, first come first served for each.

`FairOrder` is the rule, pure and synchronous; `FairLimiter` is the queue. Requests are let in by
rounds: in each round at most one of each person and one of each channel, in the order in which they
came. Who comes later joins a later round, so that each round ends and nobody waits for ever. The first
in the queue alone asks the provider's limiter, however large its request: none overtakes it.
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from core.errors import RateLimitedError
from core.providers.base import NOBODY, Admission, Asker, Limiter

MAX_WAIT = timedelta(seconds=120)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a request stands."""

    round: int
    number: int
    person: str = field(compare=False)
    channel: str = field(compare=False)


class FairOrder:
    """Who is served when. `front` is being served, and stays in front until it leaves."""

    def __init__(self) -> None:
        self._places: list[Place] = []
        self._round = 0
        self._number = 0

    @property
    def places(self) -> tuple[Place, ...]:
        """All that wait, in the order in which they are served."""
        return tuple(self._places)

    @property
    def front(self) -> Place | None:
        """Who is served now."""
        return self._places[0] if self._places else None

    def join(self, person: str, channel: str) -> Place:
        """Line up: in the round after this one, or after one's own and one's channel's latest."""
        latest = (p.round for p in self._places if p.person == person or p.channel == channel)
        self._number += 1
        place = Place(max(latest, default=self._round) + 1, self._number, person, channel)
        insort(self._places, place)
        self._begin_round()
        return place

    def leave(self, place: Place) -> None:
        """Go, served or not."""
        self._places.remove(place)
        self._begin_round()

    def _begin_round(self) -> None:
        if self._places:
            self._round = max(self._round, self._places[0].round)


@dataclass(slots=True, eq=False)
class _Waiter:
    tell: Callable[[int | None], None]
    is_in_front: asyncio.Event = field(default_factory=asyncio.Event)
    ahead: int | None = None


class FairLimiter:
    """A limiter whose queue is fair. Each process has its own: between processes it goes by turns."""

    def __init__(self, limiter: Limiter, *, max_wait: timedelta = MAX_WAIT) -> None:
        self._limiter = limiter
        self._max_wait_seconds = max_wait.total_seconds()
        self._order = FairOrder()
        self._waiters: dict[Place, _Waiter] = {}
        self._is_empty = asyncio.Event()

    async def admit(self, model: str, tokens: int, asker: Asker = NOBODY) -> Admission:
        """Wait for leave to make a request of so many tokens, and tell the asker how many are ahead.

        Raises RateLimitedError where that would take too long.
        """
        try:
            async with asyncio.timeout(self._max_wait_seconds):
                while asker.is_patient and self._waiters:
                    self._is_empty.clear()
                    await self._is_empty.wait()
                return await self._line_up(model, tokens, asker)
        except TimeoutError as error:
            detail = "too many requests wait for Skein's own limit"
            raise RateLimitedError(model, detail) from error

    async def _line_up(self, model: str, tokens: int, asker: Asker) -> Admission:
        place = self._order.join(asker.person, asker.channel)
        waiter = self._waiters[place] = _Waiter(asker.on_place)
        self._advance()
        try:
            await waiter.is_in_front.wait()
            return await self._limiter.admit(model, tokens)
        finally:
            del self._waiters[place]
            self._order.leave(place)
            waiter.tell(None)
            self._advance()

    def pause(self, duration: timedelta) -> None:
        """Admit nothing for so long, as the provider asked."""
        self._limiter.pause(duration)

    @property
    def waiting_count(self) -> int:
        """How many requests wait."""
        return len(self._waiters)

    def _advance(self) -> None:
        """Let the first one ask, and tell all whose place changed."""
        if not self._waiters:
            self._is_empty.set()
        for ahead, place in enumerate(self._order.places):
            waiter = self._waiters[place]
            if ahead == 0:
                waiter.is_in_front.set()
            if waiter.ahead != ahead:
                waiter.ahead = ahead
                waiter.tell(ahead)
