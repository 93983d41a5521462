"""A reply that has to wait says so in the message in which it will begin."""

from __future__ import annotations

import asyncio

import pytest

from bots.delivery import NOTICE_MARK, TransientError
from core.conversation import ReplyMessage
from core.errors import LeaseDoubtfulError, StoreError
from tests.bots.recording_outlet import RecordingOutlet, Reply


@pytest.fixture(params=[False, True], ids=["edits", "streams"])
def outlet(request: pytest.FixtureRequest) -> RecordingOutlet:
    return RecordingOutlet(appends=request.param)


async def hold(outlet: RecordingOutlet, **options: object) -> Reply:
    reply = Reply(outlet, **options)
    await reply.sink.start()
    reply.sink.hold("Queued, 2 ahead of you.")
    await outlet.wait_until(lambda: reply.text == ["Queued, 2 ahead of you."])
    return reply


async def test_notice_is_renewed_and_becomes_the_answer(outlet: RecordingOutlet) -> None:
    reply = await hold(outlet)
    reply.sink.hold("Queued, you are next.")
    await outlet.wait_until(lambda: reply.text == ["Queued, you are next."])
    reply.sink.update("Hello")
    await outlet.wait_until(lambda: reply.text == ["Hello"])
    await reply.sink.finish("Hello, world")
    await reply.sink.aclose()
    assert reply.text == ["Hello, world"]
    assert outlet.calls.count("post") == 1
    assert {message.part for message in reply.recorded} == {0}


async def test_notice_said_again_is_not_shown_again(outlet: RecordingOutlet) -> None:
    reply = await hold(outlet)
    reply.sink.hold("Queued, 2 ahead of you.")
    reply.sink.hold("Queued, you are next.")
    await outlet.wait_until(lambda: reply.text == ["Queued, you are next."])
    reply.sink.hold("Queued, you are next.")
    reply.sink.update("Hello")
    await outlet.wait_until(lambda: reply.text == ["Hello"])
    await reply.sink.aclose()
    assert [call for call in outlet.calls if call != "seal"] == ["post", "edit", "edit"]


async def test_notice_is_not_shown_while_another_process_may_run_the_turn(
    outlet: RecordingOutlet,
) -> None:
    looked = asyncio.Event()

    def check() -> None:
        looked.set()
        raise LeaseDoubtfulError("turn 1")

    reply = Reply(outlet, check=check)
    await reply.sink.start()
    reply.sink.hold("Queued, you are next.")
    async with asyncio.timeout(20):
        await looked.wait()
    await reply.sink.aclose()
    assert outlet.calls == []


async def test_notice_is_recorded_before_the_answer_begins(outlet: RecordingOutlet) -> None:
    reply = await hold(outlet)
    reply.sink.hold("Queued, you are next.")
    await outlet.wait_until(lambda: reply.text == ["Queued, you are next."])
    assert [message.message_id for message in reply.recorded] == ["m0"]
    await reply.sink.aclose()


async def test_answer_without_updates_takes_the_notices_place(outlet: RecordingOutlet) -> None:
    reply = await hold(outlet)
    await reply.sink.finish("All at once")
    await reply.sink.aclose()
    assert reply.text == ["All at once"]


async def test_failure_takes_the_notices_place(outlet: RecordingOutlet) -> None:
    reply = await hold(outlet)
    await reply.sink.fail("My model is busy.")
    await reply.sink.aclose()
    assert reply.text == [f"{NOTICE_MARK} My model is busy."]


async def test_long_answer_goes_on_behind_it(outlet: RecordingOutlet) -> None:
    reply = await hold(outlet)
    lines = "\n".join(f"line {number:03}" for number in range(30))
    await reply.sink.finish(lines)
    await reply.sink.aclose()
    assert "\n".join(reply.text).split() == lines.split()
    assert len({message.part for message in reply.recorded}) == len(reply.text) > 1


async def test_message_of_an_earlier_attempt_says_it(outlet: RecordingOutlet) -> None:
    outlet.shown["m0"] = "a torso"
    reply = await hold(outlet, taken_over=[ReplyMessage(0, "m0")])
    await reply.sink.finish("whole")
    await reply.sink.aclose()
    assert reply.text == ["whole"]
    assert "post" not in outlet.calls


async def test_notice_that_comes_too_late_is_not_shown(outlet: RecordingOutlet) -> None:
    reply = Reply(outlet)
    await reply.sink.start()
    reply.sink.update("Hello")
    await outlet.wait_until(lambda: reply.text == ["Hello"])
    reply.sink.hold("Queued, you are next.")
    await reply.sink.finish("Hello!")
    await reply.sink.aclose()
    assert reply.text == ["Hello!"]


async def test_platform_that_takes_no_notice_gets_the_answer_all_the_same(
    outlet: RecordingOutlet,
) -> None:
    outlet.failures = [TransientError("503"), TransientError("503")]
    reply = Reply(outlet)
    await reply.sink.start()
    reply.sink.hold("Queued, you are next.")
    await outlet.wait_until(lambda: len(outlet.failures) < 2)
    await reply.sink.finish("Hello")
    await reply.sink.aclose()
    assert reply.text == ["Hello"]


async def test_notice_that_the_store_did_not_take_is_recorded_with_the_answer(
    outlet: RecordingOutlet,
) -> None:
    reply = Reply(outlet)
    reply.store_failures = 1
    await reply.sink.start()
    reply.sink.hold("Queued, you are next.")
    await outlet.wait_until(lambda: bool(reply.text))
    try:
        await reply.sink.finish("Hello")
    except StoreError:
        pytest.fail("the answer is delivered")
    await reply.sink.aclose()
    assert reply.text == ["Hello"]
    assert reply.recorded[0].message_id == "m0"
