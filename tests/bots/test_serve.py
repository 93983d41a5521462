"""Frontends over one core: started together, stopped in order, whatever state they are in."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bots.link import Link
from bots.serve import serve
from core.conversation import Turn
from core.errors import TokenRefusedError
from core.run import TurnOptions
from core.sink import RecordReply, ReplySink
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

    def open_sink(self, turn: Turn, record: RecordReply) -> ReplySink:
        return self.sinks.open_sink(turn, record)

    async def aclose(self) -> None:
        self._do("aclose")


@pytest.fixture
def models() -> FakeModels:
    return FakeModels()


@pytest.fixture
async def turns(tmp_path: Path, models: FakeModels) -> AsyncIterator[Turns]:
    async with (
        open_sqlite(f"sqlite:///{tmp_path / 'skein.db'}") as store,
        Turns(store, models, TurnOptions("")) as turns,
    ):
        yield turns


async def test_a_running_turn_ends_between_stop_and_aclose(turns: Turns, models: FakeModels):
    frontend, stop = RecordingFrontend(), asyncio.Event()
    serving = asyncio.create_task(serve([frontend], turns, stop, GRACE))
    async with asyncio.timeout(10):
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
    async with asyncio.timeout(10):
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


async def test_a_refused_token_ends_all_and_is_told(turns: Turns):
    fine = RecordingFrontend()
    refused = RecordingFrontend("refused", TokenRefusedError("Slack", "SLACK_BOT_TOKEN", "revoked"))
    async with asyncio.timeout(10):
        with pytest.raises(TokenRefusedError, match="revoked"):
            await serve([fine, refused], turns, asyncio.Event(), GRACE)
    assert fine.done[-2:] == ["stop", "aclose"]


async def test_a_stop_before_anything_began_ends_at_once(turns: Turns):
    frontend, stop = RecordingFrontend(), asyncio.Event()
    frontend.may_connect.clear()
    stop.set()
    async with asyncio.timeout(10):
        await serve([frontend], turns, stop, GRACE)
    assert frontend.done == ["stop", "aclose"]
