"""PagedReply over an outlet that remembers what a platform would show."""

import asyncio
from datetime import timedelta

import pytest

from bots import pace
from bots.delivery import (
    FrozenError,
    Pace,
    PageFullError,
    SlowDownError,
    TransientError,
)
from core.errors import DeliveryError
from tests.bots.recording_outlet import AT_ONCE, LIMIT, RecordingOutlet, Reply
from tests.core.clock import FakeClock

A_MINUTE = 60.0


@pytest.fixture(params=[False, True], ids=["edits", "appends"])
def outlet(request: pytest.FixtureRequest) -> RecordingOutlet:
    return RecordingOutlet(appends=request.param)


@pytest.fixture
def slow_outlet(outlet: RecordingOutlet, monkeypatch: pytest.MonkeyPatch) -> RecordingOutlet:
    """An outlet of which each call takes a minute, by the clock that says how long a reply is tried."""
    clock = FakeClock()
    monkeypatch.setattr(pace, "read_clock", clock.now)
    outlet.on_call = lambda: clock.advance(A_MINUTE)
    return outlet


async def test_updates_are_shown_while_the_answer_grows(outlet: RecordingOutlet):
    reply = Reply(outlet)
    await reply.sink.start()
    reply.sink.update("Hello")
    await outlet.wait_until(lambda: reply.text == ["Hello"])
    reply.sink.update("Hello, world")
    await outlet.wait_until(lambda: reply.text == ["Hello, world"])
    await reply.sink.finish("Hello, world!")
    await reply.sink.aclose()
    assert reply.text == ["Hello, world!"]
    assert outlet.working == [True, False]


async def test_a_finish_without_updates_posts_the_whole_text_once(outlet: RecordingOutlet):
    reply = Reply(outlet)
    await reply.sink.start()
    await reply.sink.finish("All at once")
    await reply.sink.aclose()
    assert reply.text == ["All at once"]
    assert outlet.calls == (["post", "seal"] if outlet.appends else ["post"])


async def test_a_long_text_goes_on_in_further_messages(outlet: RecordingOutlet):
    reply = Reply(outlet)
    lines = [f"line {number:03}" for number in range(60)]
    await reply.sink.start()
    for end in range(0, 60, 7):
        reply.sink.update("\n".join(lines[:end]))
        await asyncio.sleep(0.005)
    await reply.sink.finish("\n".join(lines))
    await reply.sink.aclose()
    assert "\n".join(reply.text).split() == "\n".join(lines).split()
    assert [message.part for message in reply.recorded if message.kind != "stream"] == list(
        range(len(reply.text))
    )
    if outlet.appends:
        assert outlet.sealed == set(outlet.shown)


async def test_every_message_is_recorded_as_soon_as_it_is_made(outlet: RecordingOutlet):
    reply = Reply(outlet)
    await reply.sink.start()
    reply.sink.update("first words")
    await outlet.wait_until(lambda: bool(reply.recorded))
    assert reply.recorded[0].message_id == "m0"
    await reply.sink.aclose()


async def test_a_platform_that_asks_to_slow_down_is_obeyed_and_gets_all(outlet: RecordingOutlet):
    outlet.failures = [SlowDownError(timedelta(milliseconds=20)), TransientError("503"), None]
    retries = list[str]()
    reply = Reply(outlet, on_retry=retries.append)
    await reply.sink.start()
    await reply.sink.finish("patience")
    await reply.sink.aclose()
    assert reply.text == ["patience"]
    assert retries == ["slow_down", "failure"]
    assert len(reply.recorded) == 1 + outlet.appends


async def test_the_end_of_a_reply_does_not_cut_short_what_the_platform_asked_for(
    outlet: RecordingOutlet,
):
    outlet.failures = [SlowDownError(timedelta(milliseconds=200))]
    reply = Reply(outlet)
    await reply.sink.start()
    reply.sink.update("half")
    await outlet.wait_until(lambda: len(outlet.calls) == 1)
    refused_at = asyncio.get_running_loop().time()
    await reply.sink.finish("half an answer")
    assert asyncio.get_running_loop().time() - refused_at >= 0.19
    await reply.sink.aclose()
    assert reply.text == ["half an answer"]


