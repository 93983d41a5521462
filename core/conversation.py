"""The values that everything else speaks of. `Message` and `Turn` are frozen; a conversation grows.

The names `Conversation.system`, `add`, `Message.user`, `Message.ai`, `Message.system`, `messages`,
`role` and `completion` follow LM Deluge's conversation guide.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from core.files.values import Attachment, Image

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class ThreadKey:
    """Where a conversation lives. `thread` is empty where a whole channel or DM is one conversation."""

    platform: str
    workspace: str
    channel: str
    thread: str = ""

    def __str__(self) -> str:
        return "/".join((self.platform, self.workspace, self.channel, self.thread)).rstrip("/")


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote a message: the platform's id, and the name that people see."""

    id: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation, as it goes to a model."""

    role: Role
    text: str
    author: Author | None = None
    sent_at: datetime | None = None
    model: str | None = None
    attachments: tuple[Attachment, ...] = ()
    """The files that came with it, as the store has them."""
    images: tuple[Image, ...] = ()
    """Those of them that go to the model as pictures; the others stand in the text."""
    position: int = field(default=0, compare=False)
    """Where it stands in its conversation, counted from 1; 0 for one that the store does not have."""

    @classmethod
    def user(cls, text: str, author: Author | None = None) -> Message:
        """Make a person's message."""
        return cls("user", text, author)

    @classmethod
    def ai(cls, text: str) -> Message:
        """Make a model's message."""
        return cls("assistant", text)

    @classmethod
    def system(cls, text: str) -> Message:
        """Make a system prompt."""
        return cls("system", text)

    def join(self, later: Message) -> Message:
        """Make one message of this and a later one."""
        return replace(
            self, text=f"{self.text}\n\n{later.text}".strip("\n"), images=self.images + later.images
        )

    @property
    def completion(self) -> str | None:
        """The text, or None where there is none."""
        return self.text or None


@dataclass(frozen=True, slots=True)
class Span:
    """Messages of a conversation by their positions: those behind `after`, as far as `until`."""

    after: int
    until: int

    @property
    def count(self) -> int:
        """How many messages, with those among them that are never sent."""
        return self.until - self.after


@dataclass(slots=True)
class Conversation:
    """The messages of one thread, oldest first. A system prompt, if any, stands first."""

    messages: list[Message] = field(default_factory=list[Message])
    key: ThreadKey | None = None
    model: str | None = None
    """The model that people chose for this thread; None is the installation's."""
    system_prompt: str | None = None
    """The system prompt that people set for this thread; None is the installation's."""
    left_out: Span | None = None
    """Older messages that were not read along, since no model's window has room for them."""

    @classmethod
    def system(cls, text: str) -> Conversation:
        """Begin a conversation with a system prompt."""
        return cls([Message.system(text)])

    @classmethod
    def user(cls, text: str) -> Conversation:
        """Begin a conversation with a person's message."""
        return cls([Message.user(text)])

    def add(self, message: Message) -> Conversation:
        """Append a message and return this conversation, so that calls can be chained."""
        self.messages.append(message)
        return self

    def extend(self, messages: Iterable[Message]) -> Conversation:
        """Append several messages and return this conversation."""
        self.messages.extend(messages)
        return self


class TurnState(StrEnum):
    """Where a turn stands. A turn is received by being recorded: what is on disk begins as `queued`."""

    QUEUED = "queued"
    RUNNING = "running"
    DELIVERING = "delivering"
    DONE = "done"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to the turn."""
        return self not in (TurnState.QUEUED, TurnState.RUNNING, TurnState.DELIVERING)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message from a person, as a frontend hands it to the core.

    `message_id` is unique within (platform, workspace, channel); `sent_at` is the platform's own time.
    """

    key: ThreadKey
    message_id: str
    author: Author
    text: str
    sent_at: datetime
    attachments: tuple[Attachment, ...] = ()


ReplyKind = Literal["message", "stream", "leaving", "notice"]


@dataclass(frozen=True, slots=True)
class ReplyMessage:
    """One message on the platform that belongs to a reply.

    `part` counts from 0. `stream` is a Slack stream that may still be open. `leaving` is about
    to be removed, or is gone already. `notice` is no answer: its part is negative, so that it never
    stands in the place of one of the answer's.
    """

    part: int
    message_id: str
    kind: ReplyKind = "message"

    def __post_init__(self) -> None:
        if (self.kind == "notice") != (self.part < 0):
            raise ValueError(f"part {self.part} cannot be of a {self.kind}")

    @classmethod
    def notice(cls, message_id: str, number: int = 0) -> ReplyMessage:
        """Make the notice of a number, counted from 0."""
        return cls(-1 - number, message_id, "notice")


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer took: tokens as the provider counts them, None where it did not say.

    Of the input, `cached_tokens` were read from the provider's cache and `written_tokens` put there.
    The provider knows tokens alone; who runs the turn adds the rest.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    written_tokens: int | None = None
    is_estimated: bool = False
    """Whether Skein reckoned the tokens itself, since the provider told none."""
    cost: Decimal | None = None
    """In US dollars. None is unknown, which is not 0."""
    to_first_text: timedelta | None = None
    """From the question put to the model, waiting for its limits included, to the first text."""
    in_all: timedelta | None = None
    """From the same moment to the end of the answer, whole or broken off."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message from a person and the one visible reply to it, as the journal has it.

    `sent_at` is the platform's time, `received_at` this machine's. `attempts` says which attempt at it
    is the latest one, and `crashes` how many ended without a word; one that was handed back did not.
    A turn that is `merged_into` another one stays queued until that one ends, and ends with it, its
    question being answered by that one's reply.
    """

    id: int
    conversation_id: int
    key: ThreadKey
    message_id: str
    author: Author
    text: str
    sent_at: datetime
    received_at: datetime
    state: TurnState
    attempts: int = 0
    crashes: int = 0
    merged_into: int | None = None
    reply_text: str | None = None
    replies: tuple[ReplyMessage, ...] = ()
    error: str | None = None
