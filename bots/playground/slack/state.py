"""What a simulated workspace remembers: people, channels, messages. Pure data and look-ups, no I/O."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from bots.playground.base import SentFile

Clock = Callable[[], float]
"""Gives the seconds since the epoch."""

Json = dict[str, Any]

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Identity:
    """The ids of the workspace, of the app, and of the app's bot."""

    team: str = "T0ACME0001"
    team_name: str = "Acme"
    domain: str = "acme"
    app: str = "A0SKEIN001"
    bot_user: str = "U0SKEIN001"
    bot_id: str = "B0SKEIN001"
    bot_name: str = "skein"


@dataclass(frozen=True, slots=True)
class Person:
    """A member of the workspace. Bots are members, too."""

    id: str
    name: str
    real_name: str
    is_bot: bool = False


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel, a private group, or a direct message (`im`) between a person and the bot."""

    id: str
    name: str
    kind: Literal["channel", "group", "im"]
    members: tuple[str, ...]
    topic: str = ""
    created: int = 0
    is_archived: bool = False


@dataclass(frozen=True, slots=True)
class SharedFile:
    """A file, whose id messages have. One that is being uploaded has no content yet."""

    id: str
    user: str
    sent: SentFile
    title: str = ""
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A message as the workspace keeps it. `ts` is unique in the whole workspace here."""

    ts: str
    channel: str
    user: str
    text: str
    thread_ts: str = ""
    """The first message of the thread, for a reply; empty at top level."""
    is_markdown: bool = False
    """Whether the text came as `markdown_text` or by a stream."""
    blocks: tuple[Json, ...] = ()
    metadata: Json | None = None
    edited_ts: str = ""
    visible_to: str = ""
    client_msg_id: str = ""
    reactions: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    stream: Literal["", "open", "closed"] = ""
    stream_mode: Literal["", "text", "chunks"] = ""
    stream_started_at: float = 0.0
    is_tombstone: bool = False
    files: tuple[str, ...] = ()
    forwarded: tuple[Json, ...] = ()
    """Copies of the messages that it forwards."""

    @property
    def root(self) -> str:
        """The ts that a reply to this message is posted under."""
        return self.thread_ts or self.ts


@dataclass(slots=True)
class State:
    """The one owner of a workspace's data. Values in it are replaced, never changed."""

    clock: Clock = time.time
    identity: Identity = field(default_factory=Identity)
    people: dict[str, Person] = field(default_factory=dict[str, Person])
    channels: dict[str, Channel] = field(default_factory=dict[str, Channel])
    messages: dict[str, Message] = field(default_factory=dict[str, Message])
    files: dict[str, SharedFile] = field(default_factory=dict[str, SharedFile])
    denied_scopes: set[str] = field(default_factory=set[str])
    """Scopes that the app was not given."""
    origin: str = ""
    """Where all this is reached, with the prefix."""
    views: dict[str, Json] = field(default_factory=dict[str, Json])
    """The published home view of a person."""
    sessions: dict[str, Json] = field(default_factory=dict[str, Json])
    """Agent sessions: status and title, by `channel/thread`."""
    titles: dict[str, str] = field(default_factory=dict[str, str])
    prompts: dict[str, list[Json]] = field(default_factory=dict[str, list[Json]])
    """Titles and suggested prompts of assistant threads, by `channel/thread`."""
    last_microsecond: int = 0
    last_serial: int = 0

    def next_ts(self) -> str:
        """Make a timestamp that is later than every one before, whatever the clock says."""
        self.last_microsecond = max(int(self.clock() * 1_000_000), self.last_microsecond + 1)
        return f"{self.last_microsecond // 1_000_000}.{self.last_microsecond % 1_000_000:06d}"

    def next_id(self, prefix: str) -> str:
        """Make an id in Slack's looks: a prefix and nine letters or digits."""
        self.last_serial += 1
        return f"{prefix}0{self.last_serial:08X}"

    def put(self, message: Message) -> Message:
        """Keep a message, new or changed."""
        self.messages[message.ts] = message
        return message

    def in_channel(self, channel: str) -> Iterator[Message]:
        """Go through a channel's messages, oldest first, without what only one person sees."""
        return (
            message
            for message in self.messages.values()
            if message.channel == channel and not message.visible_to
        )

    def replies(self, root: Message) -> list[Message]:
        """List the replies to a message, oldest first."""
        return [
            message for message in self.in_channel(root.channel) if message.thread_ts == root.ts
        ]

    def find_message(self, channel: str, ts: str) -> Message | None:
        """Find a message that all members of a channel see."""
        message = self.messages.get(ts)
        if message is None or message.channel != channel or message.visible_to:
            return None
        return message

    def is_member(self, channel: Channel, user: str) -> bool:
        """Tell whether someone is in a channel."""
        return user in channel.members

    def find_dm(self, person: str) -> Channel | None:
        """Find the direct messages between a person and the bot."""
        return next(
            (c for c in self.channels.values() if c.kind == "im" and person in c.members), None
        )

    def close_stream(self, message: Message) -> Message:
        """End a stream, whoever ends it."""
        return self.put(replace(message, stream="closed"))

    def dump(self) -> Json:
        """Give everything as JSON values."""
        return {
            "version": FORMAT_VERSION,
            "identity": asdict(self.identity),
            "people": [asdict(person) for person in self.people.values()],
            "channels": [asdict(channel) for channel in self.channels.values()],
            "messages": [asdict(message) for message in self.messages.values()],
            "views": self.views,
            "sessions": self.sessions,
            "titles": self.titles,
            "prompts": self.prompts,
            "last_microsecond": self.last_microsecond,
            "last_serial": self.last_serial,
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """Take over what `dump` gave. Raises ValueError when it is something else."""
        if data.get("version") != FORMAT_VERSION:
            raise ValueError("not a dump of a simulated Slack workspace")
        try:
            identity = Identity(**data["identity"])
            people = {entry["id"]: Person(**entry) for entry in data["people"]}
            channels = {entry["id"]: _read_channel(entry) for entry in data["channels"]}
            messages = {entry["ts"]: _read_message(entry) for entry in data["messages"]}
            last_microsecond, last_serial = int(data["last_microsecond"]), int(data["last_serial"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"a broken dump of a simulated Slack workspace: {error}") from error
        self.identity, self.people, self.channels, self.messages = (
            identity,
            people,
            channels,
            messages,
        )
        self.last_microsecond, self.last_serial = last_microsecond, last_serial
        self.views, self.sessions = dict(data.get("views", {})), dict(data.get("sessions", {}))
        self.titles, self.prompts = dict(data.get("titles", {})), dict(data.get("prompts", {}))


def _read_channel(entry: Mapping[str, Any]) -> Channel:
    return replace(Channel(**entry), members=tuple(entry["members"]))


def _read_message(entry: Mapping[str, Any]) -> Message:
    reactions = {name: tuple(users) for name, users in entry["reactions"].items()}
    return replace(
        Message(**entry),
        blocks=tuple(entry["blocks"]),
        reactions=reactions,
        files=tuple(entry.get("files", ())),
        forwarded=tuple(entry.get("forwarded", ())),
    )
