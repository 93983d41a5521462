"""What earlier attempts at a reply left: taken over, or removed without a trace."""

from datetime import timedelta

import pytest

from bots.delivery import (
    PageFullError,
    SlowDownError,
    TransientError,
)
from core.conversation import ReplyMessage
from core.errors import DeliveryError, LeaseDoubtfulError, LeaseLostError
from tests.bots.recording_outlet import AT_ONCE, RecordingOutlet, Reply


@pytest.fixture(params=[False, True], ids=["edits", "appends"])
def outlet(request: pytest.FixtureRequest) -> RecordingOutlet:
    return RecordingOutlet(appends=request.param)


async def test_messages_of_an_earlier_attempt_are_taken_over(outlet: RecordingOutlet):
    outlet.shown = {"old0": "torso", "old1": "more torso", "sorry": "a notice"}
    reply = Reply(
        outlet,
        taken_over=[
            ReplyMessage(0, "old0"),
            ReplyMessage(1, "old1"),
            ReplyMessage.notice("sorry"),
        ],
    )
    await reply.sink.start()
    await reply.sink.finish("whole")
    await reply.sink.aclose()
    assert outlet.shown == {"old0": "whole", "sorry": "a notice"}
    assert "post" not in outlet.calls
    assert [message.message_id for message in reply.gone] == ["old1"]


async def test_parts_are_counted_anew_where_a_message_of_an_earlier_attempt_goes(
    outlet: RecordingOutlet,
):
    outlet.shown = {"old0": "torso", "old1": "more torso"}
    outlet.failures = [PageFullError("old0")]
    reply = Reply(outlet, taken_over=[ReplyMessage(0, "old0"), ReplyMessage(1, "old1")])
    await reply.sink.start()
    await reply.sink.finish("one two three. " * 10)
    await reply.sink.aclose()
    recorded = {message.part: message.message_id for message in reply.recorded}
    assert recorded[0] == "old1"
    assert list(recorded.values()) == list(outlet.shown)
    assert [message.message_id for message in reply.gone] == ["old0"]


async def test_a_message_is_marked_as_leaving_before_it_is_removed(outlet: RecordingOutlet):
    outlet.shown = {"old0": "a long", "old1": "torso"}
    reply = Reply(outlet, taken_over=[ReplyMessage(0, "old0"), ReplyMessage(1, "old1")])
    outlet.failures = [None, DeliveryError("killed here")]
    await reply.sink.finish("short")
    assert ReplyMessage(1, "old1", "leaving") in reply.recorded


async def test_a_message_that_was_leaving_is_removed_first_and_taken_over_by_nothing(
    outlet: RecordingOutlet,
):
    outlet.shown = {"old1": "torso"}
    leaving = ReplyMessage(0, "gone", "leaving")
    reply = Reply(outlet, taken_over=[leaving, ReplyMessage(1, "old1")])
    await reply.sink.start()
    await reply.sink.finish("A whole text")
    await reply.sink.aclose()
    assert outlet.shown == {"old1": "A whole text"}
    assert outlet.calls[0] == "remove"
    assert reply.gone == [leaving]


async def test_unrecorded_messages_of_an_earlier_attempt_are_removed(outlet: RecordingOutlet):
    outlet.shown = {"old0": "a long", "stray1": "torso", "stray2": "of it"}
    outlet.strays = ["stray1", "stray2"]
    reply = Reply(outlet, taken_over=[ReplyMessage(0, "old0")])
    await reply.sink.start()
    await reply.sink.finish("short")
    await reply.sink.aclose()
    assert outlet.shown == {"old0": "short"}
    assert [each.message_id for each in reply.gone] == ["stray1", "stray2"]


async def test_an_unrecorded_message_is_let_be_once_another_process_took_over(
    outlet: RecordingOutlet,
):
    outlet.shown = {"theirs": "of another process"}
    outlet.strays = ["theirs"]
    reply = Reply(outlet, give_up_after=timedelta(milliseconds=100))
    reply.is_fenced_off = True
    await reply.sink.start()
    with pytest.raises(LeaseLostError):
        await reply.sink.finish("short")
    await reply.sink.aclose()
    assert "theirs" in outlet.shown


