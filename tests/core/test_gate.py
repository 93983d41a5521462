"""Turns under people's limits, and what is kept of what they took."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from core.conversation import Author, TurnState, Usage
from core.errors import OverloadedError
from core.gate import Gate
from core.limits.quota_words import render_use
from core.limits.quotas import Measure, Period, Quotas, Rule, Scope, Used
from core.prices import Price, Prices
from core.providers.base import Chunk, ModelRef, Request
from core.run import TurnOptions
from core.store.base import Expense, Grouping, Store, Totals, UsageLine
from core.store.sqlite import open_sqlite
from core.turns import Turns
from tests.fakes import FakeModels, RecordingSinks, make_incoming

PRICES = Prices(find_own={"fake/model": Price(Decimal(1), Decimal(2))}.get)
TWO_A_DAY = Quotas({Rule(Scope.USER, Measure.MESSAGES, Period.DAY): 2})
OPTIONS = TurnOptions("Be brief.")


class World:
    """A runner over a store, with a model and people."""

    def __init__(
        self,
        store: Store,
        quotas: Quotas,
        models: FakeModels,
        prices: Prices = PRICES,
        options: TurnOptions = OPTIONS,
    ) -> None:
        self.store, self.models, self.sinks = store, models, RecordingSinks()
        gate = Gate(store, prices, lambda: quotas, timedelta(milliseconds=1))
        self.turns = Turns(store, models, options, gate=gate)
        self.turns.attach("test", self.sinks.open_sink)

    async def ask(self, number: int, thread: str = "t1", author: Author | None = None) -> None:
        given = {"author": author} if author else {}
        await self.turns.submit(
            make_incoming(f"question {number}", thread=thread, number=number, **given)
        )
        await self.turns.wait_idle(timedelta(seconds=20))

    async def sum_up(self) -> Totals:
        [line] = await self.load_lines()
        return line.totals

    async def load_lines(self) -> Sequence[UsageLine]:
        begin, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
        return await self.store.load_usage(Grouping.PLATFORM, begin, end, UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_sqlite(f"sqlite:///{tmp_path}/skein.db") as store:
        yield store


async def test_question_over_the_limit_is_refused_with_a_word_and_never_asked(store: Store) -> None:
    world = World(store, TWO_A_DAY, FakeModels())
    async with world.turns:
        for number in range(3):
            await world.ask(number, thread=f"t{number}")
    assert len(world.models.requests) == 2
    refused = world.sinks.shown[-1]
    assert refused.notice.startswith(
        "You have used your 2 messages for today. You can go on at 00:00 UTC"
    )
    turn = await store.find_turn(refused.turn.id)
    assert turn is not None
    assert turn.state is TurnState.REJECTED
    assert (await world.sum_up()).rejected == 1


async def test_refused_question_stays_out_of_what_the_next_one_sends(store: Store) -> None:
    ben = Author("U2", "Ben")
    world = World(store, TWO_A_DAY, FakeModels())
    async with world.turns:
        for number in range(3):
            await world.ask(number)
        await world.ask(3, author=ben)
    sent = " ".join(message.text for message in world.models.requests[-1].messages)
    assert "question 2" not in sent
    assert "question 1" in sent


async def test_limit_of_one_person_takes_no_merged_question_of_another_along(store: Store) -> None:
    ben, options = Author("U2", "Ben"), TurnOptions("Be brief.", waiting="merge")
    one_a_day = Quotas({Rule(Scope.USER, Measure.MESSAGES, Period.DAY): 1})
    world = World(store, one_a_day, FakeModels(), options=options)
    world.models.hold()
    async with world.turns:
        await world.turns.submit(make_incoming("question 0"))
        async with asyncio.timeout(20):
            await world.models.many_at_once(1)
        await world.turns.submit(make_incoming("question 1", number=1, author=ben))
        await world.turns.submit(make_incoming("question 2", number=2))
        world.models.release()
        assert await world.turns.wait_idle(timedelta(seconds=20))
    assert [shown.notice[:22] for shown in world.sinks.shown] == ["", "You have used your 1 m", ""]
    assert world.sinks.shown[-1].text == "Answer to Ben: question 1"
    assert "question 2" not in str(world.models.requests)


async def test_answer_is_stored_with_what_it_took(store: Store) -> None:
    world = World(store, Quotas(), FakeModels())
    async with world.turns:
        await world.ask(0)
    totals = await world.sum_up()
    assert (totals.input_tokens, totals.output_tokens, totals.cost_nanos) == (10, 5, 20_000)
    assert (totals.timed, totals.first_timed, totals.estimated) == (1, 1, 0)


async def test_untold_tokens_are_reckoned_and_marked(store: Store) -> None:
    class SilentModels(FakeModels):
        async def _chunks(self, answer: str, usage: Usage) -> AsyncIterator[Chunk]:
            yield Chunk(answer, "stop")

    world = World(store, Quotas(), SilentModels())
    async with world.turns:
        await world.ask(0)
    totals = await world.sum_up()
    assert totals.estimated == 1
    assert totals.input_tokens > 0
    assert totals.output_tokens > 0


async def test_answer_that_broke_off_is_charged_for_what_came(store: Store) -> None:
    class BreakingModels(FakeModels):
        async def _chunks(self, answer: str, usage: Usage) -> AsyncIterator[Chunk]:
            yield Chunk("Some words", usage=Usage(10))
            raise OverloadedError("fake/model", "cut off")

    world = World(store, Quotas(), BreakingModels())
    async with world.turns:
        await world.ask(0)
    totals = await world.sum_up()
    assert (totals.failed, totals.input_tokens, totals.estimated) == (0, 10, 1)
    assert totals.known_costs == 1


async def test_an_answer_that_another_model_took_the_place_of_is_paid_for_too(
    store: Store,
) -> None:
    class ReplacedModels(FakeModels):
        async def _chunks(self, answer: str, usage: Usage) -> AsyncIterator[Chunk]:
            yield Chunk("Some words", usage=Usage(1000, 100))
            yield Chunk(answered_by=ModelRef("fake", "other", 8000), is_restart=True)
            yield Chunk(answer, "stop", Usage(10, 5))

    world = World(store, Quotas(), ReplacedModels())
    async with world.turns:
        await world.ask(0)
    [turn] = [shown.turn for shown in world.sinks.shown]
    [expense] = await store.load_expenses(turn.key)
    assert (expense.purpose, expense.model) == ("attempt", "fake/model")
    assert (expense.author, expense.usage.cost) == (turn.author, Decimal("0.0012"))
    totals = {line.kind: line.totals for line in await world.load_lines()}
    assert (totals["answer"].input_tokens, totals["answer"].questions) == (10, 1)
    assert (totals["attempt"].input_tokens, totals["attempt"].questions) == (1000, 0)


async def test_an_attempt_without_a_word_is_paid_for_too(store: Store) -> None:
    class SilentModels(FakeModels):
        def stream(self, ref: ModelRef, request: Request):
            request.asker.on_attempt(ref, Usage(1000, 100))
            request.asker.on_attempt(ref, Usage(500))
            return super().stream(ref, request)

    world = World(store, Quotas(), SilentModels())
    async with world.turns:
        await world.ask(0)
    told, untold = await store.load_expenses(world.sinks.shown[0].turn.key)
    assert (told.usage.cost, told.usage.is_estimated) == (Decimal("0.0012"), False)
    assert (untold.usage.cost, untold.usage.is_estimated) == (Decimal("0.0005"), True)


async def test_an_answer_that_the_end_of_the_process_cuts_off_is_paid_for(store: Store) -> None:
    world = World(store, Quotas(), FakeModels())
    world.models.hold()
    async with world.turns:
        await world.turns.submit(make_incoming("question"))
        shown = await world.sinks.wait_for_update()
    [expense] = await store.load_expenses(shown.turn.key)
    assert expense.usage.is_estimated
    world = World(store, Quotas(), FakeModels())
    async with world.turns:
        await world.turns.resume("test")
        assert await world.turns.wait_idle(timedelta(seconds=20))
    kinds = {line.kind: line.totals.questions for line in await world.load_lines()}
    assert kinds == {"answer": 1, "attempt": 0}


async def test_an_answer_that_was_stopped_is_charged_for_what_came(store: Store) -> None:
    world = World(store, Quotas(), FakeModels())
    world.models.hold()
    async with world.turns:
        await world.turns.submit(make_incoming("question"))
        shown = await world.sinks.wait_for_update()
        world.turns.stop([shown.turn.id])
        assert await world.turns.wait_idle(timedelta(seconds=20))
    totals = await world.sum_up()
    assert (totals.questions, totals.known_costs, totals.estimated) == (1, 1, 1)
    assert totals.cost_nanos > 0


async def test_question_that_began_without_limits_is_answered_under_new_ones(store: Store) -> None:
    world = World(store, Quotas(), FakeModels())
    world.models.hold()
    async with world.turns:
        await world.turns.submit(make_incoming("question"))
        await world.sinks.wait_for_update()
    none = Quotas({Rule(Scope.USER, Measure.MESSAGES, Period.DAY): 0})
    world = World(store, none, FakeModels())
    async with world.turns:
        await world.turns.resume("test")
        assert await world.turns.wait_idle(timedelta(seconds=20))
        assert world.sinks.shown[-1].text == "Answer to question"
        await world.ask(1)
    assert "set a limit of 0" in world.sinks.shown[-1].notice


async def test_question_of_an_admin_is_let_in_for_good_where_others_are_limited(
    store: Store,
) -> None:
    rules = {Rule(Scope.USER, Measure.MESSAGES, Period.DAY): 0}
    world = World(store, Quotas(rules, admins=frozenset({"test:U1"})), FakeModels())
    world.models.hold()
    async with world.turns:
        await world.turns.submit(make_incoming("question"))
        await world.sinks.wait_for_update()
    world = World(store, Quotas(rules), FakeModels())
    async with world.turns:
        await world.turns.resume("test")
        assert await world.turns.wait_idle(timedelta(seconds=20))
    assert world.sinks.shown[-1].text == "Answer to question"


async def test_use_tells_what_summaries_of_the_conversation_took(store: Store) -> None:
    world = World(store, Quotas(), FakeModels())
    async with world.turns:
        await world.ask(0)
        turn = world.sinks.shown[0].turn
        summary = Expense("summary", "m", Usage(400, 100, cost=Decimal("0.25")))
        attempt = Expense("attempt", "m", Usage(7, 7))
        await store.add_expenses(turn.conversation_id, [summary, summary, attempt])
        use = await world.turns.gate.load_use(turn.key, turn.author)
    assert use.summaries == Used(tokens=1000, cost_nanos=500_000_000)
    assert use.month.tokens == 15
    told = render_use(use, "slack")
    assert (
        "Summaries of this conversation took 1,000 tokens, $0.50, which is not counted as yours"
        in told
    )


async def test_question_that_nobody_answered_took_nothing(store: Store) -> None:
    world = World(store, Quotas(), FakeModels(lambda _: OverloadedError("fake/model", "away")))
    async with world.turns:
        await world.ask(0)
    assert await world.sum_up() == Totals(questions=1, failed=1)


async def test_price_that_is_unknown_stops_no_answer(store: Store) -> None:
    world = World(store, Quotas(), FakeModels(), Prices(lambda _: "http://127.0.0.1"))
    async with world.turns:
        await world.ask(0)
    totals = await world.sum_up()
    assert (totals.unknown_costs, totals.cost_nanos) == (1, 0)
    assert world.sinks.shown[-1].text == "Answer to question 0"


async def test_who_waits_hears_how_many_are_ahead_and_then_the_answer(store: Store) -> None:
    release = asyncio.Event()

    class WaitingModels(FakeModels):
        def stream(self, ref: ModelRef, request: Request):
            request.asker.on_place(2)
            return super().stream(ref, request)

        async def _chunks(self, answer: str, usage: Usage) -> AsyncIterator[Chunk]:
            await release.wait()
            self.requests[-1].asker.on_place(None)
            yield Chunk(answer, "stop", Usage(1, 1))

    world = World(store, Quotas(), WaitingModels())
    async with world.turns, asyncio.timeout(20):
        await world.turns.submit(make_incoming("question"))
        while not (world.sinks.shown and world.sinks.shown[-1].held):
            world.sinks.changed.clear()
            await world.sinks.changed.wait()
        release.set()
        await world.turns.wait_idle(timedelta(seconds=20))
    shown = world.sinks.shown[-1]
    assert shown.held == ["Queued, 2 ahead of you."]
    assert shown.text == "Answer to question"
    asker = world.models.requests[-1].asker
    assert (asker.person, asker.channel) == ("test/U1", "test/w1/c1")
