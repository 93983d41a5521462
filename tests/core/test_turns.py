"""One message, one reply: in order within a conversation, side by side across, nothing lost."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from core import turns
from core.conversation import Author, ReplyMessage, ThreadKey, Turn, TurnState, Usage
from core.errors import AuthError, OverloadedError, StoreError
from core.providers.base import Chunk, ModelRef, Request
from core.run import BREAK_NOTE, INTERRUPTED, LENGTH_NOTE, STOPPED, TurnOptions
from core.sink import RecordReply, ReplySink
from core.store.base import Store
from core.store.sqlite import open_sqlite
from core.threads import END_OF_TIME, Threads
from core.turns import Turns
from tests.fakes import FakeModels, RecordingSinks, make_incoming

OPTIONS = TurnOptions(system_prompt="Be kind.")


@dataclass
class Core:
    store: Store
    models: FakeModels
    sinks: RecordingSinks
    turns: Turns
    threads: Threads

    async def settled(self, turn_id: int) -> TurnState:
        """Give a turn's state once no lane works on anything."""
        assert await self.turns.wait_idle(timedelta(seconds=10))
        turn = await self.store.find_turn(turn_id)
        assert turn
        return turn.state


@asynccontextmanager
async def open_core(store: Store, options: TurnOptions = OPTIONS) -> AsyncIterator[Core]:
    models, sinks = FakeModels(), RecordingSinks()
    async with Turns(store, models, options) as turns:
        turns.attach("test", sinks.open_sink)
        yield Core(store, models, sinks, turns, Threads(store, models, turns))


@pytest.fixture
async def core(sqlite_store: Store) -> AsyncIterator[Core]:
    async with open_core(sqlite_store) as core:
        yield core


async def test_a_message_gets_one_streamed_reply(core: Core):
    assert await core.turns.submit(make_incoming("Hello you"))
    [shown] = await core.sinks.wait_for(1)
    assert shown.text == "Answer to Hello you"
    assert shown.updates[0] == "Answer"
    assert shown.updates[-1] == shown.text
    assert await core.settled(shown.turn.id) is TurnState.DONE
    assert core.models.requests[0].system == "Be kind."


async def test_a_redelivered_message_is_answered_once(core: Core):
    assert await core.turns.submit(make_incoming("Hello"))
    assert not await core.turns.submit(make_incoming("Hello"))
    await core.sinks.wait_for(1)
    assert not await core.turns.submit(make_incoming("Hello"))
    assert len(core.models.requests) == 1


async def test_a_message_recorded_by_a_call_that_was_cut_off_is_answered_when_it_comes_again(
    core: Core,
):
    await core.store.record(make_incoming("Hello"))
    assert not await core.turns.submit(make_incoming("Hello"))
    await core.sinks.wait_for(1)


async def test_the_thread_is_remembered_and_no_other_is_seen(core: Core):
    await core.turns.submit(make_incoming("my name is Ada"))
    await core.turns.submit(make_incoming("unrelated", thread="t2"))
    await core.sinks.wait_for(2)
    await core.turns.submit(make_incoming("who am I?", number=1))
    await core.sinks.wait_for(3)
    assert [message.text for message in core.models.requests[-1].messages] == [
        "my name is Ada",
        "Answer to my name is Ada",
        "who am I?",
    ]


async def test_an_answer_is_delivered_though_the_word_that_it_was_stored_got_lost(
    core: Core, monkeypatch: pytest.MonkeyPatch
):
    save_reply = core.store.save_reply

    async def save_and_break(turn: Turn, text: str, model: str, usage: Usage) -> bool:
        monkeypatch.undo()
        assert await save_reply(turn, text, model, usage)
        raise StoreError("the connection broke after the commit")

    monkeypatch.setattr(core.store, "save_reply", save_and_break)
    await core.turns.submit(make_incoming("Hello"))
    [shown] = await core.sinks.wait_for(1)
    assert (shown.text, shown.notice) == ("Answer to Hello", "")
    assert await core.settled(shown.turn.id) is TurnState.DONE
    assert len(core.models.requests) == 1


