"""What Slack gave up sending: read once, after a time in which the bot may have missed something.

An event that is not acknowledged comes again at once, after a minute and after five more, then never
(docs.slack.dev/apis/events-api). The messages read here take the same way as those that arrive,
where the store knows which were seen before.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bots.delivery import SlowDownError, TransientError
from bots.slack.api import RefusedCallError, answer_of, back_off
from bots.slack.events import PLATFORM, Heard, Payload, is_ts
from bots.slack.ports import Threads
from core.beside import beside
from core.conversation import ThreadKey
from core.errors import StoreError

log = logging.getLogger("skein.slack")

MAX_CONVERSATIONS = 30
"""Conversations read in one go, those used last: each costs a call."""
MAX_CHANNELS = 10
"""Channels of these whose top level is read as well, for mentions that begin a thread."""
MAX_MESSAGES = 100
"""Messages asked for in a call: more than people say in one place while a bot restarts."""
MAX_LATE = 100
"""Mentions that came late and whose threads are still to be read."""

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Times:
    """When to look, and at what pace."""

    late: timedelta = timedelta(seconds=3)
    """Slack sends again what it takes longer to acknowledge."""
    silence: timedelta = timedelta(minutes=1)
    """A shorter time without a connection is made good by Slack, which sends again."""
    gives_up: timedelta = timedelta(minutes=6, seconds=30)
    """After so long, Slack sends an event no more that was never acknowledged."""
    store_pause: timedelta = timedelta(seconds=30)
    """How long to wait for a store that is away."""
    between_calls: timedelta = timedelta(seconds=1.5)
    """The methods allow 50 calls a minute, and replies that are resumed need some of them."""
    longest_wait: timedelta = timedelta(minutes=1)
    """Slack's own limit for apps outside the Marketplace; a longer one is not waited for."""
    most_waits: int = 3


@dataclass(frozen=True, slots=True)
class Place:
    """What one call reads: a thread, or the top level of a channel or direct message."""

    workspace: str
    channel: str
    thread: str = ""


class _TooSlowError(Exception):
    """Slack lets this app read so little that it is no use to go on."""