async def test_an_unrecorded_message_that_became_a_part_stays(outlet: RecordingOutlet):
    outlet.strays = ["m0"]
    reply = Reply(outlet)
    await reply.sink.start()
    await reply.sink.finish("found again")
    await reply.sink.aclose()
    assert reply.text == ["found again"]


@pytest.mark.parametrize(
    ("failures", "looks"),
    [
        ([TransientError("503")], 2),
        ([SlowDownError(timedelta(milliseconds=1))] * 2, 3),
        ([TransientError("503")] * 3, 3),
        ([SlowDownError(timedelta(seconds=60))], 1),
        ([ValueError("what is that?")], 1),
    ],
)
async def test_a_look_that_fails_stops_no_reply(failures: list[Exception], looks: int):
    outlet = RecordingOutlet()
    outlet.look_failures = failures
    reply = Reply(outlet)
    await reply.sink.start()
    await reply.sink.finish("all the same")
    await reply.sink.aclose()
    assert (reply.text, outlet.looks) == (["all the same"], looks)


async def test_an_answer_is_shown_as_it_grows_though_the_look_failed():
    outlet = RecordingOutlet()
    outlet.look_failures = [ValueError("what is that?")]
    reply = Reply(outlet)
    await reply.sink.start()
    reply.sink.update("on its way")
    await outlet.wait_until(lambda: reply.text == ["on its way"])
    await reply.sink.aclose()


async def test_what_a_second_look_finds_is_removed(outlet: RecordingOutlet):
    outlet.shown, outlet.strays = {"stray": "torso"}, ["stray"]
    outlet.look_failures = [SlowDownError(AT_ONCE)]
    reply = Reply(outlet)
    await reply.sink.start()
    reply.sink.update("the answer")
    await outlet.wait_until(lambda: "the answer" in reply.text)
    assert outlet.looks == 2
    await reply.sink.finish("the answer")
    await reply.sink.aclose()
    assert reply.text == ["the answer"]


@pytest.mark.parametrize(
    "old", [ReplyMessage(0, "old", "leaving"), ReplyMessage(1, "old")], ids=["leaving", "left over"]
)
async def test_nothing_is_removed_while_another_process_may_run_the_turn(
    outlet: RecordingOutlet, old: ReplyMessage
):
    outlet.shown = {"old": "torso"}

    def check() -> None:
        if old.kind == "leaving" or outlet.shown["first"] == "short":
            raise LeaseDoubtfulError("turn 1")

    first = ReplyMessage(0, "first")
    outlet.shown["first"] = "torso, too"
    reply = Reply(
        outlet, taken_over=[first, old], check=check, give_up_after=timedelta(milliseconds=100)
    )
    await reply.sink.start()
    with pytest.raises(LeaseDoubtfulError):
        await reply.sink.finish("short")
    await reply.sink.aclose()
    assert outlet.shown["old"] == "torso"
    assert not [each for each in reply.recorded if each.kind == "leaving"]


async def test_a_removal_that_the_store_did_not_take_is_made_again(outlet: RecordingOutlet):
    outlet.shown = {"old0": "whole", "old1": "torso"}
    reply = Reply(outlet, taken_over=[ReplyMessage(0, "old0"), ReplyMessage(1, "old1")])
    await reply.sink.start()
    reply.removal_failures = 1
    await reply.sink.finish("whole")
    await reply.sink.aclose()
    assert outlet.calls.count("remove") == 2
    assert [message.message_id for message in reply.gone] == ["old1"]


async def test_a_full_message_of_an_earlier_attempt_goes_however_often_it_takes(
    outlet: RecordingOutlet,
):
    outlet.shown = {"old": "torso"}
    outlet.failures = [PageFullError("old"), TransientError("503"), PageFullError("old")]
    reply = Reply(outlet, taken_over=[ReplyMessage(0, "old")])
    await reply.sink.start()
    await reply.sink.finish("whole")
    await reply.sink.aclose()
    assert reply.text == ["whole"]
    assert "old" not in outlet.shown
