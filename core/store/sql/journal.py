"""The journal in a SQL database."""

from __future__ import annotations

from collections.abc import Sequence

from core.conversation import Incoming, Turn, TurnState, Usage
from core.store.base import Recorded
from core.store.database import Transaction
from core.store.rows import (
    parse_turns,
    render_attachments,
    render_key,
    render_message_key,
    render_text,
)
from core.store.sql.accounts import render_usage
from core.store.sql.room import Room, in_transaction


class SqlJournal(Room):
    """Records messages, and moves their turns."""

    async def record(self, incoming: Incoming) -> Recorded:
        """Commit a message with its queued turn, or give the turn that it already has."""
        # Platforms hand over most mentions twice: the second one is answered without a write.
        known = await self._load_turn_of_message(incoming)
        if not known:
            turn = await self._record(incoming)
            if turn is not None:
                return Recorded(turn, is_new=True)
            # Somebody else recorded it in between.
            known = await self._load_turn_of_message(incoming)
        return Recorded(known[0], is_new=False)

    @in_transaction
    async def _record(self, transaction: Transaction, incoming: Incoming) -> Turn | None:
        turn_id = await self._journal(transaction, incoming, TurnState.QUEUED)
        if turn_id is None:
            return None
        await transaction.get(
            "add_question",
            turn_id=turn_id,
            text=render_text(incoming.text),
        )
        if incoming.attachments:
            rows = render_attachments(turn_id, incoming.attachments)
            await transaction.run_many("insert_attachment", rows)
        return await self._get_written(transaction, turn_id)

    async def is_recorded(self, incoming: Incoming) -> bool:
        """Tell whether a message has a turn."""
        return bool(await self._load_turn_of_message(incoming))

    @in_transaction
    async def record_command(self, transaction: Transaction, incoming: Incoming) -> bool:
        """Commit that a message was a command, as a turn that is done."""
        return await self._journal(transaction, incoming, TurnState.DONE) is not None

    async def _journal(
        self, transaction: Transaction, incoming: Incoming, state: TurnState
    ) -> int | None:
        """Insert a turn, with its conversation if need be. None if its message was there before."""
        now = self._now()
        conversation = await transaction.get(
            "touch_conversation", **render_key(incoming.key), now=now
        )
        turn = await transaction.find(
            "insert_turn",
            conversation_id=conversation["id"],
            **render_message_key(incoming),
            author_id=incoming.author.id,
            author_name=render_text(incoming.author.name),
            state=state,
            sent_at=incoming.sent_at,
            received_at=now,
            finished_at=now if state.is_final else None,
        )
        return None if turn is None else turn["id"]

    async def _load_turn_of_message(self, incoming: Incoming) -> list[Turn]:
        rows = await self.database.load("load_turn_of_message", **render_message_key(incoming))
        return parse_turns(rows)

    async def find_turn(self, turn_id: int) -> Turn | None:
        """Read one turn."""
        rows = await self.database.load("load_turn", turn_id=turn_id)
        return next(iter(parse_turns(rows)), None)

    async def load_unfinished(self) -> Sequence[Turn]:
        """Read all turns that are not in a final state, oldest first."""
        return parse_turns(await self.database.load("load_unfinished"))

    async def load_merged(self, turn: Turn) -> Sequence[Turn]:
        """Read the turns that were merged into one."""
        return parse_turns(await self.database.load("load_merged", turn_id=turn.id))

    @in_transaction
    async def start_next(
        self,
        transaction: Transaction,
        conversation_id: int,
        *,
        is_merging: bool = False,
        is_admitted: bool = False,
    ) -> Turn | None:
        """Start a queued turn, unless one is under way; the questions it answers take their places."""
        await transaction.lock_conversation(conversation_id)
        rows = await transaction.load("load_queued", conversation_id=conversation_id)
        queued: list[int] = [row["id"] for row in rows]
        if not queued:
            return None
        turn_id = queued[-1] if is_merging else queued[0]
        started = await transaction.find(
            "start",
            turn_id=turn_id,
            now=self._now(),
            holder=self.holder,
            lease_until=await self._read_clock(transaction) + self._lease,
            is_admitted=is_admitted,
        )
        if started is None:
            return None
        merged: set[int] = {turn_id}
        if is_merging:
            rows = await transaction.load("merge", conversation_id=conversation_id, turn_id=turn_id)
            merged.update(row["id"] for row in rows)
        for each in filter(merged.__contains__, queued):
            await transaction.find("place_question", turn_id=each)
        return await self._get_written(transaction, turn_id)

    @in_transaction
    async def save_reply(
        self, transaction: Transaction, turn: Turn, text: str, model: str, usage: Usage
    ) -> bool:
        """Move `running` to `delivering` with the answer."""
        await transaction.lock_conversation_of(turn.id)
        values = render_usage(usage)
        moved = await transaction.find(
            "deliver",
            turn_id=turn.id,
            attempt=turn.attempts,
            model=model,
            **values,
        )
        if moved is None:
            return False
        conversation_id, now = moved["conversation_id"], self._now()
        await transaction.find(
            "add_answer",
            conversation_id=conversation_id,
            turn_id=turn.id,
            text=render_text(text),
            model=model,
            tokens=values["output_tokens"],
            now=now,
        )
        await transaction.find("touch_conversation_by_id", conversation_id=conversation_id, now=now)
        return True

    @in_transaction
    async def finish(self, transaction: Transaction, turn: Turn) -> bool:
        """Move `delivering` to `done`."""
        await transaction.lock_conversation_of(turn.id)
        finished = await transaction.load(
            "finish", turn_id=turn.id, attempt=turn.attempts, now=self._now()
        )
        return bool(finished)

    @in_transaction
    async def fail(self, transaction: Transaction, turn: Turn, reason: str) -> bool:
        """Fail a turn; without an answer its question is not sent again."""
        ended = await self._end(transaction, "fail", turn, reason)
        for turn_id in ended:
            await transaction.load("mark_unanswered", turn_id=turn_id, answered_by=turn.id)
        return bool(ended)

    @in_transaction
    async def cancel(self, transaction: Transaction, turn: Turn, reason: str) -> bool:
        """Cancel a turn; neither its question nor its answer is sent again."""
        return await self._end_unsent(transaction, "cancel", turn, reason)

    @in_transaction
    async def reject(self, transaction: Transaction, turn: Turn, reason: str) -> bool:
        """Reject a turn that has no answer yet; what others asked, and was merged into it, waits again."""
        await transaction.lock_conversation_of(turn.id)
        freed = await transaction.load("free_merged", turn_id=turn.id, attempt=turn.attempts)
        for row in freed:
            await transaction.find("unplace_question", turn_id=row["id"])
        return await self._end_unsent(transaction, "reject", turn, reason)

    async def _end_unsent(
        self, transaction: Transaction, move: str, turn: Turn, reason: str
    ) -> bool:
        ended = await self._end(transaction, move, turn, reason)
        for turn_id in ended:
            await transaction.load("mark_unsent", turn_id=turn_id)
        return bool(ended)

    async def _end(
        self, transaction: Transaction, move: str, turn: Turn, reason: str
    ) -> Sequence[int]:
        """End a turn with what was merged into it, and give their ids by platform time."""
        await transaction.lock_conversation_of(turn.id)
        ended = await transaction.load(
            move,
            turn_id=turn.id,
            attempt=turn.attempts,
            reason=render_text(reason),
            now=self._now(),
        )
        ended.sort(key=lambda row: (row["sent_at"], row["id"]))
        return [row["id"] for row in ended]
