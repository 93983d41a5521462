"""What a store that is away refused is tried again: in order, side by side, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from bots import patience
from bots.patience import Patience
from core.errors import StoreError

LONG = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE", timedelta())


class AwayStore:
    """Refuses what it is asked until it is back, and remembers what it took."""

    def __init__(self) -> None:
        self.is_back = False
        self.took: list[str] = []
        self.refused: list[str] = []
        self.was_asked = asyncio.Event()

    def attempt(self, name: str) -> Callable[[], Awaitable[None]]:
        async def record() -> None:
            await asyncio.sleep(0)
            self.was_asked.set()
            if not self.is_back:
                self.refused.append(name)
                raise StoreError(f"away for {name}")
            self.took.append(name)

        return record

    async def wait_until_asked(self, count: int) -> None:
        """Wait until it refused so often."""
        async with asyncio.timeout(20):
            while len(self.refused) < count:
                self.was_asked.clear()
                await self.was_asked.wait()


@pytest.fixture
def store() -> AwayStore:
    return AwayStore()


async def test_an_attempt_is_made_until_the_store_is_back(store: AwayStore):
    trying = asyncio.create_task(Patience(LONG).keep_trying("c", "m1", store.attempt("m1")))
    await store.wait_until_asked(3)
    store.is_back = True
    await trying
    assert store.took == ["m1"]


async def test_what_waits_in_one_place_is_recorded_in_order(store: AwayStore):
    patient = Patience(LONG)
    async with asyncio.TaskGroup() as tasks:
        for name in ("m1", "m2", "m3"):
            tasks.create_task(patient.keep_trying("c", name, store.attempt(name)))
        await store.wait_until_asked(3)
        assert set(store.refused) == {"m1"}
        store.is_back = True
    assert store.took == ["m1", "m2", "m3"]


async def test_places_do_not_wait_for_each_other(store: AwayStore):
    patient = Patience(LONG)
    waiting = asyncio.create_task(patient.keep_trying("c1", "m1", store.attempt("m1")))
    await store.wait_until_asked(1)

    async def record() -> None:
        store.took.append("elsewhere")

    await patient.keep_trying("c2", "m2", record)
    assert store.took == ["elsewhere"]
    waiting.cancel()
    await asyncio.wait([waiting])


async def test_it_is_given_up_with_the_stores_own_word(store: AwayStore):
    with pytest.raises(StoreError, match="away for m1"):
        await Patience(timedelta()).keep_trying("c", "m1", store.attempt("m1"))


async def test_what_waited_for_others_is_tried_once_however_late(store: AwayStore):
    patient = Patience(timedelta())
    store.is_back = True
    held = asyncio.Event()
    first = asyncio.create_task(patient.keep_trying("c", "m1", lambda: wait_for(held)))
    second = asyncio.create_task(patient.keep_trying("c", "m2", store.attempt("m2")))
    await asyncio.sleep(0)
    held.set()
    await asyncio.gather(first, second)
    assert store.took == ["m2"]


async def wait_for(event: asyncio.Event) -> None:
    await event.wait()


async def test_when_too_many_wait_what_comes_beyond_fails_at_once_and_nothing_else(
    store: AwayStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(patience, "MAX_WAITING", 1)
    patient = Patience(LONG)
    waiting = asyncio.create_task(patient.keep_trying("c1", "m1", store.attempt("m1")))
    await store.wait_until_asked(1)
    with pytest.raises(StoreError, match="away for m2"):
        await patient.keep_trying("c2", "m2", store.attempt("m2"))
    store.is_back = True
    await patient.keep_trying("c2", "m3", store.attempt("m3"))
    async with asyncio.timeout(20):
        await waiting
    assert set(store.took) == {"m1", "m3"}


async def test_any_other_failure_goes_up_at_once(store: AwayStore):
    async def fail() -> None:
        raise LookupError("nobody expected it")

    with pytest.raises(LookupError):
        await Patience(LONG).keep_trying("c", "m1", fail)


async def test_trouble_is_told_once_a_message(store: AwayStore, caplog: pytest.LogCaptureFixture):
    trying = asyncio.create_task(Patience(LONG).keep_trying("c", "m1", store.attempt("m1")))
    await store.wait_until_asked(1)
    store.is_back = True
    await trying
    assert caplog.text.count("m1 is not recorded yet") == 1
