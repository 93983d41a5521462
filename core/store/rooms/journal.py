"""The journal: each message that a platform handed over, and what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.conversation import Incoming, Turn, Usage


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a message handed to the store: its turn, and whether it is a new one."""

    turn: Turn
    is_new: bool


class Journal(Protocol):
    """Records messages, and moves their turns."""

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

    async def load_unfinished(self) -> Sequence[Turn]:
        """Read all turns that are queued, running or delivering, oldest first."""
        ...

    async def load_merged(self, turn: Turn) -> Sequence[Turn]:
        """Read the other turns that a turn's reply answers, by platform time."""
        ...

    async def start_next(
        self, conversation_id: int, *, is_merging: bool = False, is_admitted: bool = False
    ) -> Turn | None:
        """Move the earliest queued turn, by platform time, to `running`. None when there is none.

        With `is_merging` it is the latest one, whose reply answers all that are queued: the others
        are merged into it, and end with it. With `is_admitted` it is let in as it starts, since
        nothing is limited.
        """
        ...

    async def save_reply(self, turn: Turn, text: str, model: str, usage: Usage) -> bool:
        """Move `running` to `delivering` and add the model's message to the conversation."""
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
        """Move a queued or running turn to `rejected`: a limit refused it.

        Questions of the same person that were merged into it end with it; those of others wait again.
        """
        ...
