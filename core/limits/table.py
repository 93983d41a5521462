"""Reads people's limits from a table of skein.toml. Pure.

    [limits.user]                  # for everybody; wins over LIMIT_USER_...
    messages_per_day = 50

    [limits.user."slack:U0123"]    # for one
    messages_per_day = 500
    cost_per_month = "unlimited"

`channel` and `workspace` likewise, by `platform:id`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import cast

from core.limits.quotas import RULES, Measure, Quotas, Rule, Scope, to_amount
from core.limits.settings import MAX_COUNT, MAX_DOLLARS

UNLIMITED = "unlimited"


class LimitTableError(ValueError):
    """A part of the table is wrong. `place` says which, as `limits.user.messages_per_day`."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        self.problem = problem

    @property
    def keys(self) -> tuple[str, ...]:
        """The way to the place, as far as it has no dots of its own."""
        return tuple(self.place.split("."))


def parse_limits(table: object, base: Quotas) -> Quotas:
    """Give the limits of `base` with those of the table `limits` over them. Raises LimitTableError."""
    defaults = dict(base.defaults)
    own = dict(base.own)
    for name, given in _read_table("limits", table).items():
        scope = _read_scope(name)
        for key, value in _read_table(f"limits.{name}", given).items():
            place = f"limits.{name}.{key}"
            if isinstance(value, Mapping):
                _check_subject(place, key)
                own[scope, key] = _read_rules(scope, place, value)
            else:
                rule, amount = _read_rule(scope, place, key, value)
                _set(defaults, rule, amount)
    return replace(base, defaults=defaults, own=own)


def _set(defaults: dict[Rule, int], rule: Rule, amount: int | None) -> None:
    if amount is None:
        defaults.pop(rule, None)
    else:
        defaults[rule] = amount


def _read_table(place: str, table: object) -> Mapping[str, object]:
    if not isinstance(table, Mapping):
        raise LimitTableError(place, "expected a table")
    return cast(Mapping[str, object], table)


def _read_scope(name: str) -> Scope:
    try:
        return Scope(name)
    except ValueError:
        raise LimitTableError(f"limits.{name}", f"expected one of {', '.join(Scope)}") from None


def _check_subject(place: str, name: str) -> None:
    platform, _, subject = name.partition(":")
    if not platform or not subject:
        raise LimitTableError(place, 'expected platform:id, for instance "slack:U0123"')


def _read_rules(scope: Scope, place: str, table: object) -> dict[Rule, int | None]:
    given = _read_table(place, table).items()
    return dict(_read_rule(scope, f"{place}.{key}", key, value) for key, value in given)


def _read_rule(scope: Scope, place: str, key: str, value: object) -> tuple[Rule, int | None]:
    known = {str(rule).removeprefix(f"{scope}_"): rule for rule in RULES if rule.scope is scope}
    rule = known.get(key)
    if rule is None:
        raise LimitTableError(place, f"expected one of {', '.join(known)}")
    return rule, _read_amount(rule, place, value)


def _read_amount(rule: Rule, place: str, value: object) -> int | None:
    if value == UNLIMITED:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_whole = isinstance(value, int) or rule.measure is Measure.COST
    most = MAX_DOLLARS if rule.measure is Measure.COST else MAX_COUNT
    if not is_number or not is_whole or not 0 <= cast(float, value) <= most:
        kind = "US dollars" if rule.measure is Measure.COST else "a whole number"
        raise LimitTableError(place, f'expected {kind} from 0 to {most:,}, or "{UNLIMITED}"')
    return to_amount(rule, Decimal(str(value)))