async def test_a_failed_update_is_made_good_by_a_later_one(outlet: RecordingOutlet):
    outlet.failures = [TransientError("503")]
    reply = Reply(outlet)
    await reply.sink.start()
    reply.sink.update("here")
    await outlet.wait_until(lambda: reply.text == ["here"])
    await reply.sink.finish("here")
    await reply.sink.aclose()


async def test_a_platform_that_refuses_for_good_raises(outlet: RecordingOutlet):
    outlet.failures = [DeliveryError("channel_not_found")]
    reply = Reply(outlet)
    await reply.sink.start()
    reply.sink.update("anyone?")
    with pytest.raises(DeliveryError, match="channel_not_found"):
        await reply.sink.finish("anyone? there?")
    await reply.sink.aclose()
    assert outlet.calls == ["post"]


async def test_delivery_is_given_up_after_the_time_allowed(outlet: RecordingOutlet):
    outlet.failures = [SlowDownError(timedelta(seconds=100))]
    reply = Reply(outlet, give_up_after=timedelta(seconds=1))
    await reply.sink.start()
    with pytest.raises(DeliveryError, match="gave up"):
        await reply.sink.finish("too slow")
    await reply.sink.aclose()


async def test_a_reply_waits_for_its_turn_while_the_platform_takes_others(
    slow_outlet: RecordingOutlet,
):
    outlet = slow_outlet
    outlet.failures = [SlowDownError(AT_ONCE) for _ in range(6)]
    reply = Reply(outlet, give_up_after=timedelta(minutes=2.5))
    outlet.on_refusal = lambda: reply.pace.ease()  # another reply was taken
    await reply.sink.start()
    finish = asyncio.create_task(reply.sink.finish("late, but whole"))
    async with asyncio.timeout(20):
        await finish
    await reply.sink.aclose()
    assert reply.text == ["late, but whole"]


async def test_a_full_message_is_left_as_it_is_and_the_text_goes_on_in_a_new_one(
    outlet: RecordingOutlet,
):
    reply = Reply(outlet)
    await reply.sink.start()
    reply.sink.update("the beginning ")
    await outlet.wait_until(lambda: len(outlet.shown) == 1)
    outlet.failures = [PageFullError("expired")]
    await reply.sink.finish("the beginning and the end")
    await reply.sink.aclose()
    assert reply.text == ["the beginning ", "and the end"]


async def test_messages_that_cannot_change_are_followed_by_the_rest_at_once(
    outlet: RecordingOutlet,
):
    reply = Reply(outlet)
    await reply.sink.start()
    reply.sink.update("one ")
    await outlet.wait_until(lambda: reply.text == ["one "])
    outlet.failures = [FrozenError("unknown_method")]
    reply.sink.update("one two ")
    await outlet.wait_until(lambda: outlet.calls[-1] == "edit")
    reply.sink.update("one two three ")
    await reply.sink.finish("one two three four")
    await reply.sink.aclose()
    assert reply.text == ["one ", "two three four"]
    assert outlet.calls.count("post") == 2


async def test_where_no_message_can_change_an_answer_is_shown_once_it_is_whole(
    outlet: RecordingOutlet,
):
    outlet.may_change = False
    reply = Reply(outlet)
    await reply.sink.start()
    reply.sink.hold("Queued, you are next.")
    reply.sink.update("one ")
    await reply.sink.finish("one two")
    await reply.sink.aclose()
    assert reply.text == ["one two"]
    assert outlet.calls.count("post") == 1


