"""What is cleared, stopped or left by a process that ended, and what becomes of it."""

import asyncio
from datetime import timedelta

import pytest

from core import lane, lease
from core.conversation import ReplyMessage, TurnState, Usage
from core.errors import AuthError
from core.run import INTERRUPTED, STOPPED, TurnOptions
from core.store.sqlite import open_sqlite
from core.threads import END_OF_TIME
from tests.core.cores import Core, open_core
from tests.fakes import make_incoming


@pytest.fixture(autouse=True)
def no_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be noticed late that has to be noticed at once."""
    monkeypatch.setattr(lease, "HEARTBEAT", timedelta(minutes=1))


async def test_clear_ends_the_running_turn_and_those_that_wait(core: Core):
    core.models.hold()
    await core.turns.submit(make_incoming("first"))
    shown = await core.sinks.wait_for_update()
    await core.turns.submit(make_incoming("second", number=1))
    assert await core.threads.clear(shown.turn.key)
    await core.sinks.wait_for(1)
    assert (shown.text, shown.notice) == ("Answer", STOPPED)
    assert await core.settled(shown.turn.id) is TurnState.CANCELLED
    core.models.release()
    await core.turns.submit(make_incoming("afresh", number=2))
    await core.sinks.wait_for(2)
    assert [message.text for message in core.models.requests[-1].messages] == ["afresh"]
    assert len(core.models.requests) == 2


async def test_a_clear_before_the_model_is_asked_asks_nothing(core: Core):
    key = make_incoming("").key
    core.sinks.on_start = lambda: core.threads.clear(key)
    await core.turns.submit(make_incoming("never mind"))
    [shown] = await core.sinks.wait_for(1)
    assert (shown.text, shown.notice) == ("", STOPPED)
    assert core.models.requests == []
    assert await core.settled(shown.turn.id) is TurnState.CANCELLED


async def test_a_clear_elsewhere_before_the_model_is_asked_asks_nothing(core: Core):
    """Another process cleared: only the store tells."""
    key = make_incoming("").key
    core.sinks.on_start = lambda: core.store.clear(key, END_OF_TIME)
    await core.turns.submit(make_incoming("never mind"))
    [shown] = await core.sinks.wait_for(1)
    assert shown.notice == STOPPED
    assert core.models.requests == []


async def test_a_clear_before_the_answer_is_stored_closes_what_was_shown(core: Core):
    key = make_incoming("").key
    core.models.on_answered = lambda: core.store.clear(key, END_OF_TIME)
    await core.turns.submit(make_incoming("too late"))
    [shown] = await core.sinks.wait_for(1)
    assert (shown.text, shown.notice) == ("Answer to too late", STOPPED)
    assert await core.settled(shown.turn.id) is TurnState.CANCELLED


async def test_a_halt_is_not_lost_in_a_stop(core: Core):
    core.models.hold()
    core.sinks.on_fail = asyncio.Event().wait  # a platform that takes for ever
    await core.turns.submit(make_incoming("stop, and halt"))
    shown = await core.sinks.wait_for_update()
    core.turns.stop([shown.turn.id])
    async with asyncio.timeout(20):
        await core.turns.halt()


async def test_however_a_turn_ends_its_sink_is_closed(core: Core):
    await core.turns.submit(make_incoming("delivered", thread="t1"))
    await core.sinks.wait_for(1)
    core.models.answer = lambda _: AuthError("fake/model", "401")
    await core.turns.submit(make_incoming("failed", thread="t2"))
    await core.sinks.wait_for(2)
    core.models.answer = lambda _: "never whole"
    core.models.hold()
    await core.turns.submit(make_incoming("halted", thread="t3"))
    await core.sinks.wait_for_update()
    await core.turns.halt()
    closed = [(each.turn.text, each.is_closed) for each in core.sinks.shown]
    assert closed == [("delivered", True), ("failed", True), ("halted", True)]


async def test_a_clear_of_the_past_leaves_what_came_later(core: Core):
    await core.turns.submit(make_incoming("old"))
    await core.sinks.wait_for(1)
    at = make_incoming("", number=5).sent_at
    await core.threads.clear(core.sinks.shown[0].turn.key, at)
    await core.turns.submit(make_incoming("new", number=10))
    await core.sinks.wait_for(2)
    await core.threads.clear(core.sinks.shown[0].turn.key, at)
    await core.turns.submit(make_incoming("newer", number=11))
    await core.sinks.wait_for(3)
    assert core.models.requests[-1].messages[0].text == "new"


async def test_drain_lets_running_turns_end_and_begins_no_other(core: Core):
    core.models.hold()
    await core.turns.submit(make_incoming("running"))
    await core.sinks.wait_for_update()
    await core.turns.submit(make_incoming("waiting", number=1))
    draining = asyncio.create_task(core.turns.drain(timedelta(seconds=5)))
    await asyncio.sleep(0)
    core.models.release()
    await draining
    assert [each.text for each in core.sinks.shown] == ["Answer to running"]
    [left] = await core.store.load_unfinished()
    assert (left.text, left.state) == ("waiting", TurnState.QUEUED)


async def test_what_a_stopped_process_left_is_taken_up_in_order(database_url: str):
    async with open_sqlite(database_url) as store:
        async with open_core(store) as core:
            core.models.hold()
            await core.turns.submit(make_incoming("half done"))
            await core.sinks.wait_for_update()
            await core.turns.submit(make_incoming("never begun", number=1))
        assert len(await store.load_unfinished()) == 2
    async with open_sqlite(database_url) as store, open_core(store) as core:
        assert await core.turns.resume("test") == 1
        assert await core.turns.resume("elsewhere") == 0
        shown = await core.sinks.wait_for(2)
        assert [each.text for each in shown] == ["Answer to half done", "Answer to never begun"]
        assert shown[0].turn.attempts == 2


async def test_a_stored_answer_is_delivered_without_asking_again(database_url: str):
    async with open_sqlite(database_url) as store:
        recorded = await store.record(make_incoming("question"))
        turn = await store.start_next(recorded.turn.conversation_id)
        assert turn
        await store.add_reply_message(turn, ReplyMessage(0, "torso"))
        await store.save_reply(turn, "the stored answer", "fake/model", Usage())
    async with open_sqlite(database_url) as store, open_core(store) as core:
        await core.turns.resume("test")
        [shown] = await core.sinks.wait_for(1)
        assert shown.text == "the stored answer"
        assert shown.turn.replies == (ReplyMessage(0, "torso"),)
        assert core.models.requests == []
        assert await core.settled(shown.turn.id) is TurnState.DONE


@pytest.mark.parametrize(
    "options",
    [
        TurnOptions("", max_attempts=1),
        TurnOptions("", max_age=timedelta(0)),
    ],
    ids=["begun too often", "too old"],
)
async def test_a_turn_beyond_its_bounds_ends_with_an_apology(
    database_url: str, options: TurnOptions
):
    async with open_sqlite(database_url) as store:
        recorded = await store.record(make_incoming("cursed"))
        await store.start_next(recorded.turn.conversation_id)
    async with open_sqlite(database_url) as store, open_core(store, options) as core:
        await core.turns.resume("test")
        [shown] = await core.sinks.wait_for(1)
        assert shown.notice == INTERRUPTED
        assert await core.settled(shown.turn.id) is TurnState.FAILED


async def test_a_question_that_waited_while_the_machine_slept_gets_an_apology(
    core: Core, monkeypatch: pytest.MonkeyPatch
):
    core.models.hold()
    await core.turns.submit(make_incoming("first"))
    await core.sinks.wait_for_update()
    await core.turns.submit(make_incoming("second", number=1))
    clock = lane.read_clock
    monkeypatch.setattr(
        lane, "read_clock", lambda: clock() + TurnOptions("").max_age.total_seconds()
    )
    core.models.release()
    shown = await core.sinks.wait_for(2)
    assert [each.notice for each in shown] == ["", INTERRUPTED]


async def test_restarts_during_one_answer_are_no_crashes(database_url: str):
    options = TurnOptions("", max_attempts=1)
    for _ in range(4):
        async with open_sqlite(database_url) as store, open_core(store, options) as core:
            core.models.hold()
            if not await core.turns.resume("test"):
                await core.turns.submit(make_incoming("slow"))
            await core.sinks.wait_for_update()
    async with open_sqlite(database_url) as store, open_core(store, options) as core:
        await core.turns.resume("test")
        [shown] = await core.sinks.wait_for(1)
        assert shown.text == "Answer to slow"
        assert (shown.turn.attempts, shown.turn.crashes) == (5, 0)
