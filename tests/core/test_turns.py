"""One message, one reply: in order within a conversation, side by side across, nothing lost."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from core.conversation import Author, ThreadKey, TurnState
from core.store.base import Store
from tests.core.cores import OPTIONS, Core, open_core
from tests.fakes import make_incoming


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


async def test_what_one_reply_answers_waits_no_more_once_it_begins(sqlite_store: Store):
    async with open_core(sqlite_store, replace(OPTIONS, waiting="merge")) as core:
        waiting: list[int] = []

        async def count() -> None:
            waiting.append(core.turns.waiting_count)

        core.models.hold()
        await core.turns.submit(make_incoming("first"))
        await core.sinks.wait_for_update()
        core.sinks.on_start = count
        for number in (1, 2):
            await core.turns.submit(make_incoming(f"n{number}", number=number))
        assert core.turns.waiting_count == 2
        core.models.release()
        await core.sinks.wait_for(2)
    assert waiting == [0]


async def test_conversations_do_not_wait_for_each_other(core: Core):
    core.models.hold()
    for number in range(20):
        await core.turns.submit(make_incoming("go", thread=f"t{number}"))
    async with asyncio.timeout(20):
        await core.models.many_at_once(20)
    core.models.release()
    await core.sinks.wait_for(20)


async def test_what_is_shown_always_begins_as_the_whole_answer_does(core: Core):
    core.models.answer = lambda request: "\n\n \nan\n answer \n"
    await core.turns.submit(make_incoming("hi"))
    [shown] = await core.sinks.wait_for(1)
    assert shown.text == "an\n answer"
    assert all(update and shown.text.startswith(update) for update in shown.updates)


async def test_speakers_are_named_once_there_are_two(core: Core):
    await core.turns.submit(make_incoming("hi"))
    await core.sinks.wait_for(1)
    await core.turns.submit(make_incoming("me too", number=1, author=Author("U2", "Grace")))
    await core.sinks.wait_for(2)
    texts = [message.text for message in core.models.requests[-1].messages]
    assert texts == ["Ada: hi", "Answer to hi", "Grace: me too"]


async def test_the_chosen_model_answers(core: Core):
    key = make_incoming("").key
    await core.threads.choose_model(key, "other")
    await core.turns.submit(make_incoming("hi"))
    await core.sinks.wait_for(1)
    assert core.models.requests[0].model == "other"
    await core.threads.choose_model(key, None)
    assert (await core.threads.get_model(key)).model == "model"


async def test_takes_part_only_where_it_was_spoken_to(core: Core):
    assert not await core.threads.takes_part(ThreadKey("test", "w1", "c1", "t1"))
    asked = make_incoming("hi", number=5)
    await core.turns.submit(asked)
    assert await core.threads.takes_part(asked.key)
    assert await core.threads.takes_part(asked.key, asked.sent_at + timedelta(seconds=1))
    assert not await core.threads.takes_part(asked.key, asked.sent_at)
