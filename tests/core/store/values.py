"""Values for tests of the store: keys, questions and times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta

from core.conversation import Author, Incoming, ThreadKey, Turn, Usage
from core.store.base import Store
from core.store.migrate import Migrator
from core.store.postgres import open_postgres, open_postgres_migrator
from core.store.sql import SqlStore, utc_now
from core.store.sqlite import open_sqlite, open_sqlite_migrator

OpenStore = Callable[[], AbstractAsyncContextManager[Store]]
RunSql = Callable[[str], list[tuple[str, ...]]]

KEY = ThreadKey("slack", "T1", "C1", "1700000000.000100")
OTHER = ThreadKey("slack", "T1", "C1", "1700000000.000200")
ANN = Author("U1", "Ann")
BEN = Author("U2", "Ben")
START = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Calendar:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time

    def advance(self, **duration: float) -> None:
        self.time += timedelta(**duration)


def open_url(
    url: str, now: Callable[[], datetime] = utc_now
) -> AbstractAsyncContextManager[SqlStore]:
    """Open the store at an address of any kind."""
    return (open_sqlite if url.startswith("sqlite") else open_postgres)(url, now=now)


def open_migrator(url: str) -> AbstractAsyncContextManager[Migrator]:
    """Open the database at an address of any kind as it is."""
    return (open_sqlite_migrator if url.startswith("sqlite") else open_postgres_migrator)(url)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def ask(
    seconds: float,
    key: ThreadKey = KEY,
    author: Author = ANN,
    text: str | None = None,
    message_id: str | None = None,
) -> Incoming:
    """Make the question that was sent at a time; its text and id follow from the time."""
    return Incoming(
        key=key,
        message_id=message_id or f"m{seconds}",
        author=author,
        text=text or f"question {seconds}",
        sent_at=at(seconds),
    )


async def queue(store: Store, incoming: Incoming) -> Turn:
    return (await store.record(incoming)).turn


async def start(store: Store, incoming: Incoming) -> Turn:
    queued = await queue(store, incoming)
    running = await store.start_next(queued.conversation_id)
    assert running is not None
    assert running.id == queued.id
    return running


async def answer(store: Store, incoming: Incoming, text: str = "answer") -> Turn:
    turn = await start(store, incoming)
    assert await store.save_reply(turn, text, "demo/echo", Usage(3, 5, 1))
    return turn


async def complete(store: Store, incoming: Incoming, text: str = "answer") -> Turn:
    turn = await answer(store, incoming, text)
    assert await store.finish(turn)
    return turn


async def get_turn(store: Store, turn_id: int) -> Turn:
    turn = await store.find_turn(turn_id)
    assert turn is not None
    return turn


async def load_texts(store: Store, key: ThreadKey = KEY) -> Sequence[str]:
    return [message.text for message in (await store.load(key)).messages]