async def test_an_answer_that_breaks_off_is_kept_marked_and_by_whom(core: Core):
    class BreakingModels(FakeModels):
        @asynccontextmanager
        async def stream(self, ref: ModelRef, request: Request):
            self.requests.append(request)
            yield self._break()

        async def _break(self) -> AsyncIterator[Chunk]:
            other = self.get_model("other")
            yield Chunk("One\n```py\nx = 1", answered_by=self.default)
            yield Chunk(answered_by=other, is_restart=True)
            yield Chunk("Two")
            raise OverloadedError("fake/other", "cut off")

    async with Turns(core.store, BreakingModels(), OPTIONS) as turns:
        turns.attach("test", core.sinks.open_sink)
        await turns.submit(make_incoming("Hello"))
        [shown] = await core.sinks.wait_for(1)
        assert await turns.wait_idle(timedelta(seconds=10))
    said = (
        "One\n```py\nx = 1\n```\n\n_(The answer broke off here. fake/other answers anew:)_\n\nTwo"
    )
    assert (shown.text, shown.notice) == (said + BREAK_NOTE, "")
    turn = await core.store.find_turn(shown.turn.id)
    assert turn
    assert turn.state is TurnState.DONE
    conversation = await core.store.load(shown.turn.key)
    assert conversation.messages[-1].text == said + BREAK_NOTE


async def test_a_second_message_waits_for_the_first_turn(core: Core):
    core.models.hold()
    await core.turns.submit(make_incoming("first"))
    await core.sinks.wait_for_update()
    await core.turns.submit(make_incoming("second", number=1))
    assert len(core.models.requests) == 1
    core.models.release()
    shown = await core.sinks.wait_for(2)
    assert [each.text for each in shown] == ["Answer to first", "Answer to second"]
    assert core.models.most_at_once == 1
    assert [message.text for message in core.models.requests[1].messages][:2] == [
        "first",
        "Answer to first",
    ]


async def test_waiting_messages_run_by_platform_time(core: Core):
    core.models.hold()
    await core.turns.submit(make_incoming("first"))
    await core.sinks.wait_for_update()
    for number in (3, 1, 2):
        await core.turns.submit(make_incoming(f"n{number}", number=number))
    core.models.release()
    shown = await core.sinks.wait_for(4)
    assert [each.turn.text for each in shown] == ["first", "n1", "n2", "n3"]


async def test_what_waited_is_answered_by_one_reply_after_the_last(sqlite_store: Store):
    async with open_core(sqlite_store, replace(OPTIONS, waiting="merge")) as core:
        core.models.hold()
        await core.turns.submit(make_incoming("first"))
        await core.sinks.wait_for_update()
        for number in (2, 1):
            await core.turns.submit(make_incoming(f"n{number}", number=number))
        core.models.release()
        shown = await core.sinks.wait_for(2)
        assert [each.turn.text for each in shown] == ["first", "n2"]
        assert core.models.requests[1].messages[-1].text == "n1\n\nn2"
        await core.settled(shown[1].turn.id)
        assert await core.store.load_unfinished() == []
        history = await core.threads.history(shown[0].turn.key)
        assert [each.message.text for each in history][2:4] == ["n1", "n2"]


async def test_conversations_do_not_wait_for_each_other(core: Core):
    core.models.hold()
    for number in range(20):
        await core.turns.submit(make_incoming("go", thread=f"t{number}"))
    async with asyncio.timeout(10):
        await core.models.many_at_once(20)
    core.models.release()
    await core.sinks.wait_for(20)


async def test_a_failed_answer_is_told_and_its_question_is_not_sent_again(core: Core):
    good = core.models.answer
    core.models.answer = lambda request: AuthError("fake/model", "401 bad key")
    await core.turns.submit(make_incoming("doomed"))
    [shown] = await core.sinks.wait_for(1)
    assert "its key is refused" in shown.notice
    assert await core.settled(shown.turn.id) is TurnState.FAILED
    core.models.answer = good
    await core.turns.submit(make_incoming("again", number=1))
    await core.sinks.wait_for(2)
    assert [message.text for message in core.models.requests[-1].messages] == ["again"]
    history = await core.threads.history(shown.turn.key)
    assert (history[0].message.text, history[0].is_sent) == ("doomed", False)


async def test_an_empty_answer_is_a_failure(core: Core):
    core.models.answer = lambda request: "  "
    await core.turns.submit(make_incoming("say nothing"))
    [shown] = await core.sinks.wait_for(1)
    assert "no answer" in shown.notice


async def test_an_unexpected_error_is_told_without_its_details(core: Core):
    core.models.answer = lambda request: ZeroDivisionError("secret internals")
    await core.turns.submit(make_incoming("boom"))
    [shown] = await core.sinks.wait_for(1)
    assert shown.notice == "Something went wrong on my side. Please ask again."
    await core.turns.submit(make_incoming("still there?", number=1))
    await core.sinks.wait_for(2)


