"""Summaries and pins in a SQL database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from core.conversation import Author, Message, ThreadKey
from core.store.database import Transaction
from core.store.rooms.memories import Memory, Pin, PlacePrompts, Scope, Summary
from core.store.rows import Row, parse_memory, parse_message, render_key, render_text
from core.store.sql.room import Room, in_transaction


class SqlMemories(Room):
    """Keeps what conversations have beside their messages."""

    async def load_memory(self, key: ThreadKey) -> Memory:
        """Read what a conversation has beside its messages."""
        return parse_memory(await self.database.load("load_memory", **render_key(key)))

    async def load_span(
        self, conversation_id: int, after: int, until: int, limit: int
    ) -> Sequence[Message]:
        """Read the oldest messages behind a position."""
        rows = await self.database.load(
            "load_span",
            conversation_id=conversation_id,
            after=after,
            until=until,
            max_messages=limit,
        )
        return [parse_message(row) for row in rows]

    @in_transaction
    async def claim_summary(
        self, transaction: Transaction, conversation_id: int, duration: timedelta
    ) -> bool:
        """Claim a summary that no other store has claimed."""
        now = await self._read_clock(transaction)
        claimed = await transaction.find(
            "claim_summary",
            conversation_id=conversation_id,
            holder=self.holder,
            now=now,
            claimed_until=now + duration,
        )
        return claimed is not None

    @in_transaction
    async def save_summary(
        self,
        transaction: Transaction,
        conversation_id: int,
        old: Summary | None,
        new: Summary,
    ) -> bool:
        """Put a longer summary in the old one's place."""
        await transaction.lock_conversation(conversation_id)
        extended = await transaction.find(
            "extend_summary",
            conversation_id=conversation_id,
            after_position=new.after,
            old_until=old.until if old else new.after,
            until_position=new.until,
            text=render_text(new.text),
            model=new.model,
            now=self._now(),
        )
        return extended is not None

    @in_transaction
    async def release_summary(self, transaction: Transaction, conversation_id: int) -> None:
        """Let others claim the summary."""
        await transaction.find(
            "release_summary", conversation_id=conversation_id, holder=self.holder
        )

    @in_transaction
    async def add_pin(
        self,
        transaction: Transaction,
        key: ThreadKey,
        text: str,
        author: Author | None,
        at: datetime,
        limit: int,
    ) -> int | None:
        """Pin a text, in a conversation that need not exist yet."""
        now = self._now()
        conversation = await transaction.get("touch_conversation", **render_key(key), now=now)
        text = render_text(text)
        pins = await self._lock_pins(transaction, conversation["id"])
        known = next((row["number"] for row in pins if row["text"] == text), None)
        if known is not None or len(pins) >= limit:
            return known
        row = await transaction.get(
            "add_pin",
            conversation_id=conversation["id"],
            number=pins[-1]["number"] + 1 if pins else 1,
            message_id=None,
            text=text,
            author_id=author.id if author else None,
            author_name=render_text(author.name) if author else None,
            now=at,
        )
        return row["number"]

    @in_transaction
    async def pin_message(
        self,
        transaction: Transaction,
        key: ThreadKey,
        message_id: str | None,
        at: datetime,
        limit: int,
    ) -> Pin | None:
        """Pin the message of a platform's id, or the newest one. Raises KeyError."""
        conversation = await transaction.find("find_conversation_id", **render_key(key))
        if conversation is None:
            raise KeyError(message_id)
        conversation_id = conversation["id"]
        pins = await self._lock_pins(transaction, conversation_id)
        found = await self._find_message(transaction, conversation_id, message_id)
        number = next((row["number"] for row in pins if row["message_id"] == found), None)
        if number is None:
            if len(pins) >= limit:
                return None
            number = pins[-1]["number"] + 1 if pins else 1
            await transaction.get(
                "add_pin",
                conversation_id=conversation_id,
                number=number,
                message_id=found,
                text=None,
                author_id=None,
                author_name=None,
                now=at,
            )
        memory = parse_memory(await transaction.load("load_memory", **render_key(key)))
        return next(pin for pin in memory.pins if pin.number == number)

    @in_transaction
    async def remove_pins(
        self, transaction: Transaction, key: ThreadKey, number: int | None = None
    ) -> int:
        """Remove a pin, or all."""
        conversation = await transaction.find("find_conversation_id", **render_key(key))
        if conversation is None:
            return 0
        removed = await transaction.load(
            "remove_pins", conversation_id=conversation["id"], number=number
        )
        return len(removed)

    async def load_place_prompts(self, key: ThreadKey) -> PlacePrompts:
        """Read how the bot is told to behave where a conversation is."""
        workspace, channel = _name_place(key, "workspace"), _name_place(key, "channel")
        rows = await self.database.load("load_place_prompts", workspace=workspace, channel=channel)
        found: dict[str, str] = {row["place"]: row["prompt"] for row in rows}
        return PlacePrompts(found.get(workspace, ""), found.get(channel, ""))

    @in_transaction
    async def set_place_prompt(
        self, transaction: Transaction, key: ThreadKey, scope: Scope, prompt: str | None
    ) -> None:
        """Say how the bot is to behave in a conversation's workspace or channel."""
        place = _name_place(key, scope)
        if prompt is None:
            await transaction.find("drop_place_prompt", place=place)
        else:
            text = render_text(prompt)
            await transaction.find("put_place_prompt", place=place, prompt=text, now=self._now())

    async def _lock_pins(self, transaction: Transaction, conversation_id: int) -> Sequence[Row]:
        await transaction.lock_conversation(conversation_id)
        return await transaction.load("load_pins", conversation_id=conversation_id)

    async def _find_message(
        self, transaction: Transaction, conversation_id: int, message_id: str | None
    ) -> int:
        if message_id is None:
            row = await transaction.find("find_newest_message", conversation_id=conversation_id)
        else:
            row = await transaction.find(
                "find_message", conversation_id=conversation_id, message_id=message_id
            )
        if row is None:
            raise KeyError(message_id)
        return row["id"]


def _name_place(key: ThreadKey, scope: Scope) -> str:
    parts = (key.platform, key.workspace, key.channel)
    return "/".join(parts if scope == "channel" else parts[:2])
