"""What the metrics hear of turns, and that they stop nothing."""

import logging

import pytest

from core.conversation import TurnState
from core.errors import OverloadedError
from core.metrics import Event, FindCost, GuardedMetrics, TurnEnded
from core.store.base import Store
from tests.core.cores import open_core
from tests.fakes import make_incoming
from tests.metrics import RecordingMetrics


class BrokenMetrics:
    """Takes nothing."""

    def note(self, event: Event) -> None:
        raise LookupError("nobody expected this")

    def price_by(self, find_cost: FindCost) -> None:
        raise LookupError("nobody expected this")


async def test_a_turn_is_told_at_its_end(sqlite_store: Store):
    metrics = RecordingMetrics()
    async with open_core(sqlite_store, metrics=metrics) as core:
        await core.turns.submit(make_incoming("Hello"))
        [shown] = await core.sinks.wait_for(1)
        await core.settled(shown.turn.id)
        core.models.answer = lambda _: OverloadedError("fake/model", "HTTP 503")
        await core.turns.submit(make_incoming("Hello", number=1))
        await core.sinks.wait_for(2)
        await core.settled(shown.turn.id)
    told = metrics.of(TurnEnded)
    assert [(event.platform, event.state) for event in told] == [
        ("test", TurnState.DONE),
        ("test", TurnState.FAILED),
    ]
    assert all(0 <= event.took.total_seconds() < 10 for event in told)


async def test_a_turn_that_people_stop_is_told_as_cancelled(sqlite_store: Store):
    metrics = RecordingMetrics()
    async with open_core(sqlite_store, metrics=metrics) as core:
        core.models.hold()
        incoming = make_incoming("Hello")
        await core.turns.submit(incoming)
        await core.sinks.wait_for_update()
        await core.threads.clear(incoming.key)
        [shown] = await core.sinks.wait_for(1)
        await core.settled(shown.turn.id)
    assert [event.state for event in metrics.of(TurnEnded)] == [TurnState.CANCELLED]


async def test_turns_that_run_and_that_wait_are_counted_apart(sqlite_store: Store):
    async with open_core(sqlite_store) as core:
        core.models.hold()
        await core.turns.submit(make_incoming("first"))
        await core.sinks.wait_for_update()
        await core.turns.submit(make_incoming("second", number=1))
        await core.turns.submit(make_incoming("third", number=2))
        assert (core.turns.running_count, core.turns.waiting_count) == (1, 2)
        core.models.release()
        await core.sinks.wait_for(3)
        await core.settled(1)
        assert (core.turns.running_count, core.turns.waiting_count) == (0, 0)


async def test_metrics_that_fail_stop_no_reply_and_say_so_once(
    sqlite_store: Store, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO, "skein.metrics")
    guarded = GuardedMetrics(BrokenMetrics())
    guarded.price_by(lambda provider, model, usage: None)
    async with open_core(sqlite_store, metrics=guarded) as core:
        for number in range(2):
            await core.turns.submit(make_incoming("Hello", number=number))
        shown = await core.sinks.wait_for(2)
        assert await core.settled(shown[1].turn.id) is TurnState.DONE
    assert caplog.text.count("the metrics are not exact") == 1
