"""What every simulated chat server has in common: the shapes that the page shows, a feed, and faults.

The simulations keep the platforms' real limits, so that a frontend which passes here has met them.
They know nothing of Skein: a test or the page acts as the people, and the bot under test connects.
"""

from __future__ import annotations

import asyncio
import fnmatch
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, NotRequired, Protocol, TypedDict

MAX_KEPT_BYTES = 1_000_000


class PersonView(TypedDict):
    """A person, or the bot, as the page shows them."""

    id: str
    name: str
    is_bot: bool


class ChannelView(TypedDict):
    """A place to talk. A Discord thread is a channel with a parent; Slack threads are in messages."""

    id: str
    name: str
    kind: Literal["channel", "dm", "thread"]
    topic: NotRequired[str]
    parent: NotRequired[str]
    person: NotRequired[str]
    """The person on the other side of a DM with the bot."""


class ActionView(TypedDict):
    """A button or a choice that a message offers. `options` is empty for a button."""

    id: str
    label: str
    options: list[str]


class FileView(TypedDict):
    """A file of a message, as the page shows it."""

    id: str
    name: str
    media_type: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file that a person or the bot sent."""

    name: str
    media_type: str
    content: bytes = field(repr=False)

    def view(self, id_: str) -> FileView:
        """Show it."""
        size_bytes = len(self.content)
        return FileView(id=id_, name=self.name, media_type=self.media_type, size_bytes=size_bytes)


def dump_file(file: SentFile) -> dict[str, Any]:
    """Give a file as JSON values. The content of a large one is not kept."""
    content = file.content if len(file.content) <= MAX_KEPT_BYTES else b""
    return {
        "name": file.name,
        "media_type": file.media_type,
        "content": b64encode(content).decode(),
    }


def restore_file(data: Mapping[str, Any]) -> SentFile:
    """Take over what `dump_file` gave. Raises ValueError and KeyError for something else."""
    return SentFile(data["name"], data["media_type"], b64decode(data["content"]))


class MessageView(TypedDict):
    """A message as the page shows it. `id` is Slack's ts or Discord's snowflake."""

    id: str
    channel: str
    thread: str
    """Slack: the ts of the thread's first message, for a reply; empty at top level and on Discord."""
    author: str
    text: str
    format: Literal["mrkdwn", "markdown"]
    reply_to: str
    """Discord: the message that this one refers to; else empty."""
    is_edited: bool
    is_streaming: bool
    visible_to: str
    """The one person who sees an ephemeral message; empty for all others."""
    actions: list[ActionView]
    files: list[FileView]
    reactions: list[str]
    """The emoji below it, each once."""


class CommandView(TypedDict):
    """A slash command that the bot declared."""

    name: str
    description: str
    argument: str
    """The name of its one text argument; empty for none."""


class Snapshot(TypedDict):
    """All that a simulated platform shows, for drawing the page."""

    platform: str
    workspace: str
    workspace_name: str
    bot: PersonView
    people: list[PersonView]
    channels: list[ChannelView]
    messages: list[MessageView]
    commands: list[CommandView]
    is_connected: bool
    """Whether the bot holds an event connection."""


FeedEvent = Mapping[str, Any]
"""One of, all JSON, each with `platform`:

- {"type": "message", "message": MessageView}: a message is new or changed
- {"type": "deleted", "channel": ..., "id": ...}
- {"type": "channel", "channel": ChannelView}: a place is new or changed
- {"type": "status", "channel": ..., "thread": ..., "text": ...}: typing or a status; empty text ends it
- {"type": "commands", "commands": [CommandView]}
- {"type": "connection", "is_connected": bool}
- {"type": "call", "call": CallView}: the bot called the API
- {"type": "delivery", "name": ..., "detail": ..., "attempt": int}: the platform sent the bot an event
"""


class CallView(TypedDict):
    """One API call of the bot, as the page lists it."""

    at: float
    """Seconds since the epoch."""
    method: str
    status: int
    error: str
    detail: str
    """What was sent, in one short line, without tokens."""
    milliseconds: float