class CatchUp:
    """Reads the conversations used last, whenever something may have been missed. Nothing waits for it.

    `read` parses an event's payload; `hear` takes a message as if it had just arrived.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        threads: Threads,
        read: Callable[[Payload], Heard | None],
        hear: Callable[[Heard], Awaitable[None]],
        max_age: timedelta,
        times: Times | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._threads = threads
        self._read = read
        self._hear = hear
        self._max_age = max_age
        self._times = times or Times()
        self._now = now
        self._due_at: datetime | None = None
        self._failed_at: datetime | None = None
        self._changed = asyncio.Event()
        self._late = asyncio.Queue[Heard](MAX_LATE)
        self._told: set[str] = set()
        self._waits = 0

    def note_connection(self, silence: timedelta) -> None:
        """Take note that a connection stands, after so long without one."""
        if silence >= self._times.silence:
            self._plan(self._now())

    def note_failure(self) -> None:
        """Take note that a message could not be recorded: Slack will send it a few times more."""
        self._failed_at = self._now()
        self._plan(self._failed_at + self._times.gives_up)

    def note_recorded(self, heard: Heard) -> None:
        """Take note that a mention was recorded. What followed one that came late may be lost.

        Its writer, or others, may have gone on in the thread without a mention: whoever got that did
        not know of the thread, acknowledged it, and left it.
        """
        is_late = self._now() - heard.sent_at > self._times.late
        if heard.key.thread and heard.is_addressed and is_late:
            with suppress(asyncio.QueueFull):
                self._late.put_nowait(heard)

    async def run(self) -> None:
        """Look whenever it is time to, until cancelled."""
        async with beside(self._follow_late()):
            await self._look_when_due()

    async def _follow_late(self) -> None:
        while True:
            heard = await self._late.get()
            self._waits = 0
            place = Place(heard.key.workspace, heard.key.channel, heard.key.thread)
            try:
                messages = await self._load(place, heard.sent_at)
                for later in self._choose(place, messages, heard.sent_at):
                    await self._hear(later)
            except _TooSlowError:
                self._tell(
                    "Slack lets this app read too little to see what followed a late mention"
                )
            except StoreError as error:
                log.warning(
                    "Slack: what followed %s is not looked for: %s", heard.message_id, error
                )
            except Exception:
                log.exception("Slack: what followed %s could not be looked for", heard.message_id)
            await asyncio.sleep(self._times.between_calls.total_seconds())

    async def _look_when_due(self) -> None:
        while True:
            await self._wait_until_due()
            began, self._waits = self._now(), 0
            try:
                await self._look()
            except StoreError as error:
                log.info("Slack: cannot catch up yet: %s", error)
                self._plan(self._now() + self._times.store_pause)
            except Exception:
                log.exception("Slack: could not catch up")
            if self._failed_at and began < self._failed_at + self._times.gives_up:
                self._plan(self._failed_at + self._times.gives_up)

    def _plan(self, at: datetime) -> None:
        self._due_at = min(at, self._due_at) if self._due_at else at
        self._changed.set()

    async def _wait_until_due(self) -> None:
        while self._due_at is None or self._due_at > self._now():
            self._changed.clear()
            wait = (self._due_at - self._now()).total_seconds() if self._due_at else None
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()
        self._due_at = None

    async def _look(self) -> None:
        """Hand on what is young enough, place by place. Raises StoreError."""
        known = await self._threads.recent(PLATFORM, limit=MAX_CONVERSATIONS)
        places = list(find_places(info.key for info in known))
        since, count = self._now() - self._max_age, 0
        for number, place in enumerate(places):
            if number:
                await asyncio.sleep(self._times.between_calls.total_seconds())
            try:
                messages = await self._load(place, since)
            except _TooSlowError as error:
                self._tell(
                    f"Slack lets this app read too little to catch up on what was said while it was "
                    f"away ({error}): {number} of {len(places)} places were read"
                )
                break
            for heard in self._choose(place, messages, since):
                await self._hear(heard)
                count += 1
        if places:
            log.info("Slack: caught up, after a look at %d messages", count)

    async def _load(self, place: Place, since: datetime) -> Sequence[Payload]:
        """Read what was said in a place; nothing where the bot has no business, or Slack no answer."""
        for attempt in range(1, _ATTEMPTS + self._times.most_waits + 1):
            try:
                answer = await self._ask(place, since)
                return [each for each in answer.get("messages") or () if is_ts(each.get("ts"))]
            except RefusedCallError as error:
                if error.code in ("missing_scope", "not_allowed_token_type"):
                    self._tell(f"Slack does not let the bot catch up everywhere: {error}")
                log.debug("Slack: %s cannot be caught up on: %s", place, error)
                return []
            except SlowDownError as error:
                await self._slow_down(error)
            except TransientError as error:
                if attempt >= _ATTEMPTS:
                    log.info("Slack: %s cannot be caught up on: %s", place, error)
                    return []
                await asyncio.sleep(back_off(attempt).total_seconds())
        return []

    async def _slow_down(self, error: SlowDownError) -> None:
        self._waits += 1
        if self._waits > self._times.most_waits or error.retry_after > self._times.longest_wait:
            raise _TooSlowError(str(error))
        await asyncio.sleep(error.retry_after.total_seconds())

    async def _ask(self, place: Place, since: datetime) -> Mapping[str, Any]:
        where: dict[str, Any] = {
            "channel": place.channel,
            "oldest": f"{since.timestamp():.6f}",
            "limit": MAX_MESSAGES,
        }
        if place.thread:
            return await answer_of(self._client.conversations_replies(ts=place.thread, **where))
        return await answer_of(self._client.conversations_history(**where))

    def _choose(self, place: Place, messages: Iterable[Payload], since: datetime) -> list[Heard]:
        """Choose what may be for the bot, oldest first."""
        body = {"team_id": place.workspace}
        events = ({**message, "channel": place.channel} for message in messages)
        found = [heard for event in events if (heard := self._read({**body, "event": event}))]
        return sorted(
            (heard for heard in found if heard.sent_at > since), key=lambda heard: heard.sent_at
        )

    def _tell(self, text: str) -> None:
        """Say something that an operator can mend, once."""
        if text not in self._told:
            self._told.add(text)
            log.warning(text)


def find_places(keys: Iterable[ThreadKey]) -> Iterator[Place]:
    """Say what to read, the last used first: the conversations, then the channels that they are in."""
    known = [Place(key.workspace, key.channel, key.thread) for key in keys]
    channels = dict.fromkeys(Place(place.workspace, place.channel) for place in known)
    yield from known
    yield from [place for place in channels if place not in known][:MAX_CHANNELS]
