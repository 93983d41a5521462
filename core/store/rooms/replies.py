"""The messages on the platform that show a turn's reply."""

from __future__ import annotations

from typing import Protocol

from core.conversation import ReplyMessage, Turn


class Replies(Protocol):
    """Keeps the ids of a reply's messages as they come into being."""

    async def add_reply_message(self, turn: Turn, reply: ReplyMessage) -> bool:
        """Commit a platform message of the reply. The same part again replaces what was there.

        A message that was there as another part moves. False if the turn was taken over.
        """
        ...

    async def remove_reply_message(self, turn: Turn, reply: ReplyMessage) -> bool:
        """Commit that a message is no part of the reply any more. False if the turn was taken over."""
        ...

    async def load_reply_ids(self, conversation_id: int) -> frozenset[str]:
        """Read the ids of all platform messages that belong to a conversation's replies."""
        ...
