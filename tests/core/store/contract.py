"""What every store promises. Each backend runs this suite through the `store` fixture."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from core.conversation import Author, Incoming, ReplyMessage, ThreadKey, Turn, TurnState, Usage
from core.store.base import Store
from tests.core.store.values import (
    ANN,
    KEY,
    OTHER,
    Calendar,
    OpenStore,
    answer,
    ask,
    at,
    complete,
    get_turn,
    load_texts,
    queue,
    start,
)

S = TurnState


async def states(store: Store, *turns: Turn) -> list[TurnState]:
    return [(await get_turn(store, turn.id)).state for turn in turns]


class JournalContract:
    """A message gets one turn, and the turn moves forward only."""

    async def test_recorded_message_is_a_queued_turn(
        self, store: Store, calendar: Calendar
    ) -> None:
        recorded = await store.record(ask(1))
        assert recorded.is_new
        assert recorded.turn == Turn(
            id=recorded.turn.id,
            conversation_id=recorded.turn.conversation_id,
            key=KEY,
            message_id="m1",
            author=ANN,
            text="question 1",
            sent_at=at(1),
            received_at=calendar.now(),
            state=S.QUEUED,
        )
        assert await store.find_turn(recorded.turn.id) == recorded.turn

    async def test_redelivered_message_has_the_turn_it_had(self, store: Store) -> None:
        first = await complete(store, ask(1))
        again = await store.record(ask(1, text="the same, told again"))
        assert not again.is_new
        assert again.turn.id == first.id
        assert again.turn.state is S.DONE
        assert again.turn.text == "question 1"

    async def test_message_recorded_by_many_tasks_at_once_is_one_turn(self, store: Store) -> None:
        recorded = await asyncio.gather(*(store.record(ask(1)) for _ in range(20)))
        assert sum(one.is_new for one in recorded) == 1
        assert len({one.turn.id for one in recorded}) == 1
        assert len(await store.load_history(KEY)) == 1

    async def test_same_message_id_elsewhere_is_another_message(self, store: Store) -> None:
        keys = [
            KEY,
            ThreadKey("slack", "T1", "C2", KEY.thread),
            ThreadKey("slack", "T2", "C1", KEY.thread),
            ThreadKey("discord", "T1", "C1", KEY.thread),
        ]
        recorded = [await store.record(ask(1, key=key, message_id="m")) for key in keys]
        assert all(one.is_new for one in recorded)
        assert len({one.turn.conversation_id for one in recorded}) == 4

    async def test_times_of_any_zone_come_back_exact_in_utc(self, store: Store) -> None:
        zone = timezone(timedelta(hours=5, minutes=30))
        sent_at = datetime(2026, 3, 1, 0, 0, 0, 123457, tzinfo=zone)
        turn = await queue(store, replace(ask(1), sent_at=sent_at))
        assert turn.sent_at == sent_at
        assert turn.sent_at.tzinfo is UTC

    @pytest.mark.parametrize("text", ["", "ä\n\U0001f9f6", "';--", ":name ? %s {}", "x" * 100_000])
    async def test_text_comes_back_as_it_was(self, store: Store, text: str) -> None:
        turn = await answer(store, replace(ask(1), text=text), text)
        assert turn.text == text
        assert (await get_turn(store, turn.id)).reply_text == text

    async def test_text_that_no_database_holds_is_mended(self, store: Store) -> None:
        turn = await start(store, ask(1, text="a\x00b\ud800c", author=Author("U1", "A\ud800")))
        assert turn.text == "a\ufffdb\ufffdc"
        assert turn.author.name == "A\ufffd"
        assert await store.fail(turn, "no \udfff")
        assert (await get_turn(store, turn.id)).error == "no \ufffd"

    async def test_command_is_a_done_turn_and_no_message(self, store: Store) -> None:
        assert await store.record_command(ask(1))
        assert not await store.record_command(ask(1))
        recorded = await store.record(ask(1))
        assert not recorded.is_new
        assert recorded.turn.state is S.DONE
        assert await store.load_history(KEY) == []
        assert await load_texts(store) == []
        assert await store.load_recent("slack") == []

    async def test_unknown_turn_is_none_and_does_not_move(self, store: Store) -> None:
        stranger = replace(await queue(store, ask(1)), id=7)
        assert await store.find_turn(7) is None
        assert await store.start_next(7) is None
        assert await store.take_over(7) is None
        assert not await store.extend(stranger)
        assert not await store.add_reply_message(stranger, ReplyMessage(0, "r"))
        assert not await store.save_reply(stranger, "text", "model", Usage())
        assert not await store.finish(stranger)
        assert not await store.fail(stranger, "reason")
        assert not await store.cancel(stranger, "reason")
        assert not await store.reject(stranger, "reason")

    async def test_turns_start_by_platform_time_not_by_arrival(self, store: Store) -> None:
        turns = {seconds: await queue(store, ask(seconds)) for seconds in (3, 1, 2)}
        order: list[int] = []
        while turn := await store.start_next(turns[1].conversation_id):
            order.append(turn.id)
            assert await store.cancel(turn, "next")
        assert order == [turns[1].id, turns[2].id, turns[3].id]

    async def test_started_turn_counts_an_attempt(self, store: Store) -> None:
        turn = await start(store, ask(1))
        assert (turn.state, turn.attempts) == (S.RUNNING, 1)
        assert await store.find_turn(turn.id) == turn

    async def test_second_turn_waits_while_one_runs_or_delivers(self, store: Store) -> None:
        first = await start(store, ask(1))
        second = await queue(store, ask(2))
        assert await store.start_next(first.conversation_id) is None
        assert await store.save_reply(first, "answer", "model", Usage())
        assert await store.start_next(first.conversation_id) is None
        assert await store.finish(first)
        started = await store.start_next(first.conversation_id)
        assert started is not None
        assert started.id == second.id

    async def test_turn_is_started_once_by_many_tasks(self, store: Store) -> None:
        turns = [await queue(store, ask(seconds)) for seconds in range(3)]
        started = await asyncio.gather(
            *(store.start_next(turns[0].conversation_id) for _ in range(10))
        )
        assert [turn.id for turn in started if turn] == [turns[0].id]

    async def test_conversations_do_not_wait_for_one_another(self, store: Store) -> None:
        await start(store, ask(1))
        assert (await start(store, ask(2, key=OTHER))).state is S.RUNNING

    async def test_taking_over_is_for_turns_under_way(self, store: Store) -> None:
        queued = await queue(store, ask(1))
        assert await store.take_over(queued.conversation_id) is None
        running = await store.start_next(queued.conversation_id)
        assert running is not None
        taken = await store.take_over(running.conversation_id)
        assert taken is not None
        assert (taken.state, taken.attempts) == (S.RUNNING, 2)
        assert await store.save_reply(taken, "answer", "model", Usage())
        taken = await store.take_over(running.conversation_id)
        assert taken is not None
        assert (taken.state, taken.attempts) == (S.DELIVERING, 3)
        assert taken.reply_text == "answer"
        assert await store.finish(taken)
        assert await store.take_over(running.conversation_id) is None

    async def test_who_was_taken_over_changes_nothing_any_more(self, store: Store) -> None:
        first = await start(store, ask(1))
        assert await store.extend(first)
        second = await store.take_over(first.conversation_id)
        assert second is not None
        assert not await store.extend(first)
        assert not await store.add_reply_message(first, ReplyMessage(0, "late"))
        assert not await store.save_reply(first, "late", "model", Usage())
        assert not await store.fail(first, "late")
        assert not await store.cancel(first, "late")
        assert not await store.reject(first, "late")
        assert await get_turn(store, first.id) == second
        assert await store.extend(second)
        assert await store.save_reply(second, "answer", "model", Usage())
        assert not await store.finish(first)
        assert await store.finish(second)
        assert not await store.extend(second)
        assert await load_texts(store) == ["question 1", "answer"]

    async def test_turn_that_was_handed_back_is_another_ones_at_once(
        self, store: Store, open_store: OpenStore
    ) -> None:
        first = await start(store, ask(1))
        assert await store.hand_back() == 1
        async with open_store() as other:
            assert await other.load_waiting(KEY.platform) == [first.conversation_id]
            second = await other.take_over(first.conversation_id)
            assert second is not None
            assert (second.attempts, second.crashes) == (2, 0)
            assert not await store.finish(first)
            assert await store.hand_back() == 0

    async def test_attempt_that_ended_without_a_word_counts_as_a_crash(
        self, store: Store, open_store: OpenStore
    ) -> None:
        turn = await start(store, ask(1))
        for crashes in (1, 2):
            taken = await store.take_over(turn.conversation_id)
            assert taken is not None
            assert taken.crashes == crashes
        assert await store.hand_back() == 1
        assert await store.hand_back() == 0
        async with open_store() as other:
            taken = await other.take_over(turn.conversation_id)
            assert taken is not None
            assert (taken.attempts, taken.crashes) == (4, 2)

    async def test_conversations_wait_oldest_first_on_their_platform(self, store: Store) -> None:
        later = await queue(store, ask(5, key=OTHER))
        earlier = await queue(store, ask(4))
        await queue(store, ask(3, key=ThreadKey("discord", "G", "C")))
        await complete(store, ask(1, key=ThreadKey("slack", "T1", "C9")))
        assert await store.load_waiting("slack") == [
            earlier.conversation_id,
            later.conversation_id,
        ]

    async def test_work_that_only_one_may_do_is_done(self, store: Store) -> None:
        done: list[str] = []

        async def work() -> None:
            done.append("done")

        async with asyncio.timeout(10):
            await store.run_alone("work", work)
        assert done == ["done"]

    async def test_reply_is_saved_once(self, store: Store) -> None:
        turn = await start(store, ask(1))
        assert await store.save_reply(turn, "first", "model", Usage(1, 2, 3))
        assert not await store.save_reply(turn, "second", "model", Usage())
        assert (await get_turn(store, turn.id)).reply_text == "first"
        assert await load_texts(store) == ["question 1", "first"]

    async def test_moves_start_from_their_states_only(self, store: Store) -> None:
        turn = await queue(store, ask(1))
        assert not await store.save_reply(turn, "text", "model", Usage())
        assert not await store.finish(turn)
        started = await store.start_next(turn.conversation_id)
        assert started is not None
        assert not await store.finish(started)
        await store.save_reply(started, "text", "model", Usage())
        assert not await store.reject(started, "too late for a limit")
        assert await store.finish(started)
        assert not await store.finish(started)

    @pytest.mark.parametrize("move", ["fail", "cancel", "reject"])
    @pytest.mark.parametrize("begin", [queue, start])
    async def test_ended_turn_stays_ended(
        self, store: Store, begin: Callable[[Store, Incoming], Awaitable[Turn]], move: str
    ) -> None:
        turn = await begin(store, ask(1))
        assert await getattr(store, move)(turn, "because")
        ended = await get_turn(store, turn.id)
        assert ended.state.is_final
        assert ended.error == "because"
        for again in (store.fail, store.cancel, store.reject):
            assert not await again(turn, "again")
        assert not await store.save_reply(turn, "late", "model", Usage())
        assert not await store.finish(turn)
        assert await store.take_over(turn.conversation_id) is None
        assert await store.find_turn(turn.id) == ended
        assert await load_texts(store) == []

    async def test_reply_messages_come_back_by_part(self, store: Store) -> None:
        turn = await start(store, ask(1))
        await store.add_reply_message(turn, ReplyMessage(1, "r1"))
        await store.add_reply_message(turn, ReplyMessage(0, "r0", "stream"))
        await store.add_reply_message(turn, ReplyMessage.notice("r2"))
        expected = (
            ReplyMessage.notice("r2"),
            ReplyMessage(0, "r0", "stream"),
            ReplyMessage(1, "r1"),
        )
        assert (await get_turn(store, turn.id)).replies == expected
        assert (await store.record(ask(1))).turn.replies == expected
        assert [unfinished.replies for unfinished in await store.load_unfinished()] == [expected]

    async def test_removed_message_of_a_reply_is_forgotten_by_its_latest_attempt_alone(
        self, store: Store
    ) -> None:
        first = await start(store, ask(1))
        parts = [ReplyMessage(part, f"r{part}") for part in range(3)]
        for part in parts:
            assert await store.add_reply_message(first, part)
        second = await store.take_over(first.conversation_id)
        assert second is not None
        assert not await store.remove_reply_message(first, parts[0])
        assert (await get_turn(store, first.id)).replies == tuple(parts)
        assert await store.remove_reply_message(second, parts[2])
        assert await store.remove_reply_message(second, parts[2])
        assert (await get_turn(store, first.id)).replies == tuple(parts[:2])

    async def test_message_of_a_reply_shows_one_part(self, store: Store) -> None:
        turn = await start(store, ask(1))
        for part in range(3):
            await store.add_reply_message(turn, ReplyMessage(part, f"r{part}"))
        assert await store.remove_reply_message(turn, ReplyMessage(0, "r0"))
        assert await store.add_reply_message(turn, ReplyMessage(0, "r1"))
        assert (await get_turn(store, turn.id)).replies == (
            ReplyMessage(0, "r1"),
            ReplyMessage(2, "r2"),
        )

    async def test_reply_messages_of_a_conversation_are_known_by_id(self, store: Store) -> None:
        first = await complete(store, ask(1))
        await store.add_reply_message(first, ReplyMessage(0, "r0"))
        second = await start(store, ask(2))
        await store.add_reply_message(second, ReplyMessage.notice("r1"))
        elsewhere = await start(store, ask(3, key=OTHER))
        await store.add_reply_message(elsewhere, ReplyMessage(0, "r2"))
        assert await store.load_reply_ids(second.conversation_id) == {"r0", "r1"}

    async def test_a_message_is_recorded_once_it_is_a_question_or_a_command(
        self, store: Store
    ) -> None:
        assert not await store.is_recorded(ask(1))
        await store.record(ask(1))
        await store.record_command(ask(2))
        assert await store.is_recorded(ask(1))
        assert await store.is_recorded(ask(2))

    async def test_unfinished_turns_are_those_under_way_oldest_first(self, store: Store) -> None:
        waiting = await queue(store, ask(6))
        delivering = await answer(store, ask(5, key=OTHER), "text")
        running = await start(store, ask(4))
        await complete(store, ask(1, key=ThreadKey("discord", "G", "C")))
        unfinished = await store.load_unfinished()
        assert [turn.id for turn in unfinished] == [running.id, delivering.id, waiting.id]
        assert [turn.state for turn in unfinished] == [S.RUNNING, S.DELIVERING, S.QUEUED]
        assert unfinished[1].reply_text == "text"

    async def test_everything_is_there_after_reopening(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            await complete(store, ask(1))
            running = await start(store, ask(2))
            await store.add_reply_message(running, ReplyMessage(0, "r0", "stream"))
            await queue(store, ask(3))
            await store.set_model(KEY, "demo/echo")
            before = (
                await store.load(KEY),
                await store.load_unfinished(),
                await store.load_history(KEY),
                await store.find_conversation(KEY),
            )
        async with open_store() as store:
            assert before == (
                await store.load(KEY),
                await store.load_unfinished(),
                await store.load_history(KEY),
                await store.find_conversation(KEY),
            )

    async def test_cancelled_write_is_whole(self, store: Store) -> None:
        turn = await start(store, ask(1))
        writes = [
            asyncio.create_task(store.add_reply_message(turn, ReplyMessage(part, f"r{part}")))
            for part in range(10)
        ]
        await asyncio.sleep(0)
        for write in writes:
            write.cancel()
        await asyncio.gather(*writes, return_exceptions=True)
        assert await store.save_reply(turn, "answer", "model", Usage())
        assert len((await get_turn(store, turn.id)).replies) == 10

    async def test_a_store_that_serves_answers_a_ping(self, store: Store) -> None:
        await store.ping()

    async def test_closing_twice_does_nothing_more(self, open_store: OpenStore) -> None:
        async with open_store() as store:
            await store.aclose()
            await store.aclose()
