"""A message that waits is marked as noticed, and the mark goes whatever becomes of its turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from core import signs
from core.conversation import ThreadKey
from core.errors import SkeinError
from core.store.base import Store
from tests.core.cores import OPTIONS, Core, open_core
from tests.fakes import make_incoming


class RecordingSign:
    """Remembers its calls, and which messages are marked. `error` makes calls fail, `hold` hang."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.marked: set[str] = set()
        self.error: Exception | None = None
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.may_be_removed = asyncio.Event()
        self.may_be_removed.set()
        self._changed = asyncio.Event()

    async def show(self, key: ThreadKey, message_id: str) -> None:
        self._note("show", message_id)
        await self.may_go_on.wait()
        self.marked.add(message_id)

    async def remove(self, key: ThreadKey, message_id: str) -> None:
        self._note("remove", message_id)
        await self.may_be_removed.wait()
        self.marked.discard(message_id)

    def _note(self, what: str, message_id: str) -> None:
        self.calls.append((what, message_id))
        self._changed.set()
        if self.error is not None:
            raise self.error

    async def wait_for(self, *calls: tuple[str, str]) -> None:
        """Wait until these calls were made."""
        await self.wait_until(lambda: set(calls) <= set(self.calls))

    async def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something holds of the calls."""
        async with asyncio.timeout(20):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
def sign(core: Core) -> RecordingSign:
    return attach(core)


def attach(core: Core) -> RecordingSign:
    sign = RecordingSign()
    core.turns.attach("test", core.sinks.open_sink, sign=sign)
    return sign


@asynccontextmanager
async def busy(core: Core) -> AsyncGenerator[None]:
    """Let a first question be answered for as long as it takes, and everything then come to its end."""
    core.models.hold()
    await core.turns.submit(make_incoming("first"))
    await core.sinks.wait_for_update()
    yield
    core.models.release()


async def test_a_message_is_marked_while_it_waits(core: Core, sign: RecordingSign):
    async with busy(core):
        await core.turns.submit(make_incoming("second", number=1))
        await sign.wait_for(("show", "t1-1"))
    await sign.wait_for(("remove", "t1-1"))
    await core.sinks.wait_for(2)
    assert sign.calls == [("show", "t1-1"), ("remove", "t1-1")]


async def test_a_message_that_comes_again_is_marked_once(core: Core, sign: RecordingSign):
    async with busy(core):
        for _ in range(2):
            await core.turns.submit(make_incoming("second", number=1))
        await sign.wait_for(("show", "t1-1"))
    await core.sinks.wait_for(2)
    await sign.wait_for(("remove", "t1-1"))
    assert len(sign.calls) == 2


async def test_a_clear_takes_the_mark_of_what_waits_away_at_once(core: Core, sign: RecordingSign):
    async with busy(core):
        await core.turns.submit(make_incoming("second", number=1))
        await sign.wait_for(("show", "t1-1"))
        core.sinks.on_fail = asyncio.Event().wait  # the first turn does not come to its end
        await core.threads.clear(make_incoming("").key)
        await sign.wait_for(("remove", "t1-1"))


async def test_the_marks_of_all_that_one_reply_answers_go_as_it_begins(sqlite_store: Store):
    async with open_core(sqlite_store, replace(OPTIONS, waiting="merge")) as core:
        sign = attach(core)
        async with busy(core):
            for number in (1, 2):
                await core.turns.submit(make_incoming("more", number=number))
            await sign.wait_until(lambda: len(sign.calls) == 2)
            core.sinks.on_start = asyncio.Event().wait  # nothing of the shared reply is shown
        await sign.wait_for(("remove", "t1-1"), ("remove", "t1-2"))


async def test_the_mark_that_an_earlier_process_left_goes_as_the_turn_begins(
    core: Core, sign: RecordingSign
):
    await core.store.record(make_incoming("left"))
    await core.turns.resume("test")
    await sign.wait_for(("remove", "t1-0"))


async def test_a_mark_that_hangs_holds_up_no_reply_and_goes_all_the_same(
    core: Core, sign: RecordingSign
):
    sign.may_go_on.clear()
    async with busy(core):
        await core.turns.submit(make_incoming("second", number=1))
        await sign.wait_for(("show", "t1-1"))
    shown = await core.sinks.wait_for(2)
    assert shown[1].text == "Answer to second"
    await sign.wait_for(("remove", "t1-1"))


@pytest.mark.parametrize("error", [SkeinError("missing_scope"), LookupError("nobody expected it")])
async def test_a_mark_that_fails_holds_up_no_reply_and_is_told(
    core: Core, sign: RecordingSign, error: Exception, caplog: pytest.LogCaptureFixture
):
    sign.error = error
    async with busy(core):
        await core.turns.submit(make_incoming("second", number=1))
        await sign.wait_for(("show", "t1-1"))
    shown = await core.sinks.wait_for(2)
    assert shown[1].text == "Answer to second"
    assert str(error) in caplog.text


async def test_trouble_with_marks_is_told_once(
    core: Core, sign: RecordingSign, caplog: pytest.LogCaptureFixture
):
    sign.error = SkeinError("missing_scope")
    async with busy(core):
        for number in (1, 2, 3):
            await core.turns.submit(make_incoming("more", number=number))
        await sign.wait_until(lambda: len(sign.calls) == 3)
    await core.sinks.wait_for(4)
    assert caplog.text.count("missing_scope") == 1


async def test_no_more_marks_are_shown_at_once_than_may_be(
    core: Core, sign: RecordingSign, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(signs, "MAX_SIGNS", 2)
    async with busy(core):
        for number in (1, 2, 3):
            await core.turns.submit(make_incoming("more", number=number))
        await sign.wait_for(("show", "t1-1"), ("show", "t1-2"))
    await core.sinks.wait_for(4)
    assert ("show", "t1-3") not in sign.calls


async def test_a_mark_stays_for_the_process_that_takes_the_turn_up(core: Core, sign: RecordingSign):
    async with busy(core):
        await core.turns.submit(make_incoming("second", number=1))
        await sign.wait_until(lambda: bool(sign.calls))
        async with asyncio.timeout(20):
            await core.turns.halt()
    assert sign.marked == {"t1-1"}
    assert sign.calls == [("show", "t1-1")]


async def test_a_removal_that_hangs_does_not_hold_up_the_end(
    core: Core, sign: RecordingSign, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(signs, "LAST_CALLS", timedelta())
    sign.may_be_removed.clear()
    async with busy(core):
        await core.turns.submit(make_incoming("second", number=1))
        await sign.wait_for(("show", "t1-1"))
    await core.sinks.wait_for(2)
    await sign.wait_for(("remove", "t1-1"))
    async with asyncio.timeout(20):
        await core.turns.halt()