async def test_an_answer_cut_by_its_length_says_so(core: Core):
    core.models.finish_reason = "length"
    await core.turns.submit(make_incoming("long"))
    [shown] = await core.sinks.wait_for(1)
    assert "length limit" in shown.text


async def test_an_undeliverable_reply_ends_failed_and_the_next_turn_runs(core: Core):
    core.sinks.refuse = "channel_not_found"
    await core.turns.submit(make_incoming("hello"))
    await core.sinks.wait_for_update()
    await core.turns.submit(make_incoming("again", number=1))
    await core.sinks.wait_for_refusals(1)
    core.sinks.refuse = ""
    await core.sinks.wait_for(1)
    turn = await core.store.find_turn(core.sinks.shown[0].turn.id)
    assert turn
    assert turn.state is TurnState.FAILED
    assert "channel_not_found" in (turn.error or "")


async def test_a_turn_for_which_no_sink_opens_does_not_hold_up_the_next(core: Core):
    def open_sink(turn: Turn, record: RecordReply) -> ReplySink:
        if turn.text == "poison":
            raise ValueError("no such channel")
        return core.sinks.open_sink(turn, record)

    core.turns.attach("test", open_sink)
    await core.turns.submit(make_incoming("poison"))
    await core.turns.submit(make_incoming("cure", number=1))
    [shown] = await core.sinks.wait_for(1)
    assert shown.text == "Answer to cure"


async def test_what_is_shown_always_begins_as_the_whole_answer_does(core: Core):
    core.models.answer = lambda request: "\n\n \nan\n answer \n"
    await core.turns.submit(make_incoming("hi"))
    [shown] = await core.sinks.wait_for(1)
    assert shown.text == "an\n answer"
    assert all(update and shown.text.startswith(update) for update in shown.updates)


async def test_an_answer_cut_inside_code_says_so_below_the_code(core: Core):
    core.models.answer = lambda request: "```py\nx = 1"
    core.models.finish_reason = "length"
    await core.turns.submit(make_incoming("code"))
    [shown] = await core.sinks.wait_for(1)
    assert shown.text == f"```py\nx = 1\n```{LENGTH_NOTE}"


async def test_a_store_that_fails_behind_a_delivered_reply_asks_for_no_second_question(
    core: Core, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(turns, "FIRST_BACK_OFF", timedelta())
    with closing(sqlite3.connect(tmp_path / "skein.db")) as vandal:
        vandal.execute(
            "CREATE TRIGGER full_disk BEFORE UPDATE ON turns WHEN new.state = 'done' "
            "AND new.attempts = 1 BEGIN SELECT RAISE(ABORT, 'no space'); END"
        )
    await core.turns.submit(make_incoming("hi"))
    shown = await core.sinks.wait_for(2)
    assert [(each.text, each.notice) for each in shown] == [("Answer to hi", "")] * 2
    assert len(core.models.requests) == 1
    assert await core.settled(shown[0].turn.id) is TurnState.DONE


async def test_speakers_are_named_once_there_are_two(core: Core):
    await core.turns.submit(make_incoming("hi"))
    await core.sinks.wait_for(1)
    await core.turns.submit(make_incoming("me too", number=1, author=Author("U2", "Grace")))
    await core.sinks.wait_for(2)
    texts = [message.text for message in core.models.requests[-1].messages]
    assert texts == ["Ada: hi", "Answer to hi", "Grace: me too"]


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
    async with asyncio.timeout(5):
        await core.turns.halt()


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


async def test_the_chosen_model_answers(core: Core):
    key = make_incoming("").key
    await core.threads.choose_model(key, "other")
    await core.turns.submit(make_incoming("hi"))
    await core.sinks.wait_for(1)
    assert core.models.requests[0].model == "other"
    await core.threads.choose_model(key, None)
    assert (await core.threads.get_model(key)).model == "model"


async def test_a_store_that_cannot_record_raises_so_that_nothing_is_acknowledged(
    core: Core, tmp_path: Path
):
    with closing(sqlite3.connect(tmp_path / "skein.db")) as vandal:
        vandal.execute("DROP TABLE messages")
    with pytest.raises(StoreError):
        await core.turns.submit(make_incoming("lost?"))


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


async def test_takes_part_only_where_it_was_spoken_to(core: Core):
    assert not await core.threads.takes_part(ThreadKey("test", "w1", "c1", "t1"))
    asked = make_incoming("hi", number=5)
    await core.turns.submit(asked)
    assert await core.threads.takes_part(asked.key)
    assert await core.threads.takes_part(asked.key, asked.sent_at + timedelta(seconds=1))
    assert not await core.threads.takes_part(asked.key, asked.sent_at)
