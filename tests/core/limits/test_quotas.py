"""The decision on people's limits, held to a plain model, and what it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.conversation import Author, ThreadKey
from core.limits.quota_words import render_dollars, render_duration, render_refusal
from core.limits.quotas import (
    MINUTE,
    RULES,
    Limit,
    Measure,
    Period,
    Quotas,
    Refusal,
    Rule,
    Scope,
    Used,
    find_begin,
    find_end,
    find_longest,
    find_refusal,
    load_quotas,
)
from core.settings import load_settings

NOW = datetime(2026, 3, 10, 21, 0, tzinfo=UTC)
KEY = ThreadKey("slack", "T1", "C1", "1.2")
ADA = Author("U1", "Ada")
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "America/Santiago",
    "Asia/Beirut",
    "America/Havana",
)
moments = st.datetimes(
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001 -- hypothesis adds the zone
    max_value=datetime(2035, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
zones = st.sampled_from([ZoneInfo(name) for name in ZONES])
gaps = st.lists(st.integers(0, 50_000_000), max_size=60)  # milliseconds
long_periods = st.sampled_from([Period.DAY, Period.MONTH])


def limit(measure: Measure, period: Period, amount: int, scope: Scope = Scope.USER) -> Limit:
    return Limit(Rule(scope, measure, period), amount)


class FakeBook:
    """Messages let in so far, as a store would tell them; a clock that stands where a test puts it."""

    def __init__(self, limit: Limit, zone: ZoneInfo) -> None:
        self.limit, self.zone = limit, zone
        self.admitted: list[datetime] = []

    def ask(self, now: datetime) -> Refusal | None:
        begin = find_begin(self.limit.rule.period, now, self.zone)
        if self.limit.rule.period is Period.MINUTE:
            times = [at for at in reversed(self.admitted) if at > begin][: self.limit.amount]
        else:
            times = [at for at in reversed(self.admitted) if at >= begin]
        refusal = find_refusal(
            self.limit, Used(messages=len(times), times=tuple(times)), now, self.zone
        )
        if refusal is None:
            self.admitted.append(now)
        return refusal


def walk(begin: datetime, gaps: list[int]) -> list[datetime]:
    times = [begin]
    for gap in gaps:
        times.append(times[-1] + timedelta(milliseconds=gap))
    return times


@given(moments, st.lists(st.integers(0, 40_000), max_size=60), st.integers(1, 5), zones)
def test_no_minute_ever_has_one_too_many(
    begin: datetime, gaps: list[int], amount: int, zone: ZoneInfo
) -> None:
    book = FakeBook(limit(Measure.MESSAGES, Period.MINUTE, amount), zone)
    for now in walk(begin, gaps):
        book.ask(now)
    for at in book.admitted:
        assert sum(at <= other < at + MINUTE for other in book.admitted) <= amount


@given(moments, gaps, st.integers(1, 5), zones, long_periods)
def test_no_day_or_month_ever_has_one_too_many(
    begin: datetime, gaps: list[int], amount: int, zone: ZoneInfo, period: Period
) -> None:
    book = FakeBook(limit(Measure.MESSAGES, period, amount), zone)
    for now in walk(begin, gaps):
        book.ask(now)
    pattern = "%Y-%m-%d" if period is Period.DAY else "%Y-%m"
    labels = [at.astimezone(zone).strftime(pattern) for at in book.admitted]
    assert all(labels.count(label) <= amount for label in labels)


@given(moments, gaps, st.integers(1, 5), zones, st.sampled_from(list(Period)))
def test_who_is_refused_can_go_on_at_the_moment_told_and_not_before(
    begin: datetime, gaps: list[int], amount: int, zone: ZoneInfo, period: Period
) -> None:
    book = FakeBook(limit(Measure.MESSAGES, period, amount), zone)
    for now in walk(begin, gaps):
        refusal = book.ask(now)
        if refusal is not None:
            assert refusal.until is not None
            assert refusal.until > now
            before = max(now, refusal.until - timedelta(microseconds=1))
            assert book.ask(before) is not None
            assert book.ask(refusal.until) is None
            return


@given(moments, zones, long_periods)
def test_a_period_lies_around_the_moment_and_begins_at_midnight_there(
    now: datetime, zone: ZoneInfo, period: Period
) -> None:
    begin, end = find_begin(period, now, zone), find_end(period, now, zone)
    assert begin <= now < end
    assert find_begin(period, end, zone) == end
    assert find_begin(period, end - timedelta(microseconds=1), zone) == begin


@pytest.mark.parametrize(
    ("zone", "day", "begin"),
    [
        ("America/Havana", "2026-11-01", "2026-11-01T04:00Z"),  # midnight comes twice
        ("Atlantic/Azores", "2026-10-25", "2026-10-25T00:00Z"),
        ("Asia/Beirut", "2026-03-29", "2026-03-28T22:00Z"),  # there is none
    ],
)
def test_day_on_which_the_clock_is_changed_at_midnight_begins_once(
    zone: str, day: str, begin: str
) -> None:
    began_at = datetime.fromisoformat(begin)
    for minutes in (0, 30, 90, 150):
        now = began_at + timedelta(minutes=minutes)
        assert now.astimezone(ZoneInfo(zone)).date().isoformat() == day
        assert find_begin(Period.DAY, now, ZoneInfo(zone)) == began_at
    before = began_at - timedelta(seconds=1)
    assert find_end(Period.DAY, before, ZoneInfo(zone)) == began_at


@given(st.integers(0, 100), st.integers(1, 100), st.sampled_from([Measure.TOKENS, Measure.COST]))
def test_answer_that_crosses_a_limit_is_given_and_the_next_is_not(
    used: int, amount: int, measure: Measure
) -> None:
    told = Used(tokens=used, cost_nanos=used)
    refusal = find_refusal(limit(measure, Period.DAY, amount), told, NOW, UTC)
    assert (refusal is None) is (used < amount)


def test_limit_of_nothing_refuses_for_good() -> None:
    for rule in RULES:
        assert find_refusal(Limit(rule, 0), Used(), NOW, UTC) == Refusal(Limit(rule, 0), None)


def test_longest_refusal_counts() -> None:
    a, b, c = (
        limit(Measure.MESSAGES, Period.DAY, 1),
        limit(Measure.TOKENS, Period.MONTH, 1),
        limit(Measure.MESSAGES, Period.DAY, 0),
    )
    soon, late = Refusal(a, NOW), Refusal(b, NOW + MINUTE)
    assert find_longest([soon, late]) == late
    assert find_longest([soon, Refusal(c, None), late]) == Refusal(c, None)
    assert find_longest([]) is None


class TestQuotas:
    def make(self, **given: object) -> Quotas:
        return load_quotas(load_settings(use_environment=False, **given))

    def test_nothing_is_limited_unless_it_is_set(self) -> None:
        assert self.make().find_limits(KEY, ADA) == ()

    def test_every_rule_has_its_setting(self) -> None:
        given = {f"limit_{rule}": 5 for rule in RULES}
        limits = self.make(**given).find_limits(KEY, ADA)
        assert [limit.rule for limit in limits] == list(RULES)

    def test_money_is_set_in_dollars(self) -> None:
        quotas = self.make(limit_user_cost_per_day="0.5")
        assert quotas.find_limits(KEY, ADA) == (limit(Measure.COST, Period.DAY, 500_000_000),)
        assert quotas.limits_cost

    def test_admins_have_no_limits(self) -> None:
        quotas = self.make(limit_user_messages_per_day=1, admins="slack:U1, discord:7")
        assert quotas.find_limits(KEY, ADA) == ()
        assert len(quotas.find_limits(KEY, Author("U2"))) == 1
        assert len(quotas.find_limits(ThreadKey("discord", "G", "C"), ADA)) == 1

    def test_people_who_write_directly_share_no_workspace(self) -> None:
        quotas = self.make(limit_workspace_messages_per_day=1)
        assert quotas.find_limits(ThreadKey("discord", "@me", "D1"), ADA) == ()
        assert len(quotas.find_limits(KEY, ADA)) == 1

    def test_own_limits_win_and_may_lift_one(self) -> None:
        messages, tokens = (
            Rule(Scope.USER, m, Period.DAY) for m in (Measure.MESSAGES, Measure.TOKENS)
        )
        own = {(Scope.USER, "slack:U1"): {messages: 100, tokens: None}}
        quotas = Quotas({messages: 5, tokens: 10}, own)
        assert quotas.find_limits(KEY, ADA) == (Limit(messages, 100),)
        assert quotas.find_limits(KEY, Author("U2")) == (Limit(messages, 5), Limit(tokens, 10))


@pytest.mark.parametrize(
    ("limit", "until", "text"),
    [
        (
            limit(Measure.MESSAGES, Period.DAY, 50),
            datetime(2026, 3, 11, tzinfo=UTC),
            "You have used your 50 messages for today. You can go on at 00:00 UTC, in 3 h.",
        ),
        (
            limit(Measure.MESSAGES, Period.MINUTE, 1),
            NOW + timedelta(seconds=23),
            "Your limit is 1 message a minute. You can go on in 23 s.",
        ),
        (
            limit(Measure.TOKENS, Period.MONTH, 1_000_000, Scope.CHANNEL),
            datetime(2026, 4, 1, tzinfo=UTC),
            "This channel has used its 1,000,000 tokens for this month. "
            "You can go on at 00:00 UTC on 1 April, in 21 days.",
        ),
        (
            limit(Measure.COST, Period.DAY, 2_500_000_000, Scope.WORKSPACE),
            datetime(2026, 3, 11, tzinfo=UTC),
            "This workspace has used its $2.50 for today. You can go on at 00:00 UTC, in 3 h.",
        ),
    ],
)
def test_refusal_says_what_is_used_up_and_when_it_goes_on(
    limit: Limit, until: datetime, text: str
) -> None:
    assert render_refusal(Refusal(limit, until), "slack", NOW, UTC) == text


@pytest.mark.parametrize(
    ("period", "told"),
    [
        (Period.DAY, "You can go on at 00:00 CET, in 2 h."),
        (Period.MONTH, "You can go on at 00:00 CEST on 1 April, in 21 days."),
    ],
)
def test_refusal_tells_the_time_where_the_installation_is(period: Period, told: str) -> None:
    zone = ZoneInfo("Europe/Berlin")
    messages = limit(Measure.MESSAGES, period, 5)
    refusal = find_refusal(messages, Used(messages=5), NOW, zone)
    assert refusal is not None
    assert render_refusal(refusal, "slack", NOW, zone).endswith(told)


def test_discords_workspace_is_a_server() -> None:
    refusal = Refusal(limit(Measure.MESSAGES, Period.DAY, 5, Scope.WORKSPACE), NOW + MINUTE)
    assert "This server has" in render_refusal(refusal, "discord", NOW, UTC)


@pytest.mark.parametrize(
    ("nanos", "text"),
    [
        (0, "$0.00"),
        (1, "less than $0.0001"),
        (172_500, "$0.0002"),
        (500_000_000, "$0.50"),
        (999_949_999, "$0.9999"),
        (999_960_000, "$1.00"),
        (1_234_567_890_000, "$1,234.57"),
    ],
)
def test_money_is_worded(nanos: int, text: str) -> None:
    assert render_dollars(nanos) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1 s"), (25, "25 s"), (600, "10 min"), (10_800, "3 h"), (700_000, "8 days")],
)
def test_durations_are_worded(seconds: int, text: str) -> None:
    assert render_duration(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("admins", "U123", "expected people as platform:id"),
        ("timezone", "Mars/Base", "expected a time zone"),
        ("timezone", "../etc/passwd", "expected a time zone"),
        ("limit_user_cost_per_day", "-1", "at least 0"),
        ("limit_user_messages_per_day", "many", "expected a whole number"),
        ("limit_user_messages_per_day", "10000000000000", "at most 1000000000000"),
        ("limit_user_tokens_per_day", "1e3", "expected a whole number"),
        ("limit_user_cost_per_day", "NaN", "LIMIT_USER_COST_PER_DAY: "),
        ("limit_user_cost_per_day", "1e9", "at most 1000000"),
        ("queue_notice_seconds", "inf", "at most 3600"),
        ("queue_notice_seconds", "nan", "QUEUE_NOTICE_SECONDS: expected"),
    ],
)
def test_wrong_setting_is_told(name: str, value: str, problem: str) -> None:
    with pytest.raises(Exception, match=problem):
        load_settings(use_environment=False, **{name: value})


def test_cents_are_exact() -> None:
    quotas = load_quotas(
        load_settings(use_environment=False, limit_user_cost_per_month=Decimal("0.1"))
    )
    [found] = quotas.find_limits(KEY, ADA)
    assert found.amount == 100_000_000
