"""What processes that share a SQL database must know of each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from core.conversation import Turn
from core.store.database import RUNNER_LOCK, Transaction
from core.store.sql.room import END_OF_TIME, Room, in_transaction


class SqlTogether(Room):
    """Holds turns for this process, and hears what others do."""

    @property
    def is_shared(self) -> bool:
        """Whether several processes may run turns on it at once."""
        return self.database.is_shared

    @in_transaction
    async def take_over(self, transaction: Transaction, conversation_id: int) -> Turn | None:
        """Begin another attempt at the turn under way, if nobody else holds it."""
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

    @in_transaction
    async def _extend(self, transaction: Transaction, turn: Turn) -> bool:
        lease_until = await self._read_clock(transaction) + self._lease
        extended = await transaction.find(
            "extend", turn_id=turn.id, attempt=turn.attempts, lease_until=lease_until
        )
        return extended is not None

    @in_transaction
    async def hand_back(self, transaction: Transaction) -> int:
        """Let go of all that this store holds."""
        now = await self._read_clock(transaction)
        ended = await transaction.load("hand_back", holder=self.holder, now=now)
        if ended:
            await transaction.announce("waiting")
        return len(ended)

    async def free_the_deads(self) -> None:
        """End the leases and claims of those who died, where it is sure: by whoever is the only runner."""
        if self.database.is_shared:
            await self.database.write(
                lambda transaction: transaction.load("free_all_if_alone", key=RUNNER_LOCK)
            )
        else:
            await self.database.write(lambda transaction: transaction.load("free_claims"))

    async def load_waiting(self, platform: str) -> Sequence[int]:
        """Read which conversations wait for somebody to go on."""
        expired_at = END_OF_TIME
        if self.database.is_shared:
            clock = await self.database.find("read_clock")
            expired_at = clock["now"] if clock else self._now()
        rows = await self.database.load("load_waiting", platform=platform, expired_at=expired_at)
        return [row["conversation_id"] for row in rows]

    async def listen(self, on_word: Callable[[str], None]) -> None:
        """Hear what others announce, until cancelled."""
        await self.database.listen(on_word)

    async def run_alone(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do what only one process at a time may do."""
        await self.database.run_alone(name, work)
