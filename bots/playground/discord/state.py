"""Everything that the simulated Discord remembers, as plain values that go to JSON and back."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from bots.playground.base import SentFile, dump_file, restore_file
from bots.playground.discord.snowflakes import Clock

Json = dict[str, Any]

DUMP_VERSION = 1


class ChannelType:
    """The kinds of channel that are here, by Discord's numbers."""

    TEXT = 0
    DM = 1
    PUBLIC_THREAD = 11
    PRIVATE_THREAD = 12
    THREADS = (11, 12)


class MessageType:
    """The kinds of message that are here, by Discord's numbers."""

    DEFAULT = 0
    THREAD_CREATED = 18
    REPLY = 19
    CHAT_INPUT_COMMAND = 20
    THREAD_STARTER_MESSAGE = 21
    WRITTEN = (0, 19, 20)
    """Those that somebody wrote; the others are the platform's own notes."""


class MessageFlags:
    """The bits of a message's `flags` that mean something here."""

    SUPPRESS_EMBEDS = 1 << 2
    HAS_THREAD = 1 << 5
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12
    HAS_SNAPSHOT = 1 << 14
    IS_COMPONENTS_V2 = 1 << 15


@dataclass(slots=True)
class Person:
    """Somebody with an account; the bot is one too."""

    id: str
    name: str
    is_bot: bool = False


@dataclass(slots=True)
class Channel:
    """A text channel, a DM with the bot, or a thread."""

    id: str
    name: str
    type: int
    topic: str = ""
    parent: str = ""
    """The channel that a thread belongs to."""
    owner: str = ""
    """Who started a thread."""
    recipient: str = ""
    """The person on the other side of a DM."""
    is_archived: bool = False
    is_locked: bool = False
    archived_at: float = 0
    auto_archive_minutes: int = 4320
    members: list[str] = field(default_factory=list[str])
    denied: int = 0
    """Permission bits that the bot lacks here."""

    @property
    def is_thread(self) -> bool:
        """Whether it is a thread."""
        return self.type in ChannelType.THREADS

    @property
    def is_dm(self) -> bool:
        """Whether it is a DM, which no guild holds."""
        return self.type == ChannelType.DM


@dataclass(slots=True)
class Post:
    """A message, in the parts that Discord stores."""

    id: str
    channel: str
    author: str
    content: str = ""
    type: int = MessageType.DEFAULT
    flags: int = 0
    reply_to: str = ""
    reply_channel: str = ""
    mentions: list[str] = field(default_factory=list[str])
    mentions_everyone: bool = False
    edited_at: float = 0
    embeds: list[Json] = field(default_factory=list[Json])
    components: list[Json] = field(default_factory=list[Json])
    attachments: list[Json] = field(default_factory=list[Json])
    reactions: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    nonce: str = ""
    interaction: Json = field(default_factory=dict[str, Any])
    """The `interaction_metadata` of a message that answers one."""
    visible_to: str = ""
    stickers: list[Json] = field(default_factory=list[Json])
    """Its `sticker_items`."""
    forwarded: Json = field(default_factory=dict[str, Any])
    """What it carries of the message that it forwards; empty for none."""

    @property
    def is_ephemeral(self) -> bool:
        """Whether one person alone sees it, and no channel keeps it."""
        return bool(self.flags & MessageFlags.EPHEMERAL)

    @property
    def is_loading(self) -> bool:
        """Whether it stands for an answer that was deferred."""
        return bool(self.flags & MessageFlags.LOADING)


@dataclass(slots=True)
class State:
    """One guild, its people, the bot's DMs, and what was said."""

    guild_id: str
    guild_name: str
    bot: Person
    people: dict[str, Person]
    channels: dict[str, Channel]
    posts: dict[str, dict[str, Post]] = field(default_factory=dict[str, dict[str, Post]])
    """Messages by channel and id, oldest first."""
    files: dict[str, SentFile] = field(default_factory=dict[str, SentFile])
    """Attached files by the attachment's id."""
    now: Clock = time.time
    origin: str = ""
    """The address at which files are served."""

    def find_user(self, user: str) -> Person | None:
        """Find a person or the bot by id."""
        return self.bot if user == self.bot.id else self.people.get(user)

    def users(self) -> Iterator[Person]:
        """Go over the bot and all people."""
        yield self.bot
        yield from self.people.values()

    def in_channel(self, channel: str) -> dict[str, Post]:
        """Give a channel's messages, oldest first."""
        return self.posts.setdefault(channel, {})

    def find_post(self, message: str) -> Post | None:
        """Find a message by id, wherever it is."""
        return next((posts[message] for posts in self.posts.values() if message in posts), None)

    def all_posts(self) -> Iterator[Post]:
        """Go over all messages, oldest first within a channel."""
        for posts in self.posts.values():
            yield from posts.values()

    def find_dm(self, person: str) -> Channel | None:
        """Find the DM of the bot with a person."""
        return next((each for each in self.channels.values() if each.recipient == person), None)

    def dump(self) -> Json:
        """Give what was said and started as JSON values. Ephemeral messages are not kept."""
        return {
            "version": DUMP_VERSION,
            "guild": self.guild_id,
            "channels": [asdict(each) for each in self.channels.values()],
            "posts": [asdict(each) for each in self.all_posts() if not each.is_ephemeral],
            "files": {id_: dump_file(file) for id_, file in self.files.items()},
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """Take over a dump, wholly or not at all. Raises ValueError when it is not one."""
        if data.get("version") != DUMP_VERSION or data.get("guild") != self.guild_id:
            raise ValueError("this is no dump of this simulated Discord server")
        try:
            channels = {each["id"]: Channel(**each) for each in data["channels"]}
            posts: dict[str, dict[str, Post]] = {}
            for each in data["posts"]:
                posts.setdefault(each["channel"], {})[each["id"]] = Post(**each)
            files = {id_: restore_file(each) for id_, each in data.get("files", {}).items()}
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"this dump of the simulated Discord server is damaged: {error}"
            ) from error
        if not channels.keys() >= posts.keys():
            raise ValueError("this dump of the simulated Discord server lacks a channel")
        self.channels, self.posts, self.files = channels, posts, files