class Feed:
    """Hands events to everyone who listens now. A listener too slow loses its oldest events."""

    def __init__(self, backlog: int = 10_000) -> None:
        self._backlog = backlog
        self._queues: set[asyncio.Queue[FeedEvent]] = set()

    def publish(self, event: FeedEvent) -> None:
        """Give an event to all who listen."""
        for queue in self._queues:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)

    @contextmanager
    def listen(self) -> Generator[asyncio.Queue[FeedEvent]]:
        """Listen from now until the context ends."""
        queue: asyncio.Queue[FeedEvent] = asyncio.Queue(self._backlog)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)

    async def wait_for(
        self, timeout: timedelta = timedelta(seconds=10), **fields: Any
    ) -> FeedEvent:
        """Wait for the next event with these fields. Raises TimeoutError."""
        with self.listen() as queue:
            async with asyncio.timeout(timeout.total_seconds()):
                while True:
                    event = await queue.get()
                    if all(event.get(name) == value for name, value in fields.items()):
                        return event


@dataclass(slots=True)
class Fault:
    """Something that goes wrong with the next calls whose method matches.

    `method` is a pattern: `chat.postMessage`, `chat.*`, `POST /channels/*/messages`. With `status`
    429 comes `retry_after`. `error` is the platform's code in the body. `drop` cuts the connection
    without an answer; `after` lets the call take effect first, so that only its answer is lost.
    """

    method: str
    status: int = 500
    error: str = "internal_error"
    retry_after: timedelta | None = None
    delay: timedelta = timedelta()
    drop: bool = False
    after: bool = False
    is_slow_only: bool = False
    """Only wait `delay`, then answer as usual."""
    times: int = 1


@dataclass(slots=True)
class Faults:
    """The faults that wait to happen, in order."""

    waiting: deque[Fault] = field(default_factory=deque[Fault])

    def add(self, fault: Fault) -> None:
        """Let something go wrong."""
        self.waiting.append(fault)

    def take(self, method: str) -> Fault | None:
        """Take the first fault that matches a call, counting it down."""
        for fault in self.waiting:
            if fnmatch.fnmatchcase(method, fault.method):
                fault.times -= 1
                if fault.times <= 0:
                    self.waiting.remove(fault)
                return fault
        return None

    def clear(self) -> None:
        """Let nothing more go wrong."""
        self.waiting.clear()


class Simulation(Protocol):
    """A simulated chat server, as the page and the tests use it; the bot uses its network side."""

    platform: str
    feed: Feed
    faults: Faults

    def snapshot(self) -> Snapshot:
        """Describe all that can be seen now."""
        ...

    def dump(self) -> dict[str, Any]:
        """Give the state as JSON values, for another process to go on from."""
        ...

    def restore(self, data: Mapping[str, Any]) -> None:
        """Take over a dumped state. Raises ValueError when it is not one."""
        ...

    async def say(
        self,
        person: str,
        channel: str,
        text: str,
        *,
        thread: str = "",
        reply_to: str = "",
        files: Sequence[SentFile] = (),
    ) -> str:
        """Post as a person and send the bot its events. Gives the message's id.

        A mention is written as `@skein` (the bot's name) and becomes the platform's own form.
        Raises ValueError for an unknown person or place.
        """
        ...

    async def edit(self, message: str, text: str) -> None:
        """Change a person's message. Raises ValueError when it is none."""
        ...

    async def delete(self, message: str) -> None:
        """Delete a message. Raises ValueError for an unknown one."""
        ...

    async def forward(
        self, person: str, message: str, channel: str, text: str = "", *, thread: str = ""
    ) -> str:
        """Forward a message to a place as a person; gives the new message's id. Raises ValueError."""
        ...

    async def command(
        self, person: str, channel: str, name: str, text: str = "", *, thread: str = ""
    ) -> str:
        """Use a slash command as a person; gives what the platform itself answers, or nothing.

        Slack refuses slash commands in threads with words of its own.
        """
        ...

    async def complete(self, person: str, channel: str, name: str, text: str) -> list[str]:
        """Ask for the choices of a command's argument; empty where the platform has none."""
        ...

    async def act(self, person: str, message: str, action: str, value: str = "") -> None:
        """Press a button, or choose an option, of a message."""
        ...

    def read_file(self, id_: str) -> SentFile:
        """Give a file of a message, as people open it. Raises ValueError for an unknown one."""
        ...

    def connections(self) -> int:
        """Count the event connections that the bot holds."""
        ...

    async def drop_connections(self) -> None:
        """Cut every event connection without a word."""
        ...
