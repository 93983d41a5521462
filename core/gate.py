"""What stands between a question and its model: people's limits, the queue, and the meter."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from core.conversation import Author, ThreadKey, Turn
from core.limits.quota_words import render_refusal
from core.limits.quotas import Left, Period, Quotas, Scope, Use, Used, find_begin, to_nanos
from core.meter import Meter
from core.prices import Prices
from core.providers.base import Asker, ModelRef, Request
from core.store.base import Store

log = logging.getLogger("skein.limits")

QUEUE_NOTICE_AFTER = timedelta(seconds=5)


class Gate:
    """Lets questions in, and measures what they take. `get_quotas` gives the limits as they are now.

    It asks the store, so that all processes heed the limits together.
    """

    def __init__(
        self,
        store: Store,
        prices: Prices | None = None,
        get_quotas: Callable[[], Quotas] = Quotas,
        notice_after: timedelta = QUEUE_NOTICE_AFTER,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.notice_after = notice_after
        """How long one waits for a provider's limits without a word."""
        self._store = store
        self._prices = prices or Prices()
        self._get_quotas = get_quotas
        self._now = now

    @property
    def is_open(self) -> bool:
        """Whether all are let in, since nothing is limited for anybody."""
        return self._get_quotas().is_empty

    async def find_refusal(self, turn: Turn) -> str | None:
        """Let a turn in that is under way, or say in words for people why not. Raises StoreError."""
        quotas = self._get_quotas()
        limits = quotas.find_limits(turn.key, turn.author)
        if not limits and self.is_open:  # it was let in as it started
            return None
        refusal = await self._store.admit(turn, limits, quotas.zone)
        if refusal is None:
            return None
        log.info("turn %d (%s): refused by %s", turn.id, turn.key, refusal.limit.rule)
        return render_refusal(refusal, turn.key.platform, self._now(), quotas.zone)

    async def load_use(self, key: ThreadKey, author: Author) -> Use:
        """Sum up what somebody used, and what is left of the limits that hold for them in a place."""
        quotas, now = self._get_quotas(), self._now()
        today, month = [
            await self._load_used(Scope.USER, key, author, find_begin(period, now, quotas.zone))
            for period in (Period.DAY, Period.MONTH)
        ]
        left = await self._load_left(quotas, key, author, now)
        return Use(today, month, left, await self._load_summaries(key))

    async def _load_summaries(self, key: ThreadKey) -> Used:
        expenses = await self._store.load_expenses(key)
        usages = [expense.usage for expense in expenses if expense.purpose == "summary"]
        costs = [usage.cost for usage in usages if usage.cost is not None]
        return Used(
            tokens=sum((usage.input_tokens or 0) + (usage.output_tokens or 0) for usage in usages),
            cost_nanos=sum(map(to_nanos, costs)),
            unknown_costs=len(usages) - len(costs),
        )

    async def _load_left(
        self, quotas: Quotas, key: ThreadKey, author: Author, now: datetime
    ) -> tuple[Left, ...]:
        left: list[Left] = []
        for limit in quotas.find_limits(key, author):
            rule = limit.rule
            since = find_begin(rule.period, now, quotas.zone)
            used = await self._load_used(rule.scope, key, author, since)
            left.append(Left(limit, max(0, limit.amount - used.get(rule.measure))))
        return tuple(left)

    async def _load_used(
        self, scope: Scope, key: ThreadKey, author: Author, since: datetime
    ) -> Used:
        return await self._store.load_used(scope, key, author.id, since)

    def measure(self, ref: ModelRef, request: Request) -> Meter:
        """Begin to measure an answer."""
        return Meter(ref, request, self._prices)


def name_asker(turn: Turn, on_place: Callable[[int | None], None], meter: Meter) -> Asker:
    """Say for whom a turn's requests are made."""
    key = turn.key
    return Asker(
        person=f"{key.platform}/{turn.author.id}",
        channel=f"{key.platform}/{key.workspace}/{key.channel}",
        on_place=on_place,
        on_attempt=meter.note_attempt,
    )
