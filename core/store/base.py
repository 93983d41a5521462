"""The store's protocol. Every backend passes the same contract suite, tests/core/store/contract.py.

A state only moves forward, and each move is one statement that cannot be applied twice: a method
that moves a turn says whether it did. Whoever starts a turn holds it for `LEASE` at a time; after
that, another process may take it over, which counts an attempt. A method that is given a `Turn`
applies to that attempt alone, so that who was taken over changes nothing any more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from core.conversation import (
    Conversation,
    Incoming,
    Message,
    ReplyMessage,
    ThreadKey,
    Turn,
    Usage,
)

LEASE = timedelta(seconds=20)
"""How long a turn is held without a word: longer than a process stalls, or a database restarts."""
HEARTBEAT = LEASE / 4
"""How often a lease is renewed: three may fail."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a message handed to the store: its turn, and whether it is a new one."""

    turn: Turn
    is_new: bool


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


class Store(Protocol):
    """Conversations, their messages, and the journal of turns. Raises StoreError where it cannot serve."""

    @property
    def is_shared(self) -> bool:
        """Whether several processes may run turns on it at once."""
        ...

    async def record(self, incoming: Incoming) -> Recorded:
        """Commit a person's message and its queued turn; durable when this returns.

        A message is known by (platform, workspace, channel, message id): one seen before gives its turn.
        """
        ...

    async def is_recorded(self, incoming: Incoming) -> bool:
        """Tell whether a message was recorded before, as a question or as a command."""
        ...

    async def record_command(self, incoming: Incoming) -> bool:
        """Commit that a message was a command. False if it was recorded before.

        It becomes a turn that is done, and no message of the conversation.
        """
        ...

    async def find_turn(self, turn_id: int) -> Turn | None:
        """Read one turn."""
        ...

    async def start_next(self, conversation_id: int) -> Turn | None:
        """Move the earliest queued turn, by platform time, to `running`. None when there is none."""
        ...

    async def take_over(self, conversation_id: int) -> Turn | None:
        """Count another attempt at the turn under way, if nobody else holds it. None otherwise.

        What this store itself holds is nobody else's: to be called where nothing of it runs here.
        """
        ...

    async def extend(self, turn: Turn) -> bool:
        """Hold a turn for another `LEASE`. False if it is not under way any more in this attempt."""
        ...

    async def hand_back(self) -> int:
        """End the leases of all that this store holds, and let others know. Returns how many."""
        ...

    async def load_waiting(self, platform: str) -> Sequence[int]:
        """Read the ids of conversations with an unfinished turn and none that somebody holds."""
        ...

    async def load(self, key: ThreadKey) -> Conversation:
        """Read what the question that runs now sends: nothing cleared, nothing failed, nothing queued.

        Raises KeyError when there is no such conversation.
        """
        ...

    async def save_reply(self, turn: Turn, text: str, model: str, usage: Usage) -> bool:
        """Move `running` to `delivering` and add the model's message to the conversation."""
        ...

    async def add_reply_message(self, turn: Turn, reply: ReplyMessage) -> bool:
        """Commit a platform message of the reply. The same part again replaces what was there.

        False if the turn was taken over.
        """
        ...

    async def load_reply_ids(self, conversation_id: int) -> frozenset[str]:
        """Read the ids of all platform messages that belong to a conversation's replies."""
        ...

    async def finish(self, turn: Turn) -> bool:
        """Move `delivering` to `done`."""
        ...

    async def fail(self, turn: Turn, reason: str) -> bool:
        """Move an unfinished turn to `failed`; its question stays, marked, and is not sent again.

        A turn that was `delivering` keeps its answer in the conversation.
        """
        ...

    async def cancel(self, turn: Turn, reason: str) -> bool:
        """Move an unfinished turn to `cancelled`; what it said stays, marked, and is not sent again."""
        ...

    async def reject(self, turn: Turn, reason: str) -> bool:
        """Move a queued or running turn to `rejected`: a limit refused it."""
        ...

    async def load_unfinished(self) -> Sequence[Turn]:
        """Read all turns that are queued, running or delivering, oldest first."""
        ...

    async def clear(self, key: ThreadKey, before: datetime) -> Sequence[int]:
        """Set the watermark: what was said until `before` is never sent again.

        Turns of that time that are unfinished become `cancelled`; their ids are returned.
        The chosen model and system prompt stay. A conversation that does not exist is left so.
        """
        ...

    async def set_model(self, key: ThreadKey, model: str | None) -> None:
        """Choose the model of a conversation, which need not exist yet. None is the default's."""
        ...

    async def set_system_prompt(self, key: ThreadKey, prompt: str | None) -> None:
        """Set the system prompt of a conversation, which need not exist yet. None is the default's."""
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

    async def load_history(self, key: ThreadKey, limit: int = 200) -> Sequence[StoredMessage]:
        """Read the newest messages of a conversation, oldest first, with those no longer sent.

        Questions still waiting stand last.
        """
        ...

    async def prune(self, untouched_since: datetime, limit: int) -> int:
        """Delete up to `limit` conversations last touched before, with all that is theirs.

        One with an unfinished turn stays. Returns how many went.
        """
        ...

    async def listen(self, on_word: Callable[[str], None]) -> None:
        """Hear what other processes announce, until cancelled; words may get lost.

        `waiting`: there may be something to start, and so after each (re)connection. `stopped N`:
        the turn with this id was cancelled.
        """
        ...

    async def run_alone(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do what only one process at a time may do, as soon as no other one does it.

        Where that is not sure any more (the connection is lost), the work is cancelled and begun
        anew once it is. Returns when the work does, and raises what it does.
        """
        ...

    async def aclose(self) -> None:
        """Close the store. It must not be used afterwards; a second call does nothing."""
        ...
