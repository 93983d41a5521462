"""A long answer with its file: attached to the last message, surely, or else shown after all."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bots import filed
from bots.answer_file import AnswerFile
from bots.delivery import PagedReply, PageFullError, SlowDownError, TransientError
from bots.filed import FiledReply
from bots.pace import Pace
from core.conversation import Author, ReplyMessage, ThreadKey, Turn, TurnState
from core.errors import DeliveryError
from core.sink import RecordReply
from tests.bots.recording_outlet import AT_ONCE, LIMIT, RecordingOutlet
from tests.fakes import START, FakeHold

LONG = "\n".join(f"Line {number} of many." for number in range(30))
SHOWN = 150
KEY = ThreadKey("test", "w", "c", "t")
TURN = Turn(1, 1, KEY, "m", Author("U"), "hi", START, START, TurnState.DELIVERING)


class RecordingFiles:
    """Remembers what was attached to which message. `failures` are raised by the next calls."""

    def __init__(self, *failures: Exception, may_attach: bool = True) -> None:
        self.may_attach = may_attach
        self.attached: list[tuple[str, str]] = []
        self.failures = list(failures)
        self.calls = 0

    async def attach(self, reply: ReplyMessage, file: AnswerFile) -> None:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        self.attached.append((reply.message_id, file.text))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filed, "_FIRST_PAUSE", timedelta())


@pytest.fixture
def outlet() -> RecordingOutlet:
    return RecordingOutlet()


def open_reply(outlet: RecordingOutlet, files: RecordingFiles, turn: Turn = TURN) -> FiledReply:
    def open_pages(record: RecordReply) -> PagedReply:
        return PagedReply(outlet, record, Pace(AT_ONCE, 10_000_000), taken_over=turn.replies)

    return FiledReply(turn, files, FakeHold().record, open_pages, SHOWN)


async def deliver(
    outlet: RecordingOutlet, files: RecordingFiles, text: str = LONG, turn: Turn = TURN
) -> str:
    """Deliver a text and give what is shown in the end."""
    reply = open_reply(outlet, files, turn)
    await reply.start()
    await reply.finish(text)
    await reply.aclose()
    return "\n".join(outlet.shown.values())


async def test_long_answer_has_its_file_at_its_last_message(outlet: RecordingOutlet) -> None:
    files = RecordingFiles()
    shown = await deliver(outlet, files)
    assert len(outlet.shown) > 1
    assert files.attached == [(list(outlet.shown)[-1], LONG)]
    assert "Line 29" not in shown


async def test_answer_that_is_short_enough_has_no_file(outlet: RecordingOutlet) -> None:
    files = RecordingFiles()
    assert await deliver(outlet, files, "All of it.") == "All of it."
    assert files.attached == []


async def test_no_more_is_shown_while_it_grows_than_in_the_end(outlet: RecordingOutlet) -> None:
    reply = open_reply(outlet, RecordingFiles())
    await reply.start()
    reply.update(LONG)
    await outlet.wait_until(lambda: len(outlet.shown) == 2)
    await reply.aclose()
    assert len("\n".join(outlet.shown.values())) <= SHOWN


@pytest.mark.parametrize(
    "failures",
    [[SlowDownError(AT_ONCE)], [TransientError("503")] * 3],
    ids=["slow down", "failures"],
)
async def test_file_that_may_yet_be_taken_is_sent_again(
    outlet: RecordingOutlet, failures: list[Exception]
) -> None:
    files = RecordingFiles(*failures)
    await deliver(outlet, files)
    assert len(files.attached) == 1
    assert files.calls == len(failures) + 1


@pytest.mark.parametrize(
    ("failures", "calls"),
    [
        ([DeliveryError("no file here")], 1),
        ([SlowDownError(timedelta(hours=1))], 1),
        ([TransientError("503")] * 9, 4),
    ],
    ids=["refused", "too slow", "failures"],
)
async def test_answer_whose_file_is_not_taken_is_shown_whole(
    outlet: RecordingOutlet, failures: list[Exception], calls: int
) -> None:
    files = RecordingFiles(*failures)
    shown = await deliver(outlet, files)
    assert files.calls == calls
    lines = shown.split("\n")
    assert [line for line in lines if line.startswith("Line")] == LONG.split("\n")


async def test_where_no_file_is_taken_none_is_tried(outlet: RecordingOutlet) -> None:
    files = RecordingFiles(may_attach=False)
    assert (await deliver(outlet, files)).split("\n") == LONG.split("\n")
    assert files.calls == 0


async def test_file_is_at_the_last_message_though_an_earlier_attempt_had_more(
    outlet: RecordingOutlet,
) -> None:
    names = [f"old{number}" for number in range(5)]
    outlet.shown = dict.fromkeys(names, "torso")
    outlet.failures = [PageFullError("old0")]  # so that all others move up
    replies = tuple(ReplyMessage(part, name) for part, name in enumerate(names))
    files = RecordingFiles()
    await deliver(outlet, files, turn=replace(TURN, replies=replies))
    assert [name for name, _ in files.attached] == [list(outlet.shown)[-1]]


def test_pages_are_shorter_than_what_is_shown() -> None:
    assert LIMIT < SHOWN < len(LONG)
