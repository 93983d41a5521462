"""Frontends over one core: started together, stopped in order, whatever state they are in."""

import asyncio
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from bots.link import Link
from bots.serve import serve
from core.beside import beside
from core.conversation import Turn
from core.errors import StoreError, TokenRefusedError
from core.run import TurnOptions
from core.sink import Hold, ReplySink
from core.store.base import Store
from core.store.sqlite import open_sqlite
from core.turns import Turns
from tests.fakes import FakeModels, RecordingSinks, make_incoming

GRACE = timedelta(seconds=10)


class RecordingFrontend:
    """A platform that remembers what was done to it. `may_connect` holds it up before."""

    def __init__(self, name: str = "test", refusal: Exception | None = None) -> None:
        self.name = name
        self.link = Link()
        self.files = None
        self.sign = None
        self.done: list[str] = []
        self.was_done = defaultdict[str, asyncio.Event](asyncio.Event)
        self.sinks = RecordingSinks()
        self.may_connect = asyncio.Event()
        self.may_connect.set()
        self._refusal = refusal
        self._stopped = asyncio.Event()

    def _do(self, step: str) -> None:
        self.done.append(step)
        self.was_done[step].set()

    async def connect(self) -> str:
        await self.may_connect.wait()
        if self._refusal:
            raise self._refusal
        self._do("connect")
        return "Skein"

    async def run(self) -> None:
        self._do("run")
        self._stopped.clear()
        await self._stopped.wait()

    async def stop(self) -> None:
        self._do("stop")
        self._stopped.set()

    def open_sink(self, turn: Turn, hold: Hold) -> ReplySink:
        return self.sinks.open_sink(turn, hold)

    async def aclose(self) -> None:
        self._do("aclose")


@pytest.fixture
def models() -> FakeModels:
    return FakeModels()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_sqlite(f"sqlite:///{tmp_path / 'skein.db'}") as store:
        yield store


@pytest.fixture
async def turns(store: Store, models: FakeModels) -> AsyncIterator[Turns]:
    async with Turns(store, models, TurnOptions("")) as turns:
        yield turns


async def test_a_running_turn_ends_between_stop_and_aclose(turns: Turns, models: FakeModels):
    frontend, stop = RecordingFrontend(), asyncio.Event()
    serving = asyncio.create_task(serve([frontend], turns, stop, GRACE))
    async with asyncio.timeout(20):
        await frontend.was_done["run"].wait()
        models.hold()
        await turns.submit(make_incoming("hello"))
        await frontend.sinks.wait_for_update()
        stop.set()
        await frontend.was_done["stop"].wait()
        models.release()
        await serving
    assert frontend.done == ["connect", "run", "stop", "aclose"]
    assert frontend.sinks.shown[0].text == "Answer to hello"


async def test_a_platform_that_connects_while_others_end_receives_nothing(
    turns: Turns, models: FakeModels
):
    running, late, stop = RecordingFrontend(), RecordingFrontend("late"), asyncio.Event()
    late.may_connect.clear()
    serving = asyncio.create_task(serve([running, late], turns, stop, GRACE))
    async with asyncio.timeout(20):
        await running.was_done["run"].wait()
        models.hold()
        await turns.submit(make_incoming("hello"))
        await running.sinks.wait_for_update()
        stop.set()
        await late.was_done["stop"].wait()
        late.may_connect.set()
        await late.was_done["connect"].wait()
        models.release()
        await serving
    assert late.done == ["stop", "connect", "aclose"]


async def test_what_was_left_is_taken_up_when_a_store_away_at_the_start_is_back(
    turns: Turns, store: Store, monkeypatch: pytest.MonkeyPatch
):
    async def fail(_: str) -> Sequence[int]:
        raise StoreError("away")

    await store.record(make_incoming("left"))
    monkeypatch.setattr(store, "load_waiting", fail)
    frontend, stop = RecordingFrontend(), asyncio.Event()
    serving = asyncio.create_task(serve([frontend], turns, stop, GRACE))
    async with asyncio.timeout(20):
        await frontend.was_done["run"].wait()
        monkeypatch.undo()
        async with beside(turns.share()):
            [shown] = await frontend.sinks.wait_for(1)
        stop.set()
        await serving
    assert shown.text == "Answer to left"


async def test_a_refused_token_ends_all_and_is_told(turns: Turns):
    fine = RecordingFrontend()
    refused = RecordingFrontend("refused", TokenRefusedError("Slack", "SLACK_BOT_TOKEN", "revoked"))
    async with asyncio.timeout(20):
        with pytest.raises(TokenRefusedError, match="revoked"):
            await serve([fine, refused], turns, asyncio.Event(), GRACE)
    assert fine.done[-2:] == ["stop", "aclose"]


async def test_a_stop_before_anything_began_ends_at_once(turns: Turns):
    frontend, stop = RecordingFrontend(), asyncio.Event()
    frontend.may_connect.clear()
    stop.set()
    async with asyncio.timeout(20):
        await serve([frontend], turns, stop, GRACE)
    assert frontend.done == ["stop", "aclose"]


STUBBORN = """
import asyncio, os, signal, sys
from bots.serve import stop_on_signals

async def wind_down_for_ever():
    stop, number = asyncio.Event(), getattr(signal, sys.argv[1])
    with stop_on_signals(stop):
        os.kill(os.getpid(), number)
        await stop.wait()
        os.kill(os.getpid(), number)
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(60)

asyncio.run(wind_down_for_ever())
"""


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_second_signal_ends_the_process_however_long_it_winds_down(name: str, status: int):
    ended = subprocess.run([sys.executable, "-c", STUBBORN, name], timeout=50, check=False)
    assert ended.returncode == status
