"""Conversations in a SQL database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.conversation import Conversation, ThreadKey
from core.store.base import ConversationInfo, StoredMessage
from core.store.database import Transaction
from core.store.rows import (
    parse_attachments,
    parse_conversation,
    parse_info,
    parse_stored_message,
    parse_time,
    render_key,
    render_text,
)
from core.store.sql.room import Room, in_transaction

_ANY_LENGTH = 2**62


class SqlConversations(Room):
    """Reads conversations, and does to them what people ask for."""

    async def find_model(self, key: ThreadKey) -> str | None:
        """Read which model people chose for a conversation."""
        row = await self.database.find("find_model", **render_key(key))
        return None if row is None else row["model"]

    async def find_beginning(self, key: ThreadKey) -> datetime | None:
        """Read when the first message of a conversation was sent."""
        row = await self.database.find("find_beginning", **render_key(key))
        return None if row is None else parse_time(row["began_at"])

    async def load(
        self, key: ThreadKey, max_chars: int | None = None, after: int = 0
    ) -> Conversation:
        """Read what the question that runs now sends, or the newest of it. Raises KeyError."""
        rows = await self.database.load(
            "load_conversation",
            **render_key(key),
            max_chars=_ANY_LENGTH if max_chars is None else max_chars,
            after=after,
        )
        if not rows:
            raise KeyError(str(key))
        return parse_conversation(key, rows)

    async def load_history(self, key: ThreadKey, limit: int = 200) -> Sequence[StoredMessage]:
        """Read the newest messages, oldest first, sent or not; questions that wait stand last."""
        rows = await self.database.load("load_history", **render_key(key), max_messages=limit)
        attachments = parse_attachments(
            await self.database.load("load_attachments", **render_key(key))
        )
        return [parse_stored_message(row, attachments) for row in reversed(rows)]

    async def find_conversation(self, key: ThreadKey) -> ConversationInfo | None:
        """Read a conversation without its messages."""
        row = await self.database.find("find_conversation", **render_key(key))
        return None if row is None else parse_info(row)

    async def load_recent(
        self,
        platform: str,
        workspace: str | None = None,
        channel: str | None = None,
        author_id: str | None = None,
        limit: int = 25,
    ) -> Sequence[ConversationInfo]:
        """Read conversations in which somebody, or the author, asked; the last used first."""
        rows = await self.database.load(
            "load_recent",
            platform=platform,
            workspace=workspace,
            channel=channel,
            author_id=author_id,
            max_conversations=limit,
        )
        return [parse_info(row) for row in rows]

    @in_transaction
    async def set_model(self, transaction: Transaction, key: ThreadKey, model: str | None) -> None:
        """Choose a conversation's model."""
        await transaction.find("set_model", **render_key(key), model=model, now=self._now())

    @in_transaction
    async def set_system_prompt(
        self, transaction: Transaction, key: ThreadKey, prompt: str | None
    ) -> None:
        """Set a conversation's system prompt."""
        await transaction.find(
            "set_system_prompt",
            **render_key(key),
            system_prompt=None if prompt is None else render_text(prompt),
            now=self._now(),
        )

    async def clear(self, key: ThreadKey, before: datetime) -> Sequence[int]:
        """Cancel what is unfinished until a time, and never send again what was said until then."""
        conversation = await self.database.find("find_conversation_id", **render_key(key))
        if conversation is None:
            return []
        return await self._clear(conversation["id"], before)

    @in_transaction
    async def _clear(
        self, transaction: Transaction, conversation_id: int, before: datetime
    ) -> Sequence[int]:
        await transaction.lock_conversation(conversation_id)
        cancelled = await transaction.load(
            "cancel_until",
            conversation_id=conversation_id,
            before=before,
            reason="cleared",
            now=self._now(),
        )
        cancelled.sort(key=lambda row: (row["sent_at"], row["id"]))
        turn_ids: list[int] = [row["id"] for row in cancelled]
        for turn_id in turn_ids:
            await transaction.load("mark_unsent", turn_id=turn_id)
            await transaction.announce(f"stopped {turn_id}")
        await transaction.find("raise_watermark", conversation_id=conversation_id, before=before)
        await transaction.load("drop_cleared_summary", conversation_id=conversation_id)
        await transaction.load("drop_cleared_pins", conversation_id=conversation_id, before=before)
        return turn_ids

    @in_transaction
    async def prune(self, transaction: Transaction, untouched_since: datetime, limit: int) -> int:
        """Delete up to `limit` conversations that nobody touched since, and that are not busy."""
        gone = await transaction.load(
            "prune", untouched_since=untouched_since, max_conversations=limit
        )
        await transaction.load("prune_files", untouched_since=untouched_since)
        return len(gone)
