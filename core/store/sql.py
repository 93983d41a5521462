"""The store over a SQL database. The SQL stands in queries/ and migrations/."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from types import CoroutineType
from typing import Any, Concatenate, ParamSpec, TypeVar

from core.conversation import (
    Conversation,
    Incoming,
    ReplyMessage,
    ThreadKey,
    Turn,
    TurnState,
    Usage,
)
from core.store.base import LEASE, ConversationInfo, Recorded, StoredMessage
from core.store.database import RUNNER_LOCK, Database, Transaction
from core.store.rows import (
    parse_conversation,
    parse_info,
    parse_stored_message,
    parse_turns,
    render_key,
    render_message_key,
    render_text,
)

END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)
T = TypeVar("T")
P = ParamSpec("P")


def utc_now() -> datetime:
    """Read the clock."""
    return datetime.now(UTC)


def _transaction(
    method: Callable[Concatenate[SqlStore, Transaction, P], Awaitable[T]],
) -> Callable[Concatenate[SqlStore, P], CoroutineType[Any, Any, T]]:
    """Run a method as one transaction, whole or not at all; see Database.write."""

    @functools.wraps(method)
    async def run(self: SqlStore, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.database.write(
            lambda transaction: method(self, transaction, *args, **kwargs)
        )

    return run


class SqlStore:
    """The store over a SQL database. `open_sqlite` and `open_postgres` make one.

    Where a transaction moves several rows of a conversation, it first locks the conversation: such
    transactions follow one another, in whatever process they run.
    """

    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime] = utc_now,
        lease: timedelta = LEASE,
    ) -> None:
        self.database = database
        self.holder = uuid.uuid4().hex
        self._now = now
        self._lease = lease

    @property
    def is_shared(self) -> bool:
        """Whether several processes may run turns on it at once."""
        return self.database.is_shared

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

    @_transaction
    async def _record(self, transaction: Transaction, incoming: Incoming) -> Turn | None:
        turn_id = await self._journal(transaction, incoming, TurnState.QUEUED)
        if turn_id is None:
            return None
        await transaction.get(
            "add_question",
            turn_id=turn_id,
            text=render_text(incoming.text),
        )
        return await self._get_written(transaction, turn_id)

    async def is_recorded(self, incoming: Incoming) -> bool:
        """Tell whether a message has a turn."""
        return bool(await self._load_turn_of_message(incoming))

    @_transaction
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

    @_transaction
    async def start_next(self, transaction: Transaction, conversation_id: int) -> Turn | None:
        """Start the earliest queued turn, unless one is under way; its question takes its place."""
        await transaction.lock_conversation(conversation_id)
        started = await transaction.find(
            "start_next",
            conversation_id=conversation_id,
            now=self._now(),
            holder=self.holder,
            lease_until=await self._read_clock(transaction) + self._lease,
        )
        if started is None:
            return None
        await transaction.find("place_question", turn_id=started["id"])
        return await self._get_written(transaction, started["id"])

    @_transaction
    async def take_over(self, transaction: Transaction, conversation_id: int) -> Turn | None:
        """Count another attempt at the turn under way, if nobody else holds it."""
        await transaction.lock_conversation(conversation_id)
        now = await self._read_clock(transaction)
        taken = await transaction.find(
            "take_over",
            conversation_id=conversation_id,
            holder=self.holder,
            expired_at=now if self.database.is_shared else END_OF_TIME,
            lease_until=now + self._lease,
        )
        return None if taken is None else await self._get_written(transaction, taken["id"])

    async def extend(self, turn: Turn) -> bool:
        """Hold a turn for another lease; where there is only one process, see that it still does."""
        if self.database.is_shared:
            return await self._extend(turn)
        row = await self.database.find("find_under_way", turn_id=turn.id, attempt=turn.attempts)
        return row is not None

    @_transaction
    async def _extend(self, transaction: Transaction, turn: Turn) -> bool:
        lease_until = await self._read_clock(transaction) + self._lease
        extended = await transaction.find(
            "extend", turn_id=turn.id, attempt=turn.attempts, lease_until=lease_until
        )
        return extended is not None

    @_transaction
    async def hand_back(self, transaction: Transaction) -> int:
        """End the leases of all that this store holds."""
        now = await self._read_clock(transaction)
        ended = await transaction.load("hand_back", holder=self.holder, now=now)
        if ended:
            await transaction.announce("waiting")
        return len(ended)

    async def free_the_deads(self) -> None:
        """End the leases of those who died, where it is sure: by whoever is the only runner."""
        if self.database.is_shared:
            await self.database.write(
                lambda transaction: transaction.load("free_all_if_alone", key=RUNNER_LOCK)
            )

    async def load_waiting(self, platform: str) -> Sequence[int]:
        """Read which conversations wait for somebody to go on."""
        expired_at = END_OF_TIME
        if self.database.is_shared:
            clock = await self.database.find("read_clock")
            expired_at = clock["now"] if clock else self._now()
        rows = await self.database.load("load_waiting", platform=platform, expired_at=expired_at)
        return [row["conversation_id"] for row in rows]

    async def _read_clock(self, transaction: Transaction) -> datetime:
        return await transaction.read_clock() or self._now()

    async def _get_written(self, transaction: Transaction, turn_id: int) -> Turn:
        rows = await transaction.load("load_turn", turn_id=turn_id)
        return parse_turns(rows)[0]

    async def load(self, key: ThreadKey) -> Conversation:
        """Read what the question that runs now sends. Raises KeyError."""
        rows = await self.database.load("load_conversation", **render_key(key))
        if not rows:
            raise KeyError(str(key))
        return parse_conversation(key, rows)

    @_transaction
    async def save_reply(
        self, transaction: Transaction, turn: Turn, text: str, model: str, usage: Usage
    ) -> bool:
        """Move `running` to `delivering` with the answer."""
        await transaction.lock_conversation_of(turn.id)
        moved = await transaction.find(
            "deliver",
            turn_id=turn.id,
            attempt=turn.attempts,
            model=model,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cached_tokens,
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
            tokens=usage.output_tokens,
            now=now,
        )
        await transaction.find("touch_conversation_by_id", conversation_id=conversation_id, now=now)
        return True

    @_transaction
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
        return put is not None

    async def load_reply_ids(self, conversation_id: int) -> frozenset[str]:
        """Read the ids of the messages of all replies in a conversation."""
        rows = await self.database.load("load_reply_ids", conversation_id=conversation_id)
        return frozenset(str(row["message_id"]) for row in rows)

    @_transaction
    async def finish(self, transaction: Transaction, turn: Turn) -> bool:
        """Move `delivering` to `done`."""
        finished = await transaction.find(
            "finish", turn_id=turn.id, attempt=turn.attempts, now=self._now()
        )
        return finished is not None

    @_transaction
    async def fail(self, transaction: Transaction, turn: Turn, reason: str) -> bool:
        """Fail a turn; without an answer its question is not sent again."""
        return await self._end(transaction, "fail", turn, reason, mark="mark_unanswered")

    @_transaction
    async def cancel(self, transaction: Transaction, turn: Turn, reason: str) -> bool:
        """Cancel a turn; neither its question nor its answer is sent again."""
        return await self._end(transaction, "cancel", turn, reason, mark="mark_unsent")

    @_transaction
    async def reject(self, transaction: Transaction, turn: Turn, reason: str) -> bool:
        """Reject a turn that has no answer yet; its question is not sent again."""
        return await self._end(transaction, "reject", turn, reason, mark="mark_unsent")

    async def _end(
        self, transaction: Transaction, move: str, turn: Turn, reason: str, mark: str
    ) -> bool:
        await transaction.lock_conversation_of(turn.id)
        ended = await transaction.find(
            move,
            turn_id=turn.id,
            attempt=turn.attempts,
            reason=render_text(reason),
            now=self._now(),
        )
        if ended is None:
            return False
        await transaction.load(mark, turn_id=turn.id)
        return True

    async def load_unfinished(self) -> Sequence[Turn]:
        """Read all turns that are not in a final state, oldest first."""
        return parse_turns(await self.database.load("load_unfinished"))

    async def clear(self, key: ThreadKey, before: datetime) -> Sequence[int]:
        """Cancel what is unfinished until a time, and never send again what was said until then."""
        conversation = await self.database.find("find_conversation_id", **render_key(key))
        if conversation is None:
            return []
        return await self._clear(conversation["id"], before)

    @_transaction
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
        return turn_ids

    @_transaction
    async def set_model(self, transaction: Transaction, key: ThreadKey, model: str | None) -> None:
        """Choose a conversation's model."""
        await transaction.find("set_model", **render_key(key), model=model, now=self._now())

    @_transaction
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

    async def load_history(self, key: ThreadKey, limit: int = 200) -> Sequence[StoredMessage]:
        """Read the newest messages, oldest first, sent or not; questions that wait stand last."""
        rows = await self.database.load("load_history", **render_key(key), max_messages=limit)
        return [parse_stored_message(row) for row in reversed(rows)]

    @_transaction
    async def prune(self, transaction: Transaction, untouched_since: datetime, limit: int) -> int:
        """Delete up to `limit` conversations that nobody touched since, and that are not busy."""
        gone = await transaction.load(
            "prune", untouched_since=untouched_since, max_conversations=limit
        )
        return len(gone)

    async def listen(self, on_word: Callable[[str], None]) -> None:
        """Hear what others announce, until cancelled."""
        await self.database.listen(on_word)

    async def run_alone(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do what only one process at a time may do."""
        await self.database.run_alone(name, work)

    async def aclose(self) -> None:
        """Close the database, after the writes under way."""
        await self.database.aclose()
