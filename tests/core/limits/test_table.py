from __future__ import annotations

import tomllib

import pytest

from core.conversation import Author, ThreadKey
from core.limits.quotas import Measure, Period, Quotas, Rule, Scope
from core.limits.table import LimitTableError, parse_limits

KEY = ThreadKey("slack", "T1", "C1")
A_DAY = Rule(Scope.USER, Measure.MESSAGES, Period.DAY)
BASE = Quotas({A_DAY: 5}, admins=frozenset({"slack:U9"}))


def read(text: str) -> Quotas:
    return parse_limits(tomllib.loads(text).get("limits", {}), BASE)


def amounts(quotas: Quotas, user: str) -> dict[str, int]:
    return {str(limit.rule): limit.amount for limit in quotas.find_limits(KEY, Author(user))}


def test_table_wins_over_the_settings() -> None:
    quotas = read("[limits.user]\nmessages_per_day = 50\ncost_per_month = 2.5")
    assert amounts(quotas, "U1") == {
        "user_messages_per_day": 50,
        "user_cost_per_month": 2_500_000_000,
    }


def test_one_person_has_their_own() -> None:
    quotas = read('[limits.user."slack:U1"]\nmessages_per_day = 500\ntokens_per_day = 9')
    assert amounts(quotas, "U1") == {"user_messages_per_day": 500, "user_tokens_per_day": 9}
    assert amounts(quotas, "U2") == {"user_messages_per_day": 5}
    assert amounts(quotas, "U9") == {}


def test_limit_can_be_lifted() -> None:
    assert amounts(read('[limits.user]\nmessages_per_day = "unlimited"'), "U1") == {}
    one = read('[limits.user."slack:U1"]\nmessages_per_day = "unlimited"')
    assert (amounts(one, "U1"), amounts(one, "U2")) == ({}, {"user_messages_per_day": 5})


def test_channels_and_workspaces_are_named_alike() -> None:
    text = '[limits.channel."slack:C1"]\nmessages_per_minute = 3\n[limits.workspace]\ntokens_per_month = 7'
    assert amounts(read(text), "U1") == {
        "user_messages_per_day": 5,
        "channel_messages_per_minute": 3,
        "workspace_tokens_per_month": 7,
    }


def test_no_table_changes_nothing() -> None:
    assert read("") == BASE


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("limits = 5", "limits", "expected a table"),
        ("[limits.team]", "limits.team", "expected one of user, channel, workspace"),
        ("[limits]\nuser = 5", "limits.user", "expected a table"),
        (
            "[limits.user]\nmessages_per_year = 5",
            "limits.user.messages_per_year",
            "expected one of",
        ),
        (
            "[limits.user]\ntokens_per_minute = 5",
            "limits.user.tokens_per_minute",
            "expected one of",
        ),
        ("[limits.user]\nmessages_per_day = -1", "limits.user.messages_per_day", "from 0 to"),
        (
            "[limits.user]\ntokens_per_day = 9999999999999",
            "limits.user.tokens_per_day",
            "from 0 to",
        ),
        ("[limits.user]\ncost_per_day = 1e7", "limits.user.cost_per_day", "from 0 to 1,000,000"),
        ("[limits.user]\ncost_per_day = inf", "limits.user.cost_per_day", "US dollars"),
        ("[limits.user]\nmessages_per_day = 1.5", "limits.user.messages_per_day", "whole number"),
        ("[limits.user]\nmessages_per_day = true", "limits.user.messages_per_day", "whole number"),
        ("[limits.user]\ncost_per_day = nan", "limits.user.cost_per_day", "US dollars"),
        ("[limits.user.U1]\ncost_per_day = 1", "limits.user.U1", "expected platform:id"),
    ],
)
def test_wrong_part_is_named(text: str, place: str, problem: str) -> None:
    with pytest.raises(LimitTableError, match=problem) as caught:
        read(text)
    assert caught.value.place == place