async def test_a_message_that_the_store_did_not_take_is_recorded_later(outlet: RecordingOutlet):
    reply = Reply(outlet)
    reply.store_failures = 1
    await reply.sink.start()
    reply.sink.update("words")
    await outlet.wait_until(lambda: bool(outlet.shown) and not reply.store_failures)
    await reply.sink.finish("words")
    await reply.sink.aclose()
    assert {message.message_id for message in reply.recorded} == {"m0"}
    assert outlet.calls.count("post") == 1


async def test_a_new_message_that_takes_nothing_ends_the_delivery(outlet: RecordingOutlet):
    outlet.failures = [PageFullError("too long")]
    reply = Reply(outlet)
    await reply.sink.start()
    with pytest.raises(DeliveryError, match="too long"):
        await reply.sink.finish("whole")
    await reply.sink.aclose()


async def test_a_delivery_cut_off_records_the_message_just_made_and_makes_no_other(
    outlet: RecordingOutlet,
):
    outlet.may_post.clear()
    reply = Reply(outlet)
    await reply.sink.start()
    finishing = asyncio.create_task(reply.sink.finish("word " * LIMIT))
    await outlet.wait_until(lambda: outlet.calls == ["post"])
    finishing.cancel()
    await asyncio.wait([finishing], timeout=5)
    closing = asyncio.create_task(reply.sink.aclose())
    await asyncio.sleep(0)
    outlet.may_post.set()
    await asyncio.wait_for(closing, 5)
    assert finishing.cancelled()
    assert outlet.calls.count("post") == 1
    assert reply.recorded[0].message_id == "m0"


async def test_a_reply_that_is_taken_page_by_page_is_not_given_up(slow_outlet: RecordingOutlet):
    outlet, slow_down = slow_outlet, SlowDownError(AT_ONCE)
    each_page = [None, None, slow_down] if outlet.appends else [None, slow_down]
    outlet.failures = [slow_down, *each_page * 20]
    reply = Reply(outlet, give_up_after=timedelta(minutes=1.5))
    text = "word " * LIMIT
    await reply.sink.start()
    await reply.sink.finish(text)
    await reply.sink.aclose()
    assert len(reply.text) >= 5
    assert " ".join(reply.text).split() == text.split()


async def test_a_failure_is_told_below_what_was_said(outlet: RecordingOutlet):
    reply = Reply(outlet)
    await reply.sink.start()
    reply.sink.update("```py\nx = 1")
    await outlet.wait_until(lambda: len(outlet.shown) == 1)
    await reply.sink.fail("It broke.", "```py\nx = 1")
    await reply.sink.aclose()
    assert reply.text == ["```py\nx = 1\n```\n\n⚠️ It broke."]


async def test_an_open_fence_is_closed_while_it_grows_only_where_edits_can_take_it_back(
    outlet: RecordingOutlet,
):
    reply = Reply(outlet)
    await reply.sink.start()
    reply.sink.update("```py\nx = 1\n")
    await outlet.wait_until(lambda: len(outlet.shown) == 1)
    assert reply.text[0].endswith("```") is not outlet.appends
    await reply.sink.finish("```py\nx = 1\n```")
    await reply.sink.aclose()
    assert reply.text == ["```py\nx = 1\n```"]


async def test_a_fence_that_the_model_left_open_is_closed_in_the_end(outlet: RecordingOutlet):
    reply = Reply(outlet)
    await reply.sink.start()
    await reply.sink.finish("```py\nx = 1")
    await reply.sink.aclose()
    assert reply.text == ["```py\nx = 1\n```"]


def test_replies_share_the_calls_of_a_minute():
    pace = Pace(timedelta(seconds=0.5), calls_per_minute=100)
    pace.active = 1
    assert pace.seconds == pytest.approx(0.6)
    pace.active = 5
    assert pace.seconds == pytest.approx(3.0)


def test_a_pace_slows_when_asked_and_recovers():
    pace = Pace(timedelta(seconds=1), calls_per_minute=600)
    pace.slow()
    assert pace.seconds == 2
    for _ in range(20):
        pace.ease()
    assert pace.seconds == 1
