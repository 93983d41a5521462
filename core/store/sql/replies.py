"""The messages of replies in a SQL database."""

from __future__ import annotations

from core.conversation import ReplyMessage, Turn
from core.store.database import Transaction
from core.store.sql.room import Room, in_transaction


class SqlReplies(Room):
    """Keeps the ids of a reply's messages."""

    @in_transaction
    async def add_reply_message(
        self, transaction: Transaction, turn: Turn, reply: ReplyMessage
    ) -> bool:
        """Remember a message of the reply, unless the turn was taken over."""
        # Who takes over has read all messages of the reply: none may come in behind.
        await transaction.lock_conversation_of(turn.id)
        put = await transaction.find(
            "put_reply",
            turn_id=turn.id,
            attempt=turn.attempts,
            part=reply.part,
            message_id=reply.message_id,
            kind=reply.kind,
        )
        if put is None:
            return False
        await transaction.load(
            "drop_other_parts", turn_id=turn.id, part=reply.part, message_id=reply.message_id
        )
        return True

    @in_transaction
    async def remove_reply_message(
        self, transaction: Transaction, turn: Turn, reply: ReplyMessage
    ) -> bool:
        """Forget a message of the reply, unless the turn was taken over."""
        await transaction.lock_conversation_of(turn.id)
        if await transaction.find("find_attempt", turn_id=turn.id, attempt=turn.attempts) is None:
            return False
        await transaction.load("drop_reply", turn_id=turn.id, message_id=reply.message_id)
        return True

    async def load_reply_ids(self, conversation_id: int) -> frozenset[str]:
        """Read the ids of the messages of all replies in a conversation."""
        rows = await self.database.load("load_reply_ids", conversation_id=conversation_id)
        return frozenset(str(row["message_id"]) for row in rows)
