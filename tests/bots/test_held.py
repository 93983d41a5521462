"""A reply whose turn may be another process's by now: nothing is said of it until that is known."""

from __future__ import annotations

import asyncio

import pytest

from bots.answer_file import AnswerFile
from bots.delivery import PagedReply
from bots.filed import FiledReply
from bots.pace import Pace
from core.conversation import Author, ReplyMessage, ThreadKey, Turn, TurnState
from core.errors import LeaseDoubtfulError, LeaseLostError
from core.sink import RecordReply
from tests.bots.recording_outlet import AT_ONCE, RecordingOutlet, Reply
from tests.fakes import START


class Hold:
    """What is known of a lease: nothing stands in the way, or an error does."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.looks = 0
        self.was_asked = asyncio.Event()

    def check(self) -> None:
        self.looks += 1
        self.was_asked.set()
        if self.error:
            raise self.error


class RecordingFiles:
    """Remembers what was attached."""

    may_attach = True

    def __init__(self) -> None:
        self.attached: list[str] = []

    async def attach(self, reply: ReplyMessage, file: AnswerFile) -> None:
        self.attached.append(file.name)


def make_turn() -> Turn:
    key = ThreadKey("test", "w", "c", "t")
    return Turn(1, 1, key, "m", Author("U"), "hi", START, START, TurnState.DELIVERING)


async def test_nothing_is_shown_while_the_lease_is_doubtful_and_all_of_it_after():
    hold, outlet = Hold(), RecordingOutlet()
    hold.error = LeaseDoubtfulError("turn 1")
    reply = Reply(outlet, check=hold.check)
    await reply.sink.start()
    reply.sink.update("The answer")
    finishing = asyncio.create_task(reply.sink.finish("The answer is here."))
    async with asyncio.timeout(20):
        while hold.looks < 2:
            hold.was_asked.clear()
            await hold.was_asked.wait()
        assert outlet.calls == []
        hold.error = None
        await finishing
    await reply.sink.aclose()
    assert reply.text == ["The answer is here."]


@pytest.mark.parametrize("error", [LeaseLostError("turn 1"), LeaseDoubtfulError("turn 1")])
async def test_no_file_is_attached_to_what_may_be_another_processes(error: Exception):
    hold, files, outlet = Hold(), RecordingFiles(), RecordingOutlet()

    async def record(reply: ReplyMessage, /, *, is_gone: bool = False) -> None:
        hold.error = error  # from now on

    def open_pages(record: RecordReply) -> PagedReply:
        return PagedReply(outlet, record, Pace(AT_ONCE, 10_000_000))

    sink = FiledReply(make_turn(), files, record, open_pages, 50, hold.check)
    await sink.start()
    with pytest.raises(type(error)):
        await sink.finish("A long answer. " * 6)
    await sink.aclose()
    assert files.attached == []
