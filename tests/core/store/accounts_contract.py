"""What every store promises of what turns take, and of the limits of people."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from core.conversation import Author, Incoming, ThreadKey, Turn, Usage
from core.limits.quotas import Limit, Measure, Period, Rule, Scope, Used, find_begin
from core.store.base import Expense, Grouping, Store, Totals
from tests.core.store.values import ANN, KEY, Calendar, OpenStore, ask, get_turn, start

SPENT = Usage(
    input_tokens=100,
    output_tokens=20,
    cached_tokens=50,
    written_tokens=10,
    cost=Decimal("0.0001725"),
    to_first_text=timedelta(milliseconds=250),
    in_all=timedelta(seconds=2),
)
ADA, BOB = Author("U1", "Ada"), Author("U2", "Bob")


def ask_as(
    number: int, author: Author = ADA, channel: str = "C1", workspace: str = "T1"
) -> Incoming:
    """Make a question in a conversation of its own."""
    key = ThreadKey("slack", workspace, channel, f"thread {number}")
    return replace(ask(number, key=key), author=author)


def limit(scope: Scope, measure: Measure, period: Period, amount: int) -> Limit:
    return Limit(Rule(scope, measure, period), amount)


A_DAY = limit(Scope.USER, Measure.MESSAGES, Period.DAY, 2)


async def admit(store: Store, incoming: Incoming, *limits: Limit) -> bool:
    """Start a question and let it in, or reject it."""
    turn = await start(store, incoming)
    refusal = await store.admit(turn, limits, UTC)
    if refusal is None:
        return True
    await store.reject(turn, "limit")
    return False


async def spend(store: Store, incoming: Incoming, usage: Usage = SPENT) -> Turn:
    turn = await start(store, incoming)
    assert await store.admit(turn, (), UTC) is None
    assert await store.save_reply(turn, "answer", "openai/gpt-4o-mini", usage)
    assert await store.finish(turn)
    return turn


class AccountsContract:
    """Nothing is let in that is too many, and sums say what they lack."""

    async def test_question_within_a_limit_is_let_in_and_the_next_one_is_not(
        self, store: Store
    ) -> None:
        assert [await admit(store, ask_as(n), A_DAY) for n in range(4)] == [
            True,
            True,
            False,
            False,
        ]

    async def test_refused_question_is_not_counted(self, store: Store, calendar: Calendar) -> None:
        a_minute = limit(Scope.USER, Measure.MESSAGES, Period.MINUTE, 1)
        assert await admit(store, ask_as(0), a_minute)
        for number in range(1, 4):
            calendar.advance(seconds=15)
            assert not await admit(store, ask_as(number), a_minute)
        calendar.advance(seconds=16)
        assert await admit(store, ask_as(4), a_minute)

    async def test_question_let_in_stays_so_when_another_attempt_begins(self, store: Store) -> None:
        turn = await start(store, ask_as(0))
        assert (
            await store.admit(turn, [limit(Scope.USER, Measure.MESSAGES, Period.DAY, 1)], UTC)
            is None
        )
        await store.hand_back()
        again = await store.take_over(turn.conversation_id)
        assert again is not None
        none = limit(Scope.USER, Measure.MESSAGES, Period.DAY, 0)
        assert await store.admit(again, [none], UTC) is None

    async def test_question_that_started_without_any_limit_stays_let_in(self, store: Store) -> None:
        queued = (await store.record(ask_as(0))).turn
        turn = await store.start_next(queued.conversation_id, is_admitted=True)
        assert turn is not None
        await store.hand_back()
        again = await store.take_over(turn.conversation_id)
        assert again is not None
        none = limit(Scope.USER, Measure.MESSAGES, Period.DAY, 0)
        assert await store.admit(again, [none], UTC) is None

    async def test_question_that_failed_before_it_was_let_in_counts_for_nothing(
        self, store: Store, calendar: Calendar
    ) -> None:
        since = calendar.now()
        turn = await start(store, ask_as(0))
        assert await store.fail(turn, "no way to reply")
        assert await store.load_used(Scope.USER, turn.key, "U1", since) == Used()
        [line] = await store.load_usage(Grouping.DAY, since, since + timedelta(days=1), UTC)
        assert (line.totals.questions, line.totals.failed) == (0, 1)
        assert await admit(store, ask_as(1), replace(A_DAY, amount=1))

    async def test_questions_that_start_at_once_are_counted_one_after_another(
        self, store: Store
    ) -> None:
        turns = [await start(store, ask_as(number)) for number in range(8)]
        refusals = await asyncio.gather(*(store.admit(turn, [A_DAY], UTC) for turn in turns))
        assert sum(refusal is None for refusal in refusals) == 2

    async def test_one_persons_use_is_not_anothers(self, store: Store) -> None:
        assert [await admit(store, ask_as(n), A_DAY) for n in range(3)] == [True, True, False]
        assert await admit(store, ask_as(3, BOB), A_DAY)

    @pytest.mark.parametrize("scope", [Scope.CHANNEL, Scope.WORKSPACE])
    async def test_people_of_one_place_share_its_limit(self, store: Store, scope: Scope) -> None:
        one = limit(scope, Measure.MESSAGES, Period.DAY, 1)
        assert await admit(store, ask_as(0, ADA), one)
        assert not await admit(store, ask_as(1, BOB), one)
        elsewhere = ask_as(2, BOB, channel="C2", workspace="T2")
        assert await admit(store, elsewhere, one)

    async def test_tokens_and_money_of_answers_are_counted(self, store: Store) -> None:
        await spend(store, ask_as(0))
        tokens = limit(Scope.USER, Measure.TOKENS, Period.MONTH, 121)
        money = limit(Scope.USER, Measure.COST, Period.MONTH, 172_501)
        assert await admit(store, ask_as(1), tokens, money)
        assert not await admit(store, ask_as(2), replace(tokens, amount=120))
        assert not await admit(store, ask_as(3), replace(money, amount=172_500))

    async def test_refusal_names_the_limit_that_lasts_longest(
        self, store: Store, calendar: Calendar
    ) -> None:
        await spend(store, ask_as(0))
        turn = await start(store, ask_as(1))
        periods = (Period.DAY, Period.MONTH)
        both = [limit(Scope.USER, Measure.MESSAGES, period, 1) for period in periods]
        refusal = await store.admit(turn, both, UTC)
        assert refusal is not None
        assert refusal.limit.rule.period is Period.MONTH
        assert refusal.until is not None
        assert refusal.until > calendar.now()

    async def test_commands_are_not_counted(self, store: Store) -> None:
        for number in range(3):
            await store.record_command(ask_as(number))
        assert await admit(store, ask_as(3), replace(A_DAY, amount=1))

    async def test_use_of_a_person_is_summed_up_with_what_it_lacks(
        self, store: Store, calendar: Calendar
    ) -> None:
        since = calendar.now()
        await spend(store, ask_as(0))
        await spend(store, ask_as(1), Usage(7, None))
        key = ask_as(2).key
        used = await store.load_used(Scope.USER, key, "U1", since)
        assert used == Used(messages=2, tokens=127, cost_nanos=172_500, unknown_costs=1)
        later = since + timedelta(days=1)
        assert await store.load_used(Scope.USER, key, "U1", later) == Used()

    async def test_use_summed_up_again_and_again_is_what_it_is_at_once(
        self, open_store: OpenStore, calendar: Calendar
    ) -> None:
        since = calendar.now()
        async with open_store() as store:
            for number in range(12):
                turn = await spend(store, ask_as(number))
                calendar.advance(minutes=17)
                used = await store.load_used(Scope.USER, turn.key, "U1", since)
                assert (used.messages, used.tokens) == (number + 1, 120 * (number + 1))
        async with open_store() as store:
            again = await store.load_used(Scope.USER, ask_as(0).key, "U1", since)
            assert (again.messages, again.tokens) == (12, 1440)

    async def test_clock_that_was_set_back_hides_no_use(
        self, store: Store, calendar: Calendar
    ) -> None:
        since = calendar.now() - timedelta(hours=1)
        calendar.advance(hours=5)
        await spend(store, ask_as(0))
        await store.load_used(Scope.USER, ask_as(0).key, "U1", since)
        calendar.advance(hours=-4)
        await spend(store, ask_as(1))
        used = await store.load_used(Scope.USER, ask_as(0).key, "U1", since)
        assert used.messages == 2

    async def test_clock_that_was_set_back_refuses_nobody_for_long(
        self, store: Store, calendar: Calendar
    ) -> None:
        a_minute = limit(Scope.USER, Measure.MESSAGES, Period.MINUTE, 1)
        assert await admit(store, ask_as(0), a_minute)
        calendar.advance(seconds=-10)
        assert not await admit(store, ask_as(1), a_minute)
        calendar.advance(hours=-1)
        assert await admit(store, ask_as(2), a_minute)

    async def test_answer_that_took_long_is_summed_up_once_it_is_there(
        self, store: Store, calendar: Calendar
    ) -> None:
        turn = await start(store, ask(1))
        since = calendar.now()
        calendar.advance(minutes=90)
        assert (await store.load_used(Scope.USER, KEY, ANN.id, since)).tokens == 0
        assert await store.save_reply(turn, "late", "model", Usage(30, 20))
        assert (await store.load_used(Scope.USER, KEY, ANN.id, since)).tokens == 50

    async def test_use_of_an_answer_that_broke_off_is_kept(
        self, store: Store, calendar: Calendar
    ) -> None:
        turn = await start(store, ask_as(0))
        assert await store.admit(turn, (), UTC) is None
        assert await store.save_usage(turn, "openai/gpt-4o-mini", SPENT)
        assert await store.fail(turn, "cut off")
        used = await store.load_used(
            Scope.USER, turn.key, "U1", find_begin(Period.DAY, calendar.now(), UTC)
        )
        assert (used.messages, used.tokens) == (1, 120)

    async def test_who_was_taken_over_saves_no_use(self, store: Store) -> None:
        turn = await start(store, ask_as(0))
        assert await store.take_over(turn.conversation_id)
        assert not await store.save_usage(turn, "openai/gpt-4o-mini", SPENT)

    async def test_nonsense_of_a_provider_is_cut_down_and_stored(self, store: Store) -> None:
        turn = await spend(store, ask_as(0), Usage(10**12, -5, cost=Decimal(10**12)))
        used = await store.load_used(
            Scope.USER, turn.key, "U1", turn.received_at - timedelta(days=1)
        )
        assert used.tokens == 2**31 - 1
        assert (await get_turn(store, turn.id)).reply_text == "answer"

    @pytest.mark.parametrize("by", list(Grouping))
    async def test_every_report_has_all_of_it(
        self, store: Store, calendar: Calendar, by: Grouping
    ) -> None:
        since = calendar.now()
        await spend(store, ask_as(0))
        await spend(store, ask_as(1, BOB, channel="C2"), Usage(7, 3, is_estimated=True))
        assert not await admit(store, ask_as(2), replace(A_DAY, amount=1))
        lines = await store.load_usage(by, since, since + timedelta(days=2), UTC)
        total = sum_up([line.totals for line in lines])
        assert total == Totals(
            questions=2,
            rejected=1,
            input_tokens=107,
            output_tokens=23,
            cached_tokens=50,
            estimated=1,
            cost_nanos=172_500,
            known_costs=1,
            unknown_costs=1,
            first_text_ms=250,
            first_timed=1,
            answer_ms=2000,
            timed=1,
        )

    async def test_what_is_paid_for_beside_answers_counts_for_the_place_and_not_for_people(
        self, store: Store, calendar: Calendar
    ) -> None:
        since = calendar.now()
        turn = await spend(store, ask_as(0))
        expenses = [
            Expense("summary", "openai/small", Usage(5, 5, cost=Decimal("0.01"))),
            Expense("attempt", "openai/large", Usage(7, 3), ADA),
        ]
        await store.add_expenses(turn.conversation_id, expenses)
        assert await store.load_expenses(turn.key) == expenses
        assert await store.load_expenses(ask_as(1).key) == []
        own = await store.load_used(Scope.USER, turn.key, "U1", since)
        assert own == Used(messages=1, tokens=120, cost_nanos=172_500)
        for scope in (Scope.CHANNEL, Scope.WORKSPACE):
            used = await store.load_used(scope, turn.key, "U1", since)
            assert used == Used(1, 140, 10_172_500, unknown_costs=1)
        money = limit(Scope.WORKSPACE, Measure.COST, Period.DAY, 10_172_500)
        assert not await admit(store, ask_as(2), money)
        assert await admit(store, ask_as(3), replace(money, amount=10_172_501))

    @pytest.mark.parametrize("by", list(Grouping))
    async def test_report_has_what_is_paid_for_beside_answers_in_lines_of_its_own(
        self, store: Store, calendar: Calendar, by: Grouping
    ) -> None:
        since = calendar.now()
        turn = await spend(store, ask_as(0))
        summary = Expense("summary", "m", Usage(5, 5, 1, is_estimated=True, cost=Decimal("0.01")))
        await store.add_expenses(turn.conversation_id, [summary, summary])
        lines = await store.load_usage(by, since, since + timedelta(days=2), UTC)
        assert sorted(line.kind for line in lines) == ["answer", "summary"]
        [told] = [line for line in lines if line.kind == "summary"]
        assert told.totals == Totals(
            input_tokens=10, output_tokens=10, cached_tokens=2, estimated=2, cost_nanos=20_000_000,
            known_costs=2,
        )  # fmt: skip
        assert sum_up([line.totals for line in lines]).cost_nanos == 20_172_500

    async def test_what_was_paid_for_a_conversation_that_is_gone_is_forgotten(
        self, store: Store
    ) -> None:
        await store.add_expenses(4711, [Expense("summary", "m", Usage(5, 5))])

    async def test_ratios_of_tokens_are_kept_by_model(self, store: Store) -> None:
        assert await store.load_token_ratios() == {}
        await store.save_token_ratios({"a/b": 1.25, "c/d": 0.8})
        await store.save_token_ratios({"a/b": 1.5})
        assert await store.load_token_ratios() == {"a/b": 1.5, "c/d": 0.8}

    async def test_report_by_user_names_people(self, store: Store, calendar: Calendar) -> None:
        since = calendar.now()
        await spend(store, ask_as(0))
        await spend(store, ask_as(1, BOB))
        lines = await store.load_usage(Grouping.USER, since, since + timedelta(days=1), UTC)
        assert [(line.platform, line.user_id, line.user_name) for line in lines] == [
            ("slack", "U1", "Ada"),
            ("slack", "U2", "Bob"),
        ]

    async def test_days_of_a_report_are_those_of_the_zone(
        self, store: Store, calendar: Calendar
    ) -> None:
        since = calendar.now() - timedelta(days=1)
        zone = ZoneInfo("Asia/Kathmandu")
        days: set[str] = set()
        for number in range(5):
            days.add(calendar.now().astimezone(zone).date().isoformat())
            await spend(store, ask_as(number))
            calendar.advance(hours=7)
        lines = await store.load_usage(Grouping.DAY, since, calendar.now(), zone)
        assert {line.day for line in lines} == days
        assert sum(line.totals.questions for line in lines) == 5

    async def test_report_ends_before_its_end(self, store: Store, calendar: Calendar) -> None:
        await spend(store, ask_as(0))
        now = calendar.now()
        assert await store.load_usage(Grouping.MODEL, now - timedelta(days=9), now, UTC) == []

    async def test_use_outlives_a_restart(self, open_store: OpenStore, calendar: Calendar) -> None:
        since = calendar.now()
        async with open_store() as store:
            turn = await spend(store, ask_as(0))
        async with open_store() as store:
            assert (await store.load_used(Scope.CHANNEL, turn.key, "", since)).tokens == 120


def sum_up(totals: list[Totals]) -> Totals:
    names = Totals.__dataclass_fields__
    return Totals(**{name: sum(getattr(each, name) for each in totals) for name in names})
