"""What was used since a time, summed up without reading the same turns again and again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from core.limits.quotas import Scope, Used
from core.store.rows import Row, Value

SETTLED = timedelta(minutes=30)
"""So long after a turn that is finished began, nothing that it took changes any more."""
_MAX_KNOWN = 10_000
_NO_END = datetime(9999, 12, 31, tzinfo=UTC)


class Reads(Protocol):
    """A transaction, or the database itself."""

    async def find(self, name: str, /, **values: Value) -> Row | None:
        """Read at most one row."""
        ...

    async def load(self, name: str, /, **values: Value) -> list[Row]:
        """Read any number of rows."""
        ...


@dataclass(frozen=True, slots=True)
class _Known:
    until: datetime
    used: Used


class Sums:
    """Sums of scopes since a time. What is settled is remembered, so that only the last hour is read."""

    def __init__(self) -> None:
        self._known: dict[tuple[Scope, tuple[Value, ...], datetime], _Known] = {}

    async def load(
        self,
        reads: Reads,
        scope: Scope,
        subject: Mapping[str, Value],
        since: datetime,
        now: datetime,
        turn_id: int,
    ) -> Used:
        """Sum up what was used since a time, but for one turn."""
        name = (scope, tuple(subject.values()), since)
        known = self._known.get(name, _Known(since, Used()))
        if known.until > max(since, now - SETTLED):  # by a clock that was set back since
            known = _Known(since, Used())
        if now - known.until > 2 * SETTLED:
            until = now - SETTLED
            more, unfinished = await _read(reads, scope, subject, known.until, until, turn_id)
            if not unfinished:
                known = self._known[name] = _Known(until, _add(known.used, more))
            if len(self._known) > _MAX_KNOWN:
                del self._known[next(iter(self._known))]
        rest, _ = await _read(reads, scope, subject, known.until, _NO_END, turn_id)
        return _add(known.used, rest)


async def _read(
    reads: Reads,
    scope: Scope,
    subject: Mapping[str, Value],
    since: datetime,
    until: datetime,
    turn_id: int,
) -> tuple[Used, int]:
    """Sum up, and count the turns in it that are still under way."""
    row = await reads.find(f"sum_{scope}", **subject, since=since, until=until, turn_id=turn_id)
    if row is None:
        return Used(), 0
    used = Used(row["messages"], row["tokens"], row["cost_nanos"], row["unknown_costs"])
    return used, row["unfinished"]


def _add(one: Used, other: Used) -> Used:
    return Used(
        one.messages + other.messages,
        one.tokens + other.tokens,
        one.cost_nanos + other.cost_nanos,
        one.unknown_costs + other.unknown_costs,
    )
