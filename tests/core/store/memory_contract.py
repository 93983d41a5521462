"""What every store promises about conversations: what is sent, kept, listed and pruned."""

from __future__ import annotations

import pytest

from core.conversation import Author, Message, Span, ThreadKey, TurnState, Usage
from core.store.base import Store
from tests.core.store.values import (
    ANN,
    BEN,
    KEY,
    OTHER,
    START,
    Calendar,
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


class MemoryContract:
    """A conversation is what people see in the thread."""

    async def test_unknown_conversation_is_a_key_error(self, store: Store) -> None:
        with pytest.raises(KeyError):
            await store.load(KEY)
        assert await store.find_conversation(KEY) is None
        assert await store.load_history(KEY) == []

    async def test_load_gives_the_messages_that_were_said(
        self, store: Store, calendar: Calendar
    ) -> None:
        await complete(store, ask(1), "answer 1")
        await start(store, ask(2, author=BEN))
        conversation = await store.load(KEY)
        assert conversation.key == KEY
        assert conversation.messages == [
            Message("user", "question 1", ANN, at(1)),
            Message("assistant", "answer 1", None, calendar.now(), "demo/echo"),
            Message("user", "question 2", BEN, at(2)),
        ]

    async def test_question_that_waits_is_not_sent(self, store: Store) -> None:
        first = await start(store, ask(1))
        await queue(store, ask(2))
        assert await load_texts(store) == ["question 1"]
        await store.save_reply(first, "answer 1", "model", Usage())
        assert await load_texts(store) == ["question 1", "answer 1"]
        await store.finish(first)
        await store.start_next(first.conversation_id)
        assert await load_texts(store) == ["question 1", "answer 1", "question 2"]

    async def test_messages_stand_in_the_order_of_the_turns(self, store: Store) -> None:
        first = await answer(store, ask(5), "answer 5")
        await queue(store, ask(1))
        await store.finish(first)
        await store.start_next(first.conversation_id)
        assert await load_texts(store) == ["question 5", "answer 5", "question 1"]

    async def test_only_the_newest_messages_are_read_where_there_are_too_many(
        self, store: Store
    ) -> None:
        for seconds in range(5):
            await complete(store, ask(seconds), "answer")  # 10 and 6 characters
        await start(store, ask(5))
        for max_chars, count in ((0, 1), (10, 2), (11, 3), (27, 5), (90, 11), (91, 11)):
            conversation = await store.load(KEY, max_chars)
            assert len(conversation.messages) == count
            assert conversation.messages[-1].text == "question 5"
            assert conversation.left_out == (Span(0, 11 - count) if count < 11 else None)
        assert (await store.load(KEY)).left_out is None

    async def test_what_was_cleared_or_failed_is_not_left_out(self, store: Store) -> None:
        for seconds in range(4):
            await complete(store, ask(seconds), "answer")
        await store.clear(KEY, at(1))
        failed = await start(store, ask(4))
        await store.fail(failed, "no answer")
        await start(store, ask(5))
        conversation = await store.load(KEY, 16)
        assert [message.text for message in conversation.messages] == [
            "question 3",
            "answer",
            "question 5",
        ]
        assert conversation.left_out == Span(after=4, until=6)
        assert await store.find_model(KEY) is None

    async def test_conversation_begins_with_its_first_message(self, store: Store) -> None:
        assert await store.find_beginning(KEY) is None
        await store.set_model(KEY, "gpt-4o")
        assert await store.find_beginning(KEY) is not None
        await store.record(ask(2))
        await store.record(ask(1))
        assert await store.find_beginning(KEY) == ask(1).sent_at

    async def test_other_thread_is_not_seen(self, store: Store) -> None:
        await complete(store, ask(1))
        await start(store, ask(2, key=OTHER))
        assert await load_texts(store, OTHER) == ["question 2"]

    @pytest.mark.parametrize("move", ["fail", "cancel", "reject"])
    async def test_unanswered_question_stays_marked_and_is_not_sent(
        self, store: Store, move: str
    ) -> None:
        turn = await start(store, ask(1))
        await getattr(store, move)(turn, "because")
        await start(store, ask(2))
        assert await load_texts(store) == ["question 2"]
        history = await store.load_history(KEY)
        assert [(one.message.text, one.is_sent) for one in history] == [
            ("question 1", False),
            ("question 2", True),
        ]

    async def test_turn_that_fails_in_delivery_keeps_its_answer(self, store: Store) -> None:
        turn = await answer(store, ask(1), "answer 1")
        assert await store.fail(turn, "not delivered")
        assert await load_texts(store) == ["question 1", "answer 1"]

    async def test_turn_cancelled_in_delivery_is_not_sent(self, store: Store) -> None:
        turn = await answer(store, ask(1), "answer 1")
        assert await store.cancel(turn, "stopped")
        assert await load_texts(store) == []

    async def test_history_ends_with_the_questions_that_wait(self, store: Store) -> None:
        running = await start(store, ask(1))
        for seconds in (4, 2, 3):
            await queue(store, ask(seconds))
        await store.save_reply(running, "answer 1", "model", Usage())
        history = await store.load_history(KEY)
        assert [one.message.text for one in history] == [
            "question 1",
            "answer 1",
            "question 2",
            "question 3",
            "question 4",
        ]
        assert all(one.is_sent for one in history)
        assert {one.turn_id for one in history[:2]} == {running.id}
        newest = await store.load_history(KEY, limit=2)
        assert [one.message.text for one in newest] == ["question 3", "question 4"]

    async def test_question_cancelled_while_it_waited_stands_where_it_ended(
        self, store: Store
    ) -> None:
        running = await start(store, ask(1))
        waiting = await queue(store, ask(2))
        await store.cancel(waiting, "deleted")
        await store.save_reply(running, "answer 1", "model", Usage())
        history = await store.load_history(KEY)
        assert [(one.message.text, one.is_sent) for one in history] == [
            ("question 1", True),
            ("question 2", False),
            ("answer 1", True),
        ]

    async def test_clear_hides_what_was_said_and_keeps_it(self, store: Store) -> None:
        await complete(store, ask(1))
        assert await store.clear(KEY, at(2)) == []
        await start(store, ask(3))
        assert await load_texts(store) == ["question 3"]
        assert [one.is_sent for one in await store.load_history(KEY)] == [False, False, True]

    async def test_clear_cancels_what_runs_and_waits(self, store: Store) -> None:
        running = await start(store, ask(1))
        waiting = await queue(store, ask(2))
        later = await queue(store, ask(5))
        assert await store.clear(KEY, at(3)) == [running.id, waiting.id]
        for turn in (running, waiting):
            assert (await get_turn(store, turn.id)).state is S.CANCELLED
        started = await store.start_next(running.conversation_id)
        assert started is not None
        assert started.id == later.id
        assert await load_texts(store) == ["question 5"]

    async def test_questions_cleared_while_they_waited_stand_by_platform_time(
        self, store: Store
    ) -> None:
        for seconds in (2, 1, 3):
            await queue(store, ask(seconds))
        await store.clear(KEY, at(9))
        history = await store.load_history(KEY)
        assert [one.message.text for one in history] == ["question 1", "question 2", "question 3"]

    async def test_clear_takes_an_answer_on_its_way_along(self, store: Store) -> None:
        turn = await answer(store, ask(1))
        assert await store.clear(KEY, at(1)) == [turn.id]
        assert await load_texts(store) == []

    async def test_repeated_clear_changes_nothing_that_came_later(self, store: Store) -> None:
        await complete(store, ask(1))
        await store.clear(KEY, at(2))
        await complete(store, ask(3), "answer 3")
        running = await start(store, ask(4))
        assert await store.clear(KEY, at(2)) == []
        assert (await get_turn(store, running.id)).state is S.RUNNING
        assert await load_texts(store) == ["question 3", "answer 3", "question 4"]

    async def test_earlier_clear_does_not_lower_the_watermark(self, store: Store) -> None:
        await complete(store, ask(1))
        await complete(store, ask(3))
        await store.clear(KEY, at(4))
        await store.clear(KEY, at(2))
        assert await load_texts(store) == []

    async def test_clear_keeps_the_choices(self, store: Store) -> None:
        await complete(store, ask(1))
        await store.set_model(KEY, "demo/echo")
        await store.set_system_prompt(KEY, "Be brief.")
        await store.clear(KEY, at(9))
        conversation = await store.load(KEY)
        assert (conversation.model, conversation.system_prompt) == ("demo/echo", "Be brief.")

    async def test_clear_of_nothing_leaves_nothing(self, store: Store) -> None:
        assert await store.clear(KEY, at(9)) == []
        assert await store.find_conversation(KEY) is None

    async def test_clear_leaves_other_threads_alone(self, store: Store) -> None:
        running = await start(store, ask(1, key=OTHER))
        await complete(store, ask(1.5))
        await store.clear(KEY, at(9))
        assert (await get_turn(store, running.id)).state is S.RUNNING
        assert await load_texts(store, OTHER) == ["question 1"]

    async def test_choices_can_come_before_the_first_question(self, store: Store) -> None:
        await store.set_model(KEY, "demo/echo")
        await store.set_system_prompt(KEY, "Be brief.")
        conversation = await store.load(KEY)
        assert conversation.messages == []
        assert (conversation.model, conversation.system_prompt) == ("demo/echo", "Be brief.")
        await store.set_model(KEY, None)
        await store.set_system_prompt(KEY, None)
        conversation = await store.load(KEY)
        assert (conversation.model, conversation.system_prompt) == (None, None)

    async def test_info_counts_what_is_sent(self, store: Store, calendar: Calendar) -> None:
        await complete(store, ask(1))
        await store.clear(KEY, at(1))
        failed = await start(store, ask(2))
        await store.fail(failed, "no key")
        await complete(store, ask(3))
        calendar.advance(seconds=9)
        await queue(store, ask(4))
        info = await store.find_conversation(KEY)
        assert info is not None
        assert (info.id, info.key) == (failed.conversation_id, KEY)
        assert (info.first_text, info.message_count) == ("question 3", 2)
        assert (info.created_at, info.updated_at) == (START, calendar.now())

    async def test_recent_conversations_come_last_used_first(
        self, store: Store, calendar: Calendar
    ) -> None:
        keys = [ThreadKey("slack", "T1", "C1", str(number)) for number in range(3)]
        for number, key in enumerate(keys):
            calendar.advance(seconds=1)
            await queue(store, ask(number, key=key))
        calendar.advance(seconds=1)
        await answer(store, ask(0, key=keys[0]))
        assert [info.key for info in await store.load_recent("slack")] == [
            keys[0],
            keys[2],
            keys[1],
        ]
        assert [info.key for info in await store.load_recent("slack", limit=1)] == [keys[0]]

    async def test_recent_conversations_can_be_narrowed(self, store: Store) -> None:
        mine = ThreadKey("slack", "T1", "C1", "mine")
        await queue(store, ask(1, key=mine))
        await queue(store, ask(2, key=ThreadKey("slack", "T1", "C1", "theirs"), author=BEN))
        await queue(store, ask(3, key=ThreadKey("slack", "T1", "C2")))
        await queue(store, ask(4, key=ThreadKey("slack", "T2", "C1")))
        await queue(store, ask(5, key=ThreadKey("discord", "T1", "C1")))
        await store.set_model(ThreadKey("slack", "T1", "C1", "unused"), "demo/echo")

        async def count(*filters: str | None) -> int:
            return len(await store.load_recent(*filters))  # pyright: ignore[reportArgumentType]

        assert await count("slack") == 4
        assert await count("slack", "T1") == 3
        assert await count("slack", "T1", "C1") == 2
        assert await count("slack", None, "C1") == 3
        assert [info.key for info in await store.load_recent("slack", "T1", "C1", "U1")] == [mine]

    async def test_prune_takes_the_untouched_along_with_all_that_is_theirs(
        self, store: Store, calendar: Calendar
    ) -> None:
        turn = await complete(store, ask(1))
        calendar.advance(days=1)
        await complete(store, ask(2, key=OTHER))
        assert await store.prune(calendar.now(), limit=10) == 1
        assert await store.find_conversation(KEY) is None
        assert await store.find_turn(turn.id) is None
        assert await store.find_conversation(OTHER) is not None
        assert (await store.record(ask(1))).is_new

    async def test_prune_leaves_busy_conversations(self, store: Store, calendar: Calendar) -> None:
        await queue(store, ask(1))
        await start(store, ask(2, key=OTHER))
        await answer(store, ask(3, key=ThreadKey("slack", "T1", "C9")))
        calendar.advance(days=1)
        assert await store.prune(calendar.now(), limit=10) == 0

    async def test_prune_goes_by_the_last_use(self, store: Store, calendar: Calendar) -> None:
        turn = await start(store, ask(1))
        calendar.advance(days=1)
        await store.save_reply(turn, "answer", "model", Usage())
        await store.finish(turn)
        assert await store.prune(calendar.now(), limit=10) == 0

    async def test_prune_takes_the_oldest_up_to_its_limit(
        self, store: Store, calendar: Calendar
    ) -> None:
        keys = [ThreadKey("slack", "T1", "C1", str(number)) for number in range(5)]
        for number, key in enumerate(keys):
            await complete(store, ask(number, key=key, author=Author(f"U{number}")))
            calendar.advance(seconds=1)
        assert await store.prune(calendar.now(), limit=2) == 2
        assert [info.key for info in await store.load_recent("slack")] == keys[:1:-1]
        assert await store.prune(calendar.now(), limit=2) == 2
        assert await store.prune(calendar.now(), limit=2) == 1
        assert await store.prune(calendar.now(), limit=2) == 0
