"""What the page shows of the bot's memory. The playground knows no store: the program hands this in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, TypedDict


class StoredMessageView(TypedDict):
    """One message of a stored conversation."""

    role: Literal["system", "user", "assistant"]
    author: str
    """The person's name; empty for the model."""
    text: str
    is_sent: bool
    """Whether the next question sends it to the model as it was said."""
    note: str
    """Why it is not sent, in a word or two; empty where it is."""
    model: str
    """The model that wrote it; empty for people."""


class ConversationChoice(TypedDict):
    """A stored conversation that can be looked at instead."""

    workspace: str
    channel: str
    thread: str
    title: str
    """What tells it apart, for instance its first question."""
    message_count: int


class ConversationView(TypedDict):
    """A conversation as the bot stored it, and the others of the same platform."""

    is_stored: bool
    """False when nothing was ever said to the bot in this place."""
    workspace: str
    channel: str
    thread: str
    model: str
    system_prompt: str
    sent_tokens: int
    """What the next question would send, estimated; 0 where that cannot be told."""
    room_tokens: int
    """How much it could."""
    used: str
    """What the answers in this channel took so far, in words."""
    summary: str
    """What is sent in the place of older messages; empty for none."""
    pins: list[str]
    messages: list[StoredMessageView]
    others: list[ConversationChoice]


LoadConversation = Callable[[dict[str, str]], Awaitable[ConversationView | None]]
"""Finds a conversation by `platform`, `workspace`, `channel`, `parent` and `thread`, any of them empty.

`channel` is the place's id in the snapshot, `parent` the channel that a Discord thread belongs to,
`thread` the ts of a Slack thread. None where the platform's conversations cannot be told.
"""
