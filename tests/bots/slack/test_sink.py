"""One reply's messages, made and changed in a simulated workspace over real HTTP."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bots.delivery import FrozenError, PageFullError, SlowDownError, TransientError
from bots.outlet import NotYetError
from bots.playground.base import Fault
from bots.slack.sink import MAX_STREAM_BYTES
from bots.slack.support import Feature, Support
from core.conversation import ReplyMessage
from core.errors import DeliveryError
from tests.bots.slack.desk import Desk

MINUTE = 60.0


async def test_reply_in_a_thread_is_streamed(desk: Desk) -> None:
    outlet = desk.outlet()
    reply = await outlet.post(0, "**Hel")
    assert reply.kind == "stream"
    assert await outlet.edit(reply, "**Hello** wor") == reply
    assert await outlet.edit(reply, "**Hello** wor") == reply
    assert desk.shown()[0]["is_streaming"]
    sealed = await outlet.seal(reply, "**Hello** world")
    assert sealed == replace(reply, kind="message")
    assert [view["text"] for view in desk.shown()] == ["**Hello** world"]
    assert not desk.shown()[0]["is_streaming"]
    assert desk.methods() == ["chat.startStream", "chat.appendStream", "chat.stopStream"]
    assert desk.slack.calls_to("chat.appendStream")[0].arguments["markdown_text"] == "lo** wor"


async def test_stream_names_its_reader(desk: Desk) -> None:
    await desk.outlet().post(0, "hi")
    arguments = desk.slack.calls_to("chat.startStream")[0].arguments
    assert arguments["recipient_user_id"] == desk.slack.person("ada")
    assert arguments["recipient_team_id"] == desk.key.workspace


async def test_ping_cut_in_two_by_streaming_stays_harmless(desk: Desk) -> None:
    outlet = desk.outlet()
    reply = await outlet.post(0, "hey <!cha")
    await outlet.edit(reply, "hey <!channel> and @he")
    await outlet.seal(reply, "hey <!channel> and @here")
    assert "<!channel>" not in desk.shown()[0]["text"]
    assert "@here" not in desk.shown()[0]["text"]


async def test_top_level_of_a_direct_message_is_posted_and_updated(desk: Desk) -> None:
    dm = desk.slack.dm("ada")
    outlet = desk.outlet(replace(desk.key, channel=dm, thread=""))
    assert not outlet.appends
    reply = await outlet.post(0, "**Hel**")
    assert reply.kind == "message"
    await outlet.edit(reply, "**Hello**")
    await outlet.seal(reply, "**Hello**")
    assert desk.slack.messages(dm)[-1]["text"] == "*Hello*"
    assert desk.methods() == ["chat.postMessage", "chat.update"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("chat.startStream", status=200, error="channel_type_not_supported"),
        Fault("chat.startStream", status=200, error="unknown_method"),
        Fault("chat.startStream", status=404, error=""),
        Fault("chat.startStream", status=200, error=""),
    ],
    ids=["refused", "unknown", "404", "no word"],
)
async def test_where_streams_are_refused_the_reply_is_posted(desk: Desk, fault: Fault) -> None:
    desk.slack.faults.add(fault)
    outlet = desk.outlet()
    reply = await outlet.post(0, "**Hel**")
    assert reply.kind == "message"
    assert not outlet.appends
    await outlet.seal(reply, "**Hello**")
    assert [view["text"] for view in desk.shown()] == ["*Hello*"]


async def test_refusal_is_remembered_for_a_while(desk: Desk) -> None:
    desk.support = Support(timedelta(hours=1), lambda: desk.now)
    desk.slack.faults.add(Fault("chat.startStream", status=200, error="unknown_method"))
    await desk.outlet().post(0, "one")
    assert not desk.outlet().appends
    desk.now += 61 * MINUTE
    assert (await desk.outlet().post(0, "two")).kind == "stream"


async def test_refusal_about_one_message_is_not_held_against_the_next(desk: Desk) -> None:
    desk.slack.faults.add(Fault("chat.startStream", status=200, error="no_text"))
    await desk.outlet().post(0, "one")
    assert desk.outlet().appends


async def test_refusal_about_a_channel_holds_for_that_channel(desk: Desk) -> None:
    desk.slack.faults.add(Fault("chat.startStream", status=200, error="channel_type_not_supported"))
    await desk.outlet().post(0, "one")
    assert not desk.outlet().appends
    assert desk.outlet(replace(desk.key, channel=desk.slack.channel("random"))).appends


async def test_stream_near_its_end_is_stopped_with_its_fence_closed(desk: Desk) -> None:
    outlet = desk.outlet()
    reply = await outlet.post(0, "```py\nx = 1")
    desk.now += 4 * MINUTE
    with pytest.raises(PageFullError):
        await outlet.edit(reply, "```py\nx = 1\ny = 2")
    assert desk.shown()[0]["text"] == "```py\nx = 1\n```"
    assert not desk.shown()[0]["is_streaming"]


async def test_stream_that_slack_ended_is_gone_on_with_elsewhere(desk: Desk) -> None:
    outlet = desk.outlet()
    reply = await outlet.post(0, "one")
    desk.slack.faults.add(
        Fault("chat.appendStream", status=200, error="message_not_in_streaming_state")
    )
    with pytest.raises(PageFullError):
        await outlet.edit(reply, "one two")


async def test_stream_that_takes_no_more_is_stopped(desk: Desk) -> None:
    outlet = desk.outlet()
    reply = await outlet.post(0, "one")
    desk.slack.faults.add(Fault("chat.appendStream", status=200, error="msg_too_long"))
    with pytest.raises(PageFullError):
        await outlet.edit(reply, "one two")
    assert desk.shown()[0]["text"] == "one"
    assert not desk.shown()[0]["is_streaming"]


async def test_stream_that_cannot_be_stopped_is_updated(desk: Desk) -> None:
    outlet = desk.outlet()
    reply = await outlet.post(0, "one")
    other = desk.outlet()
    await other.seal(reply, "cut off")
    sealed = await outlet.seal(reply, "one **two**")
    assert sealed.kind == "message"
    assert desk.shown()[0]["text"] == "one *two*"


async def test_append_whose_answer_was_lost_is_not_made_twice(desk: Desk) -> None:
    outlet = desk.outlet()
    reply = await outlet.post(0, "one")
    desk.slack.faults.add(Fault("chat.appendStream", drop=True, after=True))
    with pytest.raises(TransientError):
        await outlet.edit(reply, "one two")
    assert desk.shown()[0]["text"] == "one two"
    after = await outlet.edit(reply, "one two three")
    assert after.kind == "message"
    await outlet.seal(after, "one two three four")
    assert [view["text"] for view in desk.shown()] == ["one two three four"]


async def test_stop_whose_answer_was_lost_is_made_good(desk: Desk) -> None:
    outlet = desk.outlet()
    reply = await outlet.post(0, "one")
    desk.slack.faults.add(Fault("chat.stopStream", drop=True, after=True))
    with pytest.raises(TransientError):
        await outlet.seal(reply, "one two")
    await outlet.seal(reply, "one two")
    assert [view["text"] for view in desk.shown()] == ["one two"]
    assert not desk.shown()[0]["is_streaming"]


async def test_text_that_begins_anew_replaces_the_stream(desk: Desk) -> None:
    outlet = desk.outlet()
    reply = await outlet.post(0, "first try")
    after = await outlet.edit(reply, "second **try**")
    assert after.kind == "message"
    assert desk.shown()[0]["text"] == "second *try*"


async def test_stream_left_by_another_process_is_stopped_and_updated(desk: Desk) -> None:
    left = await desk.outlet().post(0, "half an ans")
    outlet = desk.outlet()
    sealed = await outlet.seal(left, "A whole **answer**")
    assert sealed.kind == "message"
    assert [view["text"] for view in desk.shown()] == ["A whole *answer*"]
    assert not desk.shown()[0]["is_streaming"]


async def test_long_page_replaces_a_stream_whole(desk: Desk) -> None:
    left = await desk.outlet().post(0, "half")
    body = "word " * 1_700
    assert desk.outlet().fits(body) is True
    await desk.outlet().seal(left, body)
    assert desk.shown()[0]["text"] == body


async def test_unneeded_message_is_deleted_even_while_it_streams(desk: Desk) -> None:
    left = await desk.outlet().post(0, "half")
    outlet = desk.outlet()
    await outlet.remove(left)
    await outlet.remove(left)
    assert desk.shown() == []


async def test_status_is_set_and_cleared(desk: Desk) -> None:
    outlet = desk.outlet()
    await outlet.notice(is_working=True)
    assert desk.slack.status(desk.key.channel, desk.key.thread) == "is thinking..."
    await outlet.notice(is_working=False)
    assert desk.slack.status(desk.key.channel, desk.key.thread) == ""


async def test_refused_status_is_not_asked_for_again(desk: Desk) -> None:
    desk.slack.faults.add(Fault("assistant.threads.setStatus", status=200, error="missing_scope"))
    await desk.outlet().notice(is_working=True)
    await desk.outlet().notice(is_working=False)
    assert len(desk.slack.calls_to("assistant.*")) == 1


def test_page_must_fit_both_ways_until_streams_are_known_to_work(desk: Desk) -> None:
    outlet = desk.outlet()
    assert outlet.fits("a" * 3_500)
    assert not outlet.fits("a" * 3_501)
    desk.support.note_success(Feature.STREAM, desk.key)
    assert outlet.fits("a" * MAX_STREAM_BYTES)
    assert not outlet.fits("a" * (MAX_STREAM_BYTES + 1))
    assert not outlet.fits("é" * (MAX_STREAM_BYTES // 2 + 1))


def test_update_page_is_measured_as_rendered(desk: Desk) -> None:
    outlet = desk.outlet(replace(desk.key, thread=""))
    assert outlet.fits("<" * 875)
    assert not outlet.fits("<" * 876)


async def test_429_says_how_long_to_wait(desk: Desk) -> None:
    desk.slack.faults.add(Fault("chat.postMessage", status=429, retry_after=timedelta(seconds=7)))
    with pytest.raises(SlowDownError) as caught:
        await desk.outlet(replace(desk.key, thread="")).post(0, "hi")
    assert caught.value.retry_after == timedelta(seconds=7)
    assert desk.shown() == []


async def test_reply_is_posted_while_slack_opens_no_more_streams(desk: Desk) -> None:
    desk.slack.faults.add(Fault("chat.startStream", status=429, retry_after=timedelta(seconds=30)))
    outlet = desk.outlet()
    assert (await outlet.post(0, "hi")).kind == "message"
    assert not outlet.appends
    assert desk.outlet().appends


@pytest.mark.parametrize(
    "fault",
    [
        Fault("chat.startStream", status=503, times=9),
        Fault("chat.startStream", status=200, error="internal_error", times=9),
        Fault("chat.startStream", drop=True, times=9),
    ],
    ids=["503", "internal", "dropped"],
)
async def test_reply_is_posted_where_opening_a_stream_failed(desk: Desk, fault: Fault) -> None:
    desk.slack.faults.add(fault)
    outlet = desk.outlet()
    with pytest.raises(TransientError):
        await outlet.post(0, "hi")
    assert len(desk.slack.calls) == 1
    assert (await outlet.post(0, "hi")).kind == "message"
    assert [view["text"] for view in desk.shown()] == ["hi"]


async def test_answer_that_none_can_read_is_no_refusal_of_a_post_or_an_update(desk: Desk) -> None:
    dm = desk.slack.dm("ada")
    outlet = desk.outlet(replace(desk.key, channel=dm, thread=""))
    desk.slack.faults.add(Fault("chat.postMessage", status=200, error=""))
    desk.slack.faults.add(Fault("chat.update", status=200, error=""))
    with pytest.raises(TransientError):
        await outlet.post(0, "one")
    reply = await outlet.post(0, "one")
    with pytest.raises(TransientError):
        await outlet.seal(reply, "one two")
    await outlet.seal(reply, "one two")
    assert [view["text"] for view in desk.slack.messages(dm)] == ["one two"]


async def test_post_into_an_archived_channel_is_refused_for_good(desk: Desk) -> None:
    desk.slack.archive("general")
    with pytest.raises(DeliveryError, match="is_archived"):
        await desk.outlet().post(0, "hi")


async def test_stream_in_a_channel_that_was_archived_is_gone_on_with_nowhere(desk: Desk) -> None:
    outlet = desk.outlet()
    reply = await outlet.post(0, "one")
    desk.slack.faults.add(Fault("chat.appendStream", status=200, error="is_archived"))
    with pytest.raises(DeliveryError, match="is_archived"):
        await outlet.edit(reply, "one two")


async def test_update_of_a_message_that_people_deleted_is_refused(desk: Desk) -> None:
    outlet = desk.outlet()
    with pytest.raises(DeliveryError, match="message_not_found"):
        await outlet.edit(ReplyMessage(0, "1700000000.000001"), "hi")


@pytest.mark.parametrize(
    "error", ["unknown_method", "cant_update_message", "edit_window_closed", "something_new"]
)
async def test_message_that_may_not_be_updated_is_left_as_it_is(desk: Desk, error: str) -> None:
    outlet = desk.outlet(replace(desk.key, channel=desk.slack.dm("ada"), thread=""))
    reply = await outlet.post(0, "one")
    desk.slack.faults.add(Fault("chat.update", status=200, error=error))
    with pytest.raises(FrozenError):
        await outlet.seal(reply, "one two")


@pytest.mark.parametrize(
    ("error", "is_known"), [("unknown_method", True), ("something_new", False)]
)
async def test_where_no_message_can_be_updated_that_is_remembered(
    desk: Desk, error: str, is_known: bool
) -> None:
    desk.support = Support(timedelta(hours=1), lambda: desk.now)
    key = replace(desk.key, channel=desk.slack.dm("ada"), thread="")
    outlet = desk.outlet(key)
    reply = await outlet.post(0, "one")
    assert outlet.may_change
    desk.slack.faults.add(Fault("chat.update", status=200, error=error))
    with pytest.raises(FrozenError):
        await outlet.seal(reply, "one two")
    assert desk.outlet(key).may_change is not is_known
    assert desk.outlet().may_change, "a stream needs no updates"
    desk.now += 61 * MINUTE
    assert desk.outlet(key).may_change


@pytest.mark.parametrize("error", ["channel_not_found", "not_in_channel"])
async def test_channel_that_the_bot_has_only_just_come_into_is_tried_again(
    desk: Desk, error: str
) -> None:
    outlet = desk.outlet(replace(desk.key, channel=desk.slack.dm("ada"), thread=""))
    desk.slack.faults.add(Fault("chat.postMessage", status=200, error=error, times=3))
    for _ in range(3):
        with pytest.raises(NotYetError):
            await outlet.post(0, "hi")
    await outlet.post(0, "hi")
    assert desk.methods() == ["chat.postMessage"] * 4


async def test_channel_that_is_closed_for_good_is_believed_in_the_end(desk: Desk) -> None:
    outlet = desk.outlet(replace(desk.key, channel=desk.slack.dm("ada"), thread=""))
    desk.slack.faults.add(Fault("chat.postMessage", status=200, error="channel_not_found", times=4))
    for _ in range(3):
        with pytest.raises(NotYetError):
            await outlet.post(0, "hi")
    with pytest.raises(DeliveryError, match="channel_not_found"):
        await outlet.post(0, "hi")


async def test_stream_that_can_be_neither_stopped_nor_updated_is_left_as_it_is(desk: Desk) -> None:
    outlet = desk.outlet()
    reply = await outlet.post(0, "one")
    desk.slack.faults.add(Fault("chat.stopStream", status=200, error="unknown_method", times=2))
    with pytest.raises(FrozenError):
        await outlet.seal(reply, "one two")


async def test_revoked_token_is_reported(desk: Desk) -> None:
    desk.slack.faults.add(Fault("chat.*", status=200, error="token_revoked", times=2))
    with pytest.raises(DeliveryError):
        await desk.outlet().post(0, "hi")
    assert desk.suspicions == 2
