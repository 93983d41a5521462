"""Conversations: what was said in a thread, what people chose for it, and what is never sent again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.conversation import Conversation, Message, ThreadKey


@dataclass(frozen=True, slots=True)
class ConversationInfo:
    """A conversation without its messages."""

    id: int
    key: ThreadKey
    model: str | None
    system_prompt: str | None
    first_text: str
    """The first question since it was last cleared, for telling conversations apart; may be empty."""
    message_count: int
    """Messages that the next question would send along."""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as the store has it, for people who look into a conversation."""

    message: Message
    is_sent: bool
    """Whether the next question sends it along: False when it failed or was cleared."""
    turn_id: int


class Conversations(Protocol):
    """Reads conversations, and does to them what people ask for."""

    async def find_model(self, key: ThreadKey) -> str | None:
        """Read which model people chose for a conversation. None is the default's."""
        ...

    async def find_beginning(self, key: ThreadKey) -> datetime | None:
        """Read when the first message of a conversation was sent. None where there is no conversation."""
        ...

    async def load(
        self, key: ThreadKey, max_chars: int | None = None, after: int = 0
    ) -> Conversation:
        """Read what the question that runs now sends: nothing cleared, nothing failed, nothing queued.

        With `after` only what stands behind that position.

        With `max_chars` only the newest messages, the question always among them, until their texts
        have more than so many characters; `left_out` says where the others stand.
        Raises KeyError when there is no such conversation.
        """
        ...

    async def load_history(self, key: ThreadKey, limit: int = 200) -> Sequence[StoredMessage]:
        """Read the newest messages of a conversation, oldest first, with those no longer sent.

        Questions still waiting stand last.
        """
        ...

    async def find_conversation(self, key: ThreadKey) -> ConversationInfo | None:
        """Read a conversation without its messages."""
        ...

    async def load_recent(
        self,
        platform: str,
        workspace: str | None = None,
        channel: str | None = None,
        author_id: str | None = None,
        limit: int = 25,
    ) -> Sequence[ConversationInfo]:
        """Read conversations in which somebody (the author) asked, the last used first.

        None matches all. One that has seen only commands is not among them.
        """
        ...

    async def set_model(self, key: ThreadKey, model: str | None) -> None:
        """Choose the model of a conversation, which need not exist yet. None is the default's."""
        ...

    async def set_system_prompt(self, key: ThreadKey, prompt: str | None) -> None:
        """Set the system prompt of a conversation, which need not exist yet. None is the default's."""
        ...

    async def clear(self, key: ThreadKey, before: datetime) -> Sequence[int]:
        """Set the watermark: what was said until `before` is never sent again.

        Turns of that time that are unfinished become `cancelled`; their ids are returned.
        The chosen model and system prompt stay. A conversation that does not exist is left so.
        """
        ...

    async def prune(self, untouched_since: datetime, limit: int) -> int:
        """Delete up to `limit` conversations last touched before, with all that is theirs.

        One with an unfinished turn stays. Returns how many went.
        """
        ...
