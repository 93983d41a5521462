"""What people are told of their limits. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from core.limits.quotas import Left, Limit, Measure, Period, Refusal, Scope, Use, Used, from_nanos
from core.words import find_words

_LEAST_TOLD_NANOS = 100_000
_TO_THE_CENT_NANOS = 999_950_000
"""From here on, four places would round to a dollar."""
_WHEN = {Period.DAY: "for today", Period.MONTH: "for this month"}


def render_refusal(refusal: Refusal, platform: str, now: datetime, zone: tzinfo) -> str:
    """Say what is used up and when it goes on, in one or two sentences."""
    limit = refusal.limit
    if refusal.until is None:
        return "Questions are not allowed here: the person who runs me set a limit of 0."
    place, amount = _find_place(limit.rule.scope, platform), render_amount(limit)
    if limit.rule.period is Period.MINUTE:
        whose = f"{place}'s" if place else "Your"
        told = f"{whose} limit is {amount} a minute."
    else:
        used = f"{place} has used its" if place else "You have used your"
        told = f"{used} {amount} {_WHEN[limit.rule.period]}."
    return f"{told} You can go on {_render_moment(refusal.until, limit.rule.period, now, zone)}."


def render_use(use: Use, platform: str) -> str:
    """Word a person's own use, and what is left of their limits, in Markdown."""
    lines = [
        f"- Today you used {_render_used(use.today)}",
        f"- This month you used {_render_used(use.month)}",
    ]
    if use.summaries != Used():
        tokens = render_measure(Measure.TOKENS, use.summaries.tokens)
        lines.append(
            f"- Summaries of this conversation took {tokens}, {render_cost(use.summaries)}, which is not "
            "counted as yours"
        )
    limits = [_render_left(left, platform) for left in use.left] or [
        "- No limits hold for you here"
    ]
    return "\n".join((*lines, *limits))


def _render_used(used: Used) -> str:
    messages = render_measure(Measure.MESSAGES, used.messages)
    tokens = render_measure(Measure.TOKENS, used.tokens)
    return f"{messages}, {tokens}, {render_cost(used)}"


def render_cost(used: Used) -> str:
    """Word what answers cost; where some costs are unknown, say so."""
    if not used.unknown_costs:
        return render_dollars(used.cost_nanos)
    if not used.cost_nanos:
        return "at an unknown cost"
    answers = "answer" if used.unknown_costs == 1 else "answers"
    return (
        f"{render_dollars(used.cost_nanos)} and {used.unknown_costs} {answers} at an unknown cost"
    )


def _render_left(left: Left, platform: str) -> str:
    rule = left.limit.rule
    place = _find_place(rule.scope, platform)
    whose = f"{place} may use" if place else "You may use"
    rest = render_measure(rule.measure, left.amount)
    return f"- {whose} {render_amount(left.limit)} a {rule.period}: {rest} left"


def _find_place(scope: Scope, platform: str) -> str:
    match scope:
        case Scope.CHANNEL:
            return "This channel"
        case Scope.WORKSPACE:
            return f"This {find_words(platform).workspace}"
        case _:
            return ""


def render_amount(limit: Limit) -> str:
    """Word how much is allowed: `50 messages`, `$5.00`."""
    return render_measure(limit.rule.measure, limit.amount)


def render_measure(measure: Measure, amount: int) -> str:
    """Word an amount: `1 message`, `12,000 tokens`, `$0.05`."""
    if measure is Measure.COST:
        return render_dollars(amount)
    name = measure.value if amount != 1 else measure.value.removesuffix("s")
    return f"{amount:,} {name}"


def render_dollars(nanos: int) -> str:
    """Word an amount of money: to the cent, and below a dollar to the hundredth of one."""
    dollars = from_nanos(nanos)
    if 0 < nanos < _LEAST_TOLD_NANOS:
        return "less than $0.0001"
    if nanos % 10_000_000 and nanos < _TO_THE_CENT_NANOS:
        return f"${dollars:.4f}"
    return f"${dollars:,.2f}"


def render_duration(wait: timedelta) -> str:
    """Word how long something takes, roughly: `25 s`, `40 min`, `3 h`, `8 days`."""
    seconds = max(1.0, wait.total_seconds())
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} days"


def _render_moment(until: datetime, period: Period, now: datetime, zone: tzinfo) -> str:
    wait = f"in {render_duration(until - now)}"
    if period is Period.MINUTE:
        return wait
    local = until.astimezone(zone)
    day = f" on {local:%d %B}".replace(" 0", " ") if period is Period.MONTH else ""
    return f"at {local:%H:%M} {local.tzname()}{day}, {wait}"
