"""What the rooms of a SqlStore have in common: the database, the clock, and transactions."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from types import CoroutineType
from typing import Any, Concatenate, ParamSpec, TypeVar

from core.conversation import Turn
from core.store.base import LEASE
from core.store.database import Database, Transaction
from core.store.rows import parse_turns

END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)
T = TypeVar("T")
P = ParamSpec("P")


def utc_now() -> datetime:
    """Read the clock."""
    return datetime.now(UTC)


class Room:
    """A part of the store over a SQL database; SqlStore is all of them in one."""

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

    async def _read_clock(self, transaction: Transaction) -> datetime:
        """Read the clock by which leases run."""
        return await transaction.read_clock() or self._now()

    async def _get_written(self, transaction: Transaction, turn_id: int) -> Turn:
        """Read a turn as this transaction leaves it."""
        rows = await transaction.load("load_turn", turn_id=turn_id)
        return parse_turns(rows)[0]


R = TypeVar("R", bound=Room)


def in_transaction(
    method: Callable[Concatenate[R, Transaction, P], Awaitable[T]],
) -> Callable[Concatenate[R, P], CoroutineType[Any, Any, T]]:
    """Run a room's method as one transaction, whole or not at all; see Database.write."""

    @functools.wraps(method)
    async def run(self: R, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.database.write(lambda opened: method(self, opened, *args, **kwargs))

    return run
