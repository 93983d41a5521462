"""How much people may ask for: messages, tokens and money, by person, channel and workspace. Pure.

A minute slides; days and months are those of the calendar in the installation's time zone. Messages
are counted as they are let in, so that no period ever has one too many. What an answer takes is
known only afterwards: the one that crosses a limit of tokens or money is still given, the next is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum

from core.conversation import Author, ThreadKey
from core.limits.settings import LimitSettings

NANOS_PER_DOLLAR = 1_000_000_000
MINUTE = timedelta(minutes=1)
_NO_WORKSPACE = ("", "@me")
"""Direct messages of people who share nothing but the bot."""


class Scope(StrEnum):
    """Whose use is counted together."""

    USER = "user"
    CHANNEL = "channel"
    WORKSPACE = "workspace"


class Measure(StrEnum):
    """What is counted."""

    MESSAGES = "messages"
    TOKENS = "tokens"
    COST = "cost"


class Period(StrEnum):
    """Over what time."""

    MINUTE = "minute"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Rule:
    """What is limited: tokens per day, for instance."""

    scope: Scope
    measure: Measure
    period: Period

    def __str__(self) -> str:
        return f"{self.scope}_{self.measure}_per_{self.period}"


RULES = tuple(
    Rule(scope, measure, period)
    for scope in Scope
    for measure in Measure
    for period in Period
    if measure is Measure.MESSAGES or period is not Period.MINUTE
)


@dataclass(frozen=True, slots=True)
class Limit:
    """A rule and its amount: messages, tokens, or billionths of a US dollar."""

    rule: Rule
    amount: int


@dataclass(frozen=True, slots=True)
class Used:
    """What was used since a time. `times` are those of the newest messages, the newest first."""

    messages: int = 0
    tokens: int = 0
    cost_nanos: int = 0
    unknown_costs: int = 0
    """How many answers cost nobody knows how much: they are not in `cost_nanos`."""
    times: tuple[datetime, ...] = ()

    def get(self, measure: Measure) -> int:
        """Give one of the amounts."""
        match measure:
            case Measure.MESSAGES:
                return self.messages
            case Measure.TOKENS:
                return self.tokens
            case Measure.COST:
                return self.cost_nanos


@dataclass(frozen=True, slots=True)
class Left:
    """A limit, and how much of it is left."""

    limit: Limit
    amount: int


@dataclass(frozen=True, slots=True)
class Use:
    """What a person used, and what is left of the limits that hold for them."""

    today: Used
    month: Used
    left: tuple[Left, ...] = ()
    summaries: Used = Used()
    """What summaries of the conversation took, which counts for no person."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A limit that is reached, and until when; None is for good."""

    limit: Limit
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Quotas:
    """The limits of an installation. `own` ones, by scope and `platform:id`, win; None there is no limit."""

    defaults: Mapping[Rule, int] = field(default_factory=dict[Rule, int])
    own: Mapping[tuple[Scope, str], Mapping[Rule, int | None]] = field(
        default_factory=dict[tuple[Scope, str], Mapping[Rule, int | None]]
    )
    admins: frozenset[str] = frozenset()
    """People without limits, as `platform:id`."""
    zone: tzinfo = UTC

    @property
    def is_empty(self) -> bool:
        """Whether nothing is limited, for anybody."""
        return not self.defaults and not any(self.own.values())

    @property
    def limits_cost(self) -> bool:
        """Whether anything is limited by what it costs."""
        all_rules = (self.defaults, *self.own.values())
        return any(rule.measure is Measure.COST for rules in all_rules for rule in rules)

    def find_limits(self, key: ThreadKey, author: Author) -> tuple[Limit, ...]:
        """Say what limits a question of somebody in a place."""
        if f"{key.platform}:{author.id}" in self.admins:
            return ()
        names = {
            Scope.USER: f"{key.platform}:{author.id}",
            Scope.CHANNEL: f"{key.platform}:{key.channel}",
            Scope.WORKSPACE: f"{key.platform}:{key.workspace}",
        }
        if key.workspace in _NO_WORKSPACE:
            del names[Scope.WORKSPACE]
        found = ((rule, self._find_amount(rule, names)) for rule in RULES)
        return tuple(Limit(rule, amount) for rule, amount in found if amount is not None)

    def _find_amount(self, rule: Rule, names: Mapping[Scope, str]) -> int | None:
        if rule.scope not in names:
            return None
        own = self.own.get((rule.scope, names[rule.scope]), {})
        return own[rule] if rule in own else self.defaults.get(rule)


def load_quotas(settings: LimitSettings) -> Quotas:
    """Read the limits that the settings set."""
    given = ((rule, getattr(settings, f"limit_{rule}")) for rule in RULES)
    return Quotas(
        defaults={rule: to_amount(rule, value) for rule, value in given if value is not None},
        admins=frozenset(settings.admins),
        zone=settings.zone,
    )


def to_amount(rule: Rule, value: int | Decimal) -> int:
    """Give what an operator writes, money in US dollars, as a limit's amount."""
    return to_nanos(Decimal(value)) if rule.measure is Measure.COST else int(value)


def find_begin(period: Period, now: datetime, zone: tzinfo) -> datetime:
    """Say since when a period counts at a moment."""
    if period is Period.MINUTE:
        return now - MINUTE
    local = now.astimezone(zone)
    return _midnight(local.year, local.month, 1 if period is Period.MONTH else local.day, zone)


def find_end(period: Period, now: datetime, zone: tzinfo) -> datetime:
    """Say when the day or month that it is ends."""
    local = now.astimezone(zone)
    if period is Period.MONTH:
        is_december = local.month == 12
        return _midnight(local.year + is_december, local.month % 12 + 1, 1, zone)
    tomorrow = local.date() + timedelta(days=1)
    return _midnight(tomorrow.year, tomorrow.month, tomorrow.day, zone)


def _midnight(year: int, month: int, day: int, zone: tzinfo) -> datetime:
    """Give the moment a day begins: the first of two midnights, and the jump where there is none."""
    return datetime(year, month, day, tzinfo=zone, fold=0).astimezone(UTC)


def find_refusal(limit: Limit, used: Used, now: datetime, zone: tzinfo) -> Refusal | None:
    """Decide whether one more message is too many for a limit, given what was used in its period."""
    if limit.amount <= 0:
        return Refusal(limit, None)
    if limit.rule.period is Period.MINUTE:
        if len(used.times) < limit.amount:
            return None
        return Refusal(limit, used.times[limit.amount - 1] + MINUTE)
    if used.get(limit.rule.measure) < limit.amount:
        return None
    return Refusal(limit, find_end(limit.rule.period, now, zone))


def find_longest(refusals: Sequence[Refusal]) -> Refusal | None:
    """Give the refusal that lasts longest: before its end there is no going on."""
    end = datetime.max.replace(tzinfo=UTC)
    return max(refusals, key=lambda refusal: refusal.until or end, default=None)


def to_nanos(dollars: Decimal) -> int:
    """Give an amount of US dollars in whole billionths."""
    return int((dollars * NANOS_PER_DOLLAR).to_integral_value(ROUND_HALF_UP))


def from_nanos(nanos: int) -> Decimal:
    """Give billionths of a US dollar in dollars."""
    return Decimal(nanos).scaleb(-9)
