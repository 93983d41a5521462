"""Replies as a workspace sees them: they grow, stay whole, and are taken over."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from bots.playground.base import Fault
from core.conversation import Turn
from core.sink import ReplySink
from tests.bots.slack.conftest import Rig
from tests.bots.slack.fakes import make_turn
from tests.fakes import FakeHold


async def test_reply_can_be_read_while_it_grows(rig: Rig) -> None:
    channel = rig.slack.channel("general")

    async def answer(sink: ReplySink, turn: Turn) -> None:
        sink.update("Once upon a")

        def grows() -> bool:
            shown = rig.slack.messages(channel, turn.key.thread)
            return any(m["is_streaming"] and m["text"] == "Once upon a" for m in shown)

        await rig.slack.wait_for(lambda: grows() or None)
        await sink.finish("Once upon a time")

    rig.turns.answer = answer
    ts = await rig.slack.say("ada", "general", "@skein tell")
    reply = await rig.slack.wait_for_reply(channel, ts)
    assert reply["text"] == "Once upon a time"
    await rig.turns.settle()
    assert [(r.message_id, r.kind) for r in rig.turns.replies] == [
        (reply["id"], "stream"),
        (reply["id"], "message"),
    ]


async def test_long_reply_streams_and_stays_whole(rig: Rig) -> None:
    text = "\n".join(f"Line {number} of many, **bold** and plain." for number in range(600))

    async def answer(sink: ReplySink, turn: Turn) -> None:
        sink.update(text[:100])
        await sink.finish(text)

    rig.turns.answer = answer
    channel = rig.slack.channel("general")
    ts = await rig.slack.say("ada", "general", "@skein long")
    await rig.slack.wait_for_reply(channel, ts, contains="Line 599")
    shown = [m["text"] for m in rig.slack.messages(channel, ts)]
    assert len(shown) >= 3
    assert "\n".join(shown) == text


async def test_reply_stays_whole_through_lost_answers_and_errors(rig: Rig) -> None:
    channel = rig.slack.channel("general")
    for fault in (
        Fault("chat.appendStream", drop=True, after=True),
        Fault("chat.stopStream", status=503),
        Fault("chat.update", status=429, retry_after=timedelta()),
    ):
        rig.slack.faults.add(fault)

    async def answer(sink: ReplySink, turn: Turn) -> None:
        sink.update("one")
        await rig.slack.wait_for_call("chat.startStream")
        sink.update("one two")
        await rig.slack.wait_for_call("chat.appendStream")
        await sink.finish("one two three")

    rig.turns.answer = answer
    ts = await rig.slack.say("ada", "general", "@skein count")
    await rig.slack.wait_for_reply(channel, ts, contains="three")
    await rig.turns.settle()
    assert [m["text"] for m in rig.slack.messages(channel, ts)] == ["one two three"]


async def test_reply_left_by_another_process_is_taken_over(rig: Rig) -> None:
    channel = rig.slack.channel("general")

    async def be_killed(sink: ReplySink, turn: Turn) -> None:
        sink.update("half an ans")
        await rig.slack.wait_for_call("chat.startStream")

    rig.turns.answer = be_killed
    ts = await rig.slack.say("ada", "general", "@skein hi")
    await rig.slack.wait_for_call("chat.startStream")
    await rig.turns.settle()
    turn = make_turn(rig.turns.taken[0], rig.turns.replies)
    sink = rig.frontend.open_sink(turn, FakeHold())
    await sink.start()
    await sink.finish("A whole answer")
    await sink.aclose()
    (shown,) = rig.slack.messages(channel, ts)
    assert (shown["text"], shown["is_streaming"]) == ("A whole answer", False)


async def test_reply_under_way_is_delivered_after_stop(rig: Rig) -> None:
    may_end = asyncio.Event()

    async def answer(sink: ReplySink, turn: Turn) -> None:
        async with asyncio.timeout(20):
            await may_end.wait()
        await sink.finish("late")

    rig.turns.answer = answer
    channel = rig.slack.channel("general")
    ts = await rig.slack.say("ada", "general", "@skein hi")
    await rig.slack.wait_until_delivered()
    await rig.frontend.stop()
    assert rig.slack.connections() == 0
    async with asyncio.timeout(20):
        await rig.running
    may_end.set()
    await rig.slack.wait_for_reply(channel, ts, contains="late")
