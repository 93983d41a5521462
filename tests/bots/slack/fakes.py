"""Stand-ins for the core: they do the least that the frontend can be seen to use."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from bots.commands import Command
from core.conversation import Incoming, ReplyMessage, ThreadKey, Turn, TurnState
from core.errors import StoreError
from core.sink import OpenSink, ReplySink
from core.store.base import ConversationInfo
from tests.fakes import FakeHold
from tests.metrics import RecordingMetrics

Answer = Callable[[ReplySink, Turn], Awaitable[None]]


def make_turn(
    incoming: Incoming, replies: Sequence[ReplyMessage] = (), turn_id: int = 1, attempts: int = 1
) -> Turn:
    return Turn(
        id=turn_id,
        conversation_id=1,
        key=incoming.key,
        message_id=incoming.message_id,
        author=incoming.author,
        text=incoming.text,
        sent_at=incoming.sent_at,
        received_at=incoming.sent_at,
        state=TurnState.RUNNING,
        attempts=attempts,
        replies=tuple(replies),
    )


def make_info(
    key: ThreadKey, first_text: str = "How tall is the Eiffel tower?"
) -> ConversationInfo:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    return ConversationInfo(1, key, None, None, first_text, 2, now, now)


async def echo(sink: ReplySink, turn: Turn) -> None:
    await sink.finish(f"You said: {turn.text}")


class FakeTurns:
    """Takes each message once, and answers it through the frontend's sink."""

    def __init__(self, answer: Answer = echo) -> None:
        self.answer = answer
        self.metrics = RecordingMetrics()
        self.open_sink: OpenSink | None = None
        self.taken: list[Incoming] = []
        self.offered: list[Incoming] = []
        self.refusals = 0
        """How many messages to refuse, as a store that cannot write does."""
        self.replies: list[ReplyMessage] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, incoming: Incoming) -> bool:
        self.offered.append(incoming)
        if self.refusals:
            self.refusals -= 1
            raise StoreError("the disk is full")
        seen = {(taken.key.channel, taken.message_id) for taken in self.taken}
        if (incoming.key.channel, incoming.message_id) in seen:
            return False
        self.taken.append(incoming)
        task = asyncio.create_task(self._run(make_turn(incoming)))
        self._tasks.add(task)
        return True

    async def settle(self) -> None:
        async with asyncio.timeout(20):
            await asyncio.gather(*self._tasks)

    async def _run(self, turn: Turn) -> None:
        assert self.open_sink
        sink = self.open_sink(turn, FakeHold(self.replies))
        try:
            await sink.start()
            await self.answer(sink, turn)
        finally:
            await sink.aclose()


class FakeThreads:
    """Takes part wherever a turn was taken, or where it is told so."""

    def __init__(self, turns: FakeTurns) -> None:
        self._turns = turns
        self.keys: set[ThreadKey] = set()
        self.infos: list[ConversationInfo] = []
        self.asked: list[tuple[str | None, ...]] = []

    async def takes_part(self, key: ThreadKey, at: datetime | None = None) -> bool:
        return key in self.keys or any(taken.key == key for taken in self._turns.taken)

    async def known_replies(self, key: ThreadKey) -> frozenset[str]:
        return frozenset()

    async def recent(
        self,
        platform: str,
        workspace: str | None = None,
        channel: str | None = None,
        author_id: str | None = None,
        limit: int = 25,
    ) -> Sequence[ConversationInfo]:
        self.asked.append((platform, workspace, channel, author_id))
        return self.infos[:limit]


class RecordingCommands:
    """Remembers what was run, and says so."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, str, ThreadKey]] = []
        self.abouts: list[str] = []
        self.hold = asyncio.Event()
        """Slow commands wait for it."""
        self.error: StoreError | None = None
        self._seen: set[str] = set()

    def read(self, incoming: Incoming) -> Command | None:
        if incoming.attachments and not incoming.text:
            return None
        return self.parse(incoming.text)

    def parse(self, text: str) -> Command | None:
        words = text.split(maxsplit=1)
        if not words:
            return Command("help")
        if words[0] not in ("!clear", "!model", "!compact", "!help"):
            return None
        return Command(words[0][1:], words[1] if len(words) > 1 else "")

    async def run(self, command: Command, key: ThreadKey, at: datetime | None = None) -> str:
        if self.error:
            raise self.error
        if command.is_slow:
            await self.hold.wait()
        self.abouts.append(command.about)
        self.runs.append((command.name, command.argument, key))
        return f"**Done**: {command.name} {command.argument}".rstrip()

    async def run_once(self, command: Command, incoming: Incoming) -> str | None:
        if incoming.message_id in self._seen:
            return None
        self._seen.add(incoming.message_id)
        return await self.run(command, incoming.key, incoming.sent_at)

    def choices(self, name: str, prefix: str) -> list[str]:
        return [model for model in ("demo/echo", "openai/gpt-4o") if model.startswith(prefix)]
