"""Messages whose making Slack did not confirm: found again, and made once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bots.delivery import SlowDownError, TransientError
from bots.playground.base import Fault
from bots.playground.slack import SimulatedSlack, serve_slack
from bots.slack.speaker import Speaker
from tests.bots.slack.desk import Desk, open_desk


@pytest.mark.parametrize("body", ["**Hel", "see [x](http://y.z) & <a>", "```py\nx < 1\n```"])
async def test_stream_whose_making_was_not_confirmed_is_made_once(desk: Desk, body: str) -> None:
    outlet = desk.outlet()
    desk.slack.faults.add(Fault("chat.startStream", drop=True, after=True))
    with pytest.raises(TransientError):
        await outlet.post(0, body)
    reply = await outlet.post(0, "a longer text")
    assert await outlet.edit(reply, "a longer text yet") == reply
    (shown,) = desk.shown()
    assert (shown["id"], shown["text"]) == (reply.message_id, "a longer text yet")
    assert not shown["is_streaming"]


async def test_post_whose_making_was_not_confirmed_is_made_once(desk: Desk) -> None:
    dm = desk.slack.dm("ada")
    outlet = desk.outlet(replace(desk.key, channel=dm, thread=""))
    desk.slack.faults.add(Fault("chat.postMessage", drop=True, after=True))
    with pytest.raises(TransientError):
        await outlet.post(0, "**Hello**")
    await outlet.post(0, "**Hello** there")
    assert [view["text"] for view in desk.slack.messages(dm)] == ["*Hello* there"]


async def test_lost_message_is_found_by_slacks_clock_not_by_this_machines() -> None:
    simulated = SimulatedSlack(rate_scale=None, clock=lambda: 1_700_000_000.0)
    async with serve_slack(simulated) as slack, open_desk(slack) as desk:
        outlet = desk.outlet()
        desk.slack.faults.add(Fault("chat.startStream", drop=True, after=True))
        with pytest.raises(TransientError):
            await outlet.post(0, "hi")
        await outlet.post(0, "hi there")
        assert [view["text"] for view in desk.shown()] == ["hi there"]


async def test_lost_message_that_could_not_be_updated_at_once_is_made_once(desk: Desk) -> None:
    outlet = desk.outlet(replace(desk.key, channel=desk.slack.dm("ada"), thread=""))
    desk.slack.faults.add(Fault("chat.postMessage", drop=True, after=True))
    desk.slack.faults.add(Fault("chat.update", drop=True, after=True))
    for body in ("one", "one two"):
        with pytest.raises(TransientError):
            await outlet.post(0, body)
    await outlet.post(0, "one two three")
    assert [view["text"] for view in desk.slack.messages(desk.slack.dm("ada"))] == ["one two three"]


async def test_message_made_before_is_not_taken_for_a_lost_one_of_the_same_words(
    desk: Desk,
) -> None:
    outlet = desk.outlet()
    first = await outlet.seal(await outlet.post(0, "same words"), "same words")
    desk.slack.faults.add(Fault("chat.startStream", drop=True))
    with pytest.raises(TransientError):
        await outlet.post(1, "same words")
    assert (await outlet.post(1, "same words")).message_id != first.message_id


async def test_message_of_an_earlier_reply_is_not_taken_for_a_lost_one(desk: Desk) -> None:
    first = await desk.outlet().post(0, "same words")
    await desk.outlet().seal(first, "same words")
    question = await desk.slack.say("ada", "general", "again", thread=desk.key.thread)
    outlet = desk.outlet(question=question)
    desk.slack.faults.add(Fault("chat.startStream", drop=True))
    with pytest.raises(TransientError):
        await outlet.post(0, "same words")
    reply = await outlet.post(0, "same words")
    assert reply.message_id != first.message_id


async def test_lost_message_is_looked_for_until_slack_lets_the_bot_look(desk: Desk) -> None:
    outlet = desk.outlet()
    desk.slack.faults.add(Fault("chat.startStream", drop=True, after=True))
    desk.slack.faults.add(Fault("conversations.replies", status=503))
    desk.slack.faults.add(Fault("conversations.replies", status=429, retry_after=timedelta()))
    for expected in (TransientError, TransientError, SlowDownError):
        with pytest.raises(expected):
            await outlet.post(0, "hi")
    await outlet.post(0, "hi")
    assert [view["text"] for view in desk.shown()] == ["hi"]


async def test_reply_is_made_again_where_looking_fails_for_good(desk: Desk) -> None:
    outlet = desk.outlet()
    desk.slack.faults.add(Fault("chat.startStream", drop=True))
    desk.slack.faults.add(Fault("conversations.replies", status=503, times=99))
    for _ in range(5):
        with pytest.raises(TransientError):
            await outlet.post(0, "hi")
    await outlet.post(0, "hi")
    assert [view["text"] for view in desk.shown()] == ["hi"]


async def test_reply_is_made_again_where_the_bot_may_not_look(desk: Desk) -> None:
    outlet = desk.outlet()
    desk.slack.faults.add(Fault("chat.startStream", drop=True))
    desk.slack.faults.add(Fault("conversations.replies", status=200, error="missing_scope"))
    with pytest.raises(TransientError):
        await outlet.post(0, "hi")
    assert (await outlet.post(0, "hi")).kind == "message"


async def test_stream_of_a_process_that_died_is_taken_over(desk: Desk) -> None:
    torso = await desk.outlet().post(0, "a torso that nobody recor")
    outlet = desk.outlet(attempts=2)
    reply = await outlet.post(0, "the whole answer")
    await outlet.seal(reply, "the whole answer")
    (shown,) = desk.shown()
    assert (shown["id"], shown["text"]) == (torso.message_id, "the whole answer")


async def test_post_of_a_process_that_died_is_taken_over(desk: Desk) -> None:
    dm = replace(desk.key, channel=desk.slack.dm("ada"), thread="")
    await desk.outlet(dm).post(0, "a torso")
    await desk.outlet(dm, attempts=2).post(0, "the whole answer")
    shown = desk.slack.messages(dm.channel)
    assert [view["text"] for view in shown] == ["the whole answer"]


async def test_only_the_turns_own_message_is_taken_over(desk: Desk) -> None:
    dm = replace(desk.key, channel=desk.slack.dm("ada"), thread="")
    recorded = await desk.outlet(dm, turn_id=7).post(0, "recorded for another turn")
    desk.known.add(recorded.message_id)
    await desk.outlet(dm, turn_id=8).post(0, "another turn's, by its metadata")
    await Speaker(desk.client).say(dm, "Cleared.")
    await desk.outlet(dm, turn_id=9, attempts=2).post(0, "the whole answer")
    assert [view["text"] for view in desk.slack.messages(dm.channel)] == [
        "recorded for another turn",
        "another turn's, by its metadata",
        "Cleared.",
        "the whole answer",
    ]


@pytest.mark.parametrize("is_thread", [True, False], ids=["thread", "dm"])
async def test_only_what_is_the_turns_own_for_all_that_can_be_told_may_be_removed(
    desk: Desk, is_thread: bool
) -> None:
    key = desk.key if is_thread else replace(desk.key, channel=desk.slack.dm("ada"), thread="")
    stray = await desk.outlet(key).post(0, "a torso")
    await desk.outlet(key, turn_id=8).post(0, "recorded for another turn")
    desk.known.update(view["id"] for view in desk.slack.messages(key.channel, key.thread)[-1:])
    await Speaker(desk.client).say(key, "Cleared.")
    if not is_thread:  # in a thread it would be a stream
        await desk.client.chat_postMessage(channel=key.channel, text="said by who knows what")
    assert await desk.outlet(key, attempts=2).find_strays() == [stray.message_id]


async def test_what_stood_there_before_the_question_is_let_be(desk: Desk) -> None:
    earlier = await desk.outlet().post(0, "an answer from long before")
    question = await desk.slack.say("ada", "general", "and now?", thread=desk.key.thread)
    await desk.outlet(question=question, attempts=2).post(0, "the answer")
    first = desk.shown()[0]
    assert (first["id"], first["text"]) == (earlier.message_id, "an answer from long before")


async def test_what_the_bot_began_a_thread_with_is_no_torso_of_an_answer_in_it(desk: Desk) -> None:
    begun = await desk.client.chat_postMessage(channel=desk.key.channel, text="Good morning")
    key = replace(desk.key, thread=str(begun["ts"]))
    question = await desk.slack.say("ada", "general", "good morning?", thread=key.thread)
    await desk.outlet(key, question, attempts=2).post(0, "the answer")
    shown = desk.slack.messages(key.channel, key.thread)
    texts = [view["text"] for view in shown if view["id"] != question]
    assert texts[-1] == "the answer"
    assert desk.slack.state.messages[key.thread].text == "Good morning"


async def test_it_answers_all_the_same_where_it_may_not_look(desk: Desk) -> None:
    fault = Fault("conversations.replies", status=200, error="missing_scope", times=9)
    desk.slack.faults.add(fault)
    await desk.outlet(attempts=2).post(0, "the answer")
    assert [view["text"] for view in desk.shown()] == ["the answer"]
