"""What turns took, and what people have used, in a SQL database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property

from core.conversation import ThreadKey, Turn, Usage
from core.quotas import (
    Limit,
    Period,
    Refusal,
    Scope,
    Used,
    find_begin,
    find_longest,
    find_refusal,
    to_nanos,
)
from core.store.database import Transaction
from core.store.rooms.accounts import Grouping, Totals, UsageLine, add_totals
from core.store.rows import Row, Value, parse_time
from core.store.sql.room import Room, in_transaction
from core.store.sql.sums import Reads, Sums

_NO_TURN = 0
_MAX_INT4 = 2**31 - 1
_MAX_INT8 = 2**63 - 1
_QUARTER = timedelta(minutes=15)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SqlAccounts(Room):
    """Lets turns in by what was used, keeps what they take, and sums it up."""

    @cached_property
    def _sums(self) -> Sums:
        return Sums()

    @in_transaction
    async def admit(
        self, transaction: Transaction, turn: Turn, limits: Sequence[Limit], zone: tzinfo
    ) -> Refusal | None:
        """Let a turn in, unless it is too many for a limit."""
        await transaction.lock_admissions()
        found = await transaction.find("find_admission", turn_id=turn.id, attempt=turn.attempts)
        if found is None or found["is_admitted"]:
            return None
        now = self._now()
        refusals: list[Refusal] = []
        # All measures of a period are summed up at once, since other turns wait meanwhile.
        sums: dict[tuple[Scope, Period], Used] = {}
        for limit in limits:
            rule = limit.rule
            used = sums.get((rule.scope, rule.period))
            if used is None:
                since = find_begin(rule.period, now, zone)
                used = await self._load_used_of(transaction, turn, limit, since, now)
                sums[rule.scope, rule.period] = used
            refusal = find_refusal(limit, used, now, zone)
            refusals += [refusal] if refusal else []
        if not refusals:
            await transaction.get("admit_turn", turn_id=turn.id, now=now)
        return find_longest(refusals)

    @in_transaction
    async def save_usage(
        self, transaction: Transaction, turn: Turn, model: str, usage: Usage
    ) -> bool:
        """Keep what a turn took."""
        values = render_usage(usage)
        saved = await transaction.find(
            "save_usage", turn_id=turn.id, attempt=turn.attempts, model=model, **values
        )
        return saved is not None

    async def load_used(
        self, scope: Scope, key: ThreadKey, author_id: str, since: datetime
    ) -> Used:
        """Sum up what was used since a time."""
        subject = _render_subject(scope, key, author_id)
        now = self._now()
        return await self._sums.load(self.database, scope, subject, since, now, _NO_TURN)

    async def _load_used_of(
        self, reads: Reads, turn: Turn, limit: Limit, since: datetime, now: datetime
    ) -> Used:
        scope = limit.rule.scope
        subject = _render_subject(scope, turn.key, turn.author.id)
        if limit.rule.period is not Period.MINUTE:
            return await self._sums.load(reads, scope, subject, since, now, turn.id)
        rows = await reads.load(
            f"load_times_{scope}",
            **subject,
            since=since,
            turn_id=turn.id,
            max_times=max(1, limit.amount),
        )
        return Used(messages=len(rows), times=tuple(parse_time(row["started_at"]) for row in rows))

    async def load_usage(
        self, by: Grouping, since: datetime, until: datetime, zone: tzinfo
    ) -> Sequence[UsageLine]:
        """Sum up what was used between two times."""
        rows = await self.database.load("report_usage", by=by.value, since=since, until=until)
        if by is Grouping.DAY:
            return _fold_days(rows, zone)
        return [_parse_line(row) for row in rows]


def render_usage(usage: Usage) -> dict[str, Value]:
    """Give the columns of what a turn took. Nonsense of a provider is cut down to what they hold."""
    return {
        "input_tokens": _cut(usage.input_tokens),
        "output_tokens": _cut(usage.output_tokens),
        "cached_tokens": _cut(usage.cached_tokens),
        "written_tokens": _cut(usage.written_tokens),
        "is_estimated": usage.is_estimated,
        "cost_nanos": None if usage.cost is None else min(to_nanos(usage.cost), _MAX_INT8),
        "first_text_ms": _to_ms(usage.to_first_text),
        "answer_ms": _to_ms(usage.in_all),
    }


def _cut(count: int | None) -> int | None:
    return None if count is None else max(0, min(count, _MAX_INT4))


def _to_ms(duration: timedelta | None) -> int | None:
    return None if duration is None else _cut(round(duration.total_seconds() * 1000))


def _render_subject(scope: Scope, key: ThreadKey, author_id: str) -> dict[str, Value]:
    match scope:
        case Scope.USER:
            return {"platform": key.platform, "author_id": author_id}
        case Scope.CHANNEL:
            return {
                "platform": key.platform,
                "workspace": key.workspace,
                "channel": key.channel,
            }
        case Scope.WORKSPACE:
            return {"platform": key.platform, "workspace": key.workspace}


def _parse_line(row: Row) -> UsageLine:
    return UsageLine(
        model=row["model"],
        platform=row["platform"],
        workspace=row["workspace"],
        channel=row["channel"],
        user_id=row["author_id"],
        user_name=row["author_name"] if row["author_id"] else "",
        totals=_parse_totals(row),
    )


def _parse_totals(row: Row) -> Totals:
    return Totals(**{field.name: row[field.name] for field in fields(Totals)})


def _fold_days(rows: Iterable[Row], zone: tzinfo) -> list[UsageLine]:
    days: dict[str, Totals] = {}
    for row in rows:
        begin = _EPOCH + row["quarter"] * _QUARTER
        day = begin.astimezone(zone).date().isoformat()
        days[day] = add_totals(days.get(day, Totals()), _parse_totals(row))
    return [UsageLine(day=day, totals=totals) for day, totals in sorted(days.items())]
