"""What turns took, and what people have used, in a SQL database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property

from core.conversation import Author, ThreadKey, Turn, Usage
from core.limits.quotas import (
    MINUTE,
    Limit,
    Period,
    Refusal,
    Scope,
    Used,
    find_begin,
    find_longest,
    find_refusal,
    from_nanos,
    to_nanos,
)
from core.store.database import Transaction
from core.store.rooms.accounts import Expense, Grouping, Kind, Totals, UsageLine, add_totals
from core.store.rows import Row, Value, parse_time, render_key, render_text
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

    @in_transaction
    async def add_expenses(
        self, transaction: Transaction, conversation_id: int, expenses: Sequence[Expense]
    ) -> None:
        """Keep what was paid for beside answers."""
        await transaction.lock_conversation(conversation_id)
        for expense in expenses:
            values = render_usage(expense.usage)
            del values["first_text_ms"], values["answer_ms"]
            author = expense.author or Author("")
            await transaction.find(
                "add_expense",
                conversation_id=conversation_id,
                purpose=expense.purpose,
                model=expense.model,
                author_id=author.id,
                author_name=render_text(author.name),
                now=self._now(),
                **values,
            )

    async def load_expenses(self, key: ThreadKey) -> Sequence[Expense]:
        """Read what was paid for in a conversation beside its answers."""
        conversation = await self.database.find("find_conversation_id", **render_key(key))
        if conversation is None:
            return []
        rows = await self.database.load("load_expenses", conversation_id=conversation["id"])
        return [_parse_expense(row) for row in rows]

    async def load_token_ratios(self) -> Mapping[str, float]:
        """Read what was learned of how models count."""
        rows = await self.database.load("load_token_ratios")
        return {row["model"]: row["ratio_milli"] / 1000 for row in rows}

    @in_transaction
    async def save_token_ratios(
        self, transaction: Transaction, ratios: Mapping[str, float]
    ) -> None:
        """Keep what was learned of how models count."""
        now = self._now()
        for model, ratio in sorted(ratios.items()):
            values = {"model": render_text(model), "ratio_milli": round(ratio * 1000)}
            await transaction.find("put_token_ratio", **values, now=now)

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
            until=now + MINUTE,  # a clock that was set back must not hold up anybody for longer
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


def _parse_expense(row: Row) -> Expense:
    cost = row["cost_nanos"]
    usage = Usage(
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        cached_tokens=row["cached_tokens"],
        written_tokens=row["written_tokens"],
        is_estimated=bool(row["is_estimated"]),
        cost=None if cost is None else from_nanos(cost),
    )
    author = Author(row["author_id"], row["author_name"]) if row["author_id"] else None
    return Expense(row["purpose"], row["model"], usage, author)


def _parse_line(row: Row) -> UsageLine:
    return UsageLine(
        kind=row["kind"],
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
    days: dict[tuple[str, Kind], Totals] = {}
    for row in rows:
        begin = _EPOCH + row["quarter"] * _QUARTER
        line = begin.astimezone(zone).date().isoformat(), row["kind"]
        days[line] = add_totals(days.get(line, Totals()), _parse_totals(row))
    return [UsageLine(kind, day, totals=totals) for (day, kind), totals in _sort(days)]


def _sort(days: Mapping[tuple[str, Kind], Totals]) -> list[tuple[tuple[str, Kind], Totals]]:
    """Put answers before summaries and further attempts, of each day."""
    return sorted(days.items(), key=lambda item: (item[0][0], item[0][1] != "answer", item[0][1]))
