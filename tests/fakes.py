"""Doubles that work: models that answer by a function, and sinks that remember what people saw."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from core.conversation import Author, Incoming, ReplyMessage, ThreadKey, Turn, Usage
from core.errors import DeliveryError, UnknownModelError
from core.providers.base import Chunk, FinishReason, ModelRef, Request
from core.sink import Hold

ADA = Author("U1", "Ada")
START = datetime(2026, 1, 1, tzinfo=UTC)


def make_incoming(
    text: str, *, thread: str = "t1", number: int = 0, author: Author = ADA
) -> Incoming:
    """Make a message, `number` seconds into the year; its id follows from thread and number."""
    key = ThreadKey("test", "w1", "c1", thread)
    return Incoming(key, f"{thread}-{number}", author, text, START + timedelta(seconds=number))


async def _nothing() -> None:
    """Do nothing."""


class FakeModels:
    """One model, `fake/model`, which answers by a function of the request.

    With `hold` each answer waits, after its first chunk, until `release` is called.
    """

    def __init__(self, answer: Callable[[Request], str | Exception] | None = None) -> None:
        self.default = ModelRef("fake", "model", 8000)
        self.answer = answer or (lambda request: f"Answer to {request.messages[-1].text}")
        self.requests: list[Request] = []
        self.finish_reason: FinishReason = "stop"
        self.usage: Callable[[Request], Usage] = lambda _: Usage(10, 5)
        self.most_at_once = 0
        self._at_once = 0
        self.on_answered: Callable[[], Awaitable[object]] = _nothing
        self._gate = asyncio.Event()
        self._gate.set()
        self._asked = asyncio.Event()

    def hold(self) -> None:
        """Let answers stop after their first word."""
        self._gate.clear()

    def release(self) -> None:
        """Let answers go on."""
        self._gate.set()

    async def many_at_once(self, count: int) -> None:
        """Wait until so many requests are under way together."""
        while self.most_at_once < count:
            self._asked.clear()
            await self._asked.wait()

    def get_model(self, name: str | None) -> ModelRef:
        """Know `fake/model`, by itself or as the default, and `other`."""
        if name in (None, "fake/model"):
            return self.default
        if name in ("other", "fake/other"):
            return ModelRef("fake", "other", 8000)
        raise UnknownModelError(name, ["fake/model"])

    def list_models(self) -> tuple[str, ...]:
        """List both."""
        return ("other", "fake/model")

    async def look_again(self) -> None:
        """Have no others."""

    @asynccontextmanager
    async def stream(self, ref: ModelRef, request: Request) -> AsyncGenerator[AsyncIterator[Chunk]]:
        """Answer word by word."""
        self.requests.append(request)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        self._asked.set()
        try:
            answer = self.answer(request)
            if isinstance(answer, Exception):
                raise answer
            yield self._chunks(answer, self.usage(request))
        finally:
            self._at_once -= 1

    async def _chunks(self, answer: str, usage: Usage) -> AsyncIterator[Chunk]:
        for number, word in enumerate(answer.split(" ")):
            yield Chunk(word if number == 0 else f" {word}")
            await asyncio.sleep(0)
            async with asyncio.timeout(40):  # longer than any test waits for something else
                await self._gate.wait()
        await self.on_answered()
        yield Chunk(finish_reason=self.finish_reason, usage=usage)


@dataclass
class Shown:
    """What people saw of one reply."""

    turn: Turn
    hold: Hold
    updates: list[str] = field(default_factory=list[str])
    held: list[str] = field(default_factory=list[str])
    text: str = ""
    notice: str = ""
    is_closed: bool = False


class RecordingSinks:
    """Opens sinks that remember. `refuse` makes the next deliveries fail.

    `on_start` and `on_fail` run where a platform would be called.
    """

    def __init__(self) -> None:
        self.shown: list[Shown] = []
        self.refuse: str = ""
        self.refusals = 0
        self.on_start: Callable[[], Awaitable[object]] = _nothing
        self.on_fail: Callable[[], Awaitable[object]] = _nothing
        self.changed = asyncio.Event()

    def open_sink(self, turn: Turn, hold: Hold) -> RecordingSink:
        """Open one."""
        self.shown.append(Shown(turn, hold))
        return RecordingSink(self, self.shown[-1])

    async def wait_for(self, count: int) -> Sequence[Shown]:
        """Wait until so many replies have ended."""
        async with asyncio.timeout(20):
            while sum(1 for each in self.shown if each.text or each.notice) < count:
                self.changed.clear()
                await self.changed.wait()
        return self.shown

    async def wait_for_refusals(self, count: int) -> None:
        """Wait until so many deliveries were refused."""
        async with asyncio.timeout(20):
            while self.refusals < count:
                self.changed.clear()
                await self.changed.wait()

    async def wait_for_update(self) -> Shown:
        """Wait until the newest reply shows something."""
        async with asyncio.timeout(20):
            while not self.shown or not self.shown[-1].updates:
                self.changed.clear()
                await self.changed.wait()
        return self.shown[-1]


class RecordingSink:
    """A ReplySink that remembers."""

    def __init__(self, sinks: RecordingSinks, shown: Shown) -> None:
        self._sinks = sinks
        self._shown = shown

    async def start(self) -> None:
        """Begin."""
        await self._sinks.on_start()

    def update(self, text: str) -> None:
        """Remember."""
        self._shown.updates.append(text)
        self._sinks.changed.set()

    def hold(self, notice: str) -> None:
        """Remember."""
        self._shown.held.append(notice)
        self._sinks.changed.set()

    async def finish(self, text: str) -> None:
        """Remember, or refuse."""
        if self._sinks.refuse:
            self._sinks.refusals += 1
            self._sinks.changed.set()
            raise DeliveryError(self._sinks.refuse)
        await self._shown.hold.record(ReplyMessage(0, f"r-{self._shown.turn.message_id}"))
        self._shown.text = text
        self._sinks.changed.set()

    async def fail(self, notice: str, text: str = "") -> None:
        """Remember."""
        await self._sinks.on_fail()
        self._shown.text, self._shown.notice = text, notice
        self._sinks.changed.set()

    async def aclose(self) -> None:
        """Remember."""
        self._shown.is_closed = True


class FakeHold:
    """A hold that no other process can take over; what was recorded under it is in `replies`."""

    def __init__(self, replies: list[ReplyMessage] | None = None) -> None:
        self.replies: list[ReplyMessage] = [] if replies is None else replies

    def check(self) -> None:
        """Have nothing against a call."""

    async def record(self, reply: ReplyMessage, /, *, is_gone: bool = False) -> None:
        """Remember."""
        self.replies.append(reply)
