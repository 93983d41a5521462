"""Gateway sessions: what each was sent, what it may see, and what it missed. Nothing here waits."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from bots.playground.discord.snowflakes import Clock
from bots.playground.discord.state import Json

REPLAY_EVENTS = 1000
RESUMABLE_SECONDS = 180


class Intents:
    """The groups of events that a bot can ask for, by Discord's bits."""

    GUILDS = 1 << 0
    GUILD_MEMBERS = 1 << 1
    GUILD_PRESENCES = 1 << 8
    GUILD_MESSAGES = 1 << 9
    GUILD_MESSAGE_REACTIONS = 1 << 10
    GUILD_MESSAGE_TYPING = 1 << 11
    DIRECT_MESSAGES = 1 << 12
    DIRECT_MESSAGE_REACTIONS = 1 << 13
    DIRECT_MESSAGE_TYPING = 1 << 14
    MESSAGE_CONTENT = 1 << 15


class Opcode:
    """The kinds of gateway payload."""

    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    RESUME = 6
    RECONNECT = 7
    REQUEST_MEMBERS = 8
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11


@dataclass(frozen=True, slots=True)
class Close:
    """Asks a connection's writer to end with this code."""

    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something to tell the bot."""

    name: str
    data: Json
    intent: int = 0
    """The intent that a session needs for it; 0 is for all."""
    is_private: bool = False
    """A DM's event: it goes to shard 0."""
    without_content: Json | None = None
    """What a session without the Message Content intent gets instead."""
    attempt: int = 1


class Connection:
    """One websocket, seen from the sending side."""

    def __init__(self, abort: Callable[[], None]) -> None:
        self.outbox: asyncio.Queue[Json | Close] = asyncio.Queue()
        self.abort: Final = abort
        """Cuts the connection without a word."""

    def send(self, payload: Json) -> None:
        """Queue a payload."""
        self.outbox.put_nowait(payload)

    def close(self, code: int, reason: str = "") -> None:
        """End the connection with a close frame, after what is queued."""
        self.outbox.put_nowait(Close(code, reason))


@dataclass(slots=True)
class Session:
    """A bot's identified session; it outlives its connection for a while."""

    id: str
    intents: int
    shard: tuple[int, int]
    connection: Connection | None = None
    lost_at: float = 0
    sequence: int = 0
    sent: deque[Json] = field(default_factory=lambda: deque[Json](maxlen=REPLAY_EVENTS))

    def wants(self, event: Event, guild_id: str) -> bool:
        """Tell whether an event is for this session, by its intents and its shard."""
        if event.intent and not self.intents & event.intent:
            return False
        number, count = self.shard
        return number == (0 if event.is_private else (int(guild_id) >> 22) % count)

    def dispatch(self, event: Event) -> None:
        """Send an event, or keep it for a resume."""
        sees_content = self.intents & Intents.MESSAGE_CONTENT or event.without_content is None
        self.sequence += 1
        payload: Json = {
            "op": Opcode.DISPATCH,
            "t": event.name,
            "s": self.sequence,
            "d": event.data if sees_content else event.without_content,
        }
        self.sent.append(payload)
        if self.connection is not None:
            self.connection.send(payload)

    def can_replay(self, since: int) -> bool:
        """Tell whether everything after a sequence number is still here."""
        first = self.sent[0]["s"] if self.sent else self.sequence + 1
        return first - 1 <= since <= self.sequence

    def replay(self, since: int) -> int:
        """Send everything after a sequence number again; gives how many."""
        missed = [payload for payload in self.sent if payload["s"] > since]
        if self.connection is not None:
            for payload in missed:
                self.connection.send(payload)
        return len(missed)


class Sessions:
    """All sessions of the bot, connected or resumable."""

    def __init__(self, guild_id: str, now: Clock) -> None:
        self._guild_id = guild_id
        self._now = now
        self._sessions: dict[str, Session] = {}

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions.values()))

    def connected(self) -> int:
        """Count the sessions that hold a connection."""
        return sum(session.connection is not None for session in self)

    def open(self, connection: Connection, intents: int, shard: tuple[int, int]) -> Session:
        """Begin a session."""
        self._forget_old()
        session = Session(secrets.token_hex(16), intents, shard, connection)
        self._sessions[session.id] = session
        return session

    def find(self, session_id: str) -> Session | None:
        """Find a session that can be resumed."""
        self._forget_old()
        return self._sessions.get(session_id)

    def attach(self, session: Session, connection: Connection) -> None:
        """Let a session go on over another connection."""
        if session.connection is not None:
            session.connection.close(4000, "Resumed elsewhere")
        session.connection = connection

    def detach(self, connection: Connection, *, is_over: bool) -> None:
        """Take note that a connection ended; `is_over` when its session cannot be resumed."""
        for session in self:
            if session.connection is connection:
                session.connection, session.lost_at = None, self._now()
                if is_over:
                    self.forget(session)

    def forget(self, session: Session) -> None:
        """Let a session never be resumed."""
        self._sessions.pop(session.id, None)

    def dispatch(self, event: Event) -> int:
        """Send an event to all whom it is for; gives how many."""
        self._forget_old()
        receivers = [session for session in self if session.wants(event, self._guild_id)]
        for session in receivers:
            session.dispatch(event)
        return len(receivers)

    def _forget_old(self) -> None:
        oldest = self._now() - RESUMABLE_SECONDS
        for session in self:
            if session.connection is None and session.lost_at < oldest:
                self.forget(session)
