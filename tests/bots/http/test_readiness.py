"""When a process is ready, and what the log says of it."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from bots.http.readiness import Readiness, Watch
from bots.link import Link
from core.beside import beside
from core.errors import StoreError
from tests.core.clock import FakeClock

GRACE = timedelta(seconds=30)


class Scene:
    """A store and a platform, judged by a clock that is given."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store, self.slack = Link(self.clock.now), Link(self.clock.now)
        self.is_stopping = False
        links = {"store": self.store, "slack": self.slack}
        self.readiness = Readiness(links, GRACE, lambda: self.is_stopping)

    @property
    def status(self) -> str:
        return self.readiness.report().status


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_it_is_ready_once_all_are_connected(scene: Scene):
    assert scene.status == "not ready"
    scene.store.connect()
    assert scene.status == "not ready"
    scene.slack.connect()
    assert scene.status == "ready"


def test_a_replica_that_stands_by_is_ready(scene: Scene):
    scene.store.connect()
    scene.slack.stand_by()
    assert scene.status == "ready"


def test_a_part_may_be_away_for_the_grace_and_no_longer(scene: Scene):
    scene.store.connect()
    scene.slack.connect()
    scene.slack.lose()
    scene.clock.advance(30)
    assert scene.status == "ready"
    scene.clock.advance(1)
    assert scene.status == "not ready"
    assert str(scene.readiness.report()) == "slack is down for 31 s"
    scene.slack.connect()
    assert scene.status == "ready"


def test_each_part_has_a_grace_of_its_own(scene: Scene):
    for link in (scene.store, scene.slack):
        link.connect()
        link.lose()
        scene.clock.advance(20)
        link.connect()
    assert scene.status == "ready"


def test_a_process_that_stops_is_not_ready_at_once(scene: Scene):
    scene.store.connect()
    scene.slack.connect()
    scene.is_stopping = True
    assert scene.status == "stopping"


class ScriptedPing:
    """A store that does as it is told each time it is asked."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()
        self._asked = asyncio.Semaphore(0)

    async def wait_for_more(self, count: int) -> None:
        """Wait until it was asked so many times more."""
        while not self._asked.locked():
            await self._asked.acquire()
        for _ in range(count):
            await self._asked.acquire()

    async def __call__(self) -> None:
        self._asked.release()
        await self.answers.wait()
        if self.failure:
            raise self.failure


@asynccontextmanager
async def watched(ping: ScriptedPing) -> AsyncGenerator[Link]:
    """Watch a store alone, with no grace at all."""
    store = Link()
    readiness = Readiness({"store": store}, timedelta(), lambda: False)
    watch = Watch(readiness, store, ping, timedelta(), ping_timeout=timedelta(milliseconds=50))
    async with asyncio.timeout(20), beside(watch.run()):
        await store.wait_for("connected")
        yield store


class Heard(logging.Handler):
    """Hands on what is logged, as it is logged."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.put_nowait((record.levelname, record.getMessage()))


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture) -> Iterator[Heard]:
    caplog.set_level(logging.INFO, "skein.http")
    handler = Heard()
    logging.getLogger("skein.http").addHandler(handler)
    yield handler
    logging.getLogger("skein.http").removeHandler(handler)


@pytest.mark.parametrize("failure", [StoreError("away"), LookupError("nobody expected this")])
async def test_the_log_tells_each_turn_once(heard: Heard, failure: Exception):
    red, green = ("ERROR", "not ready: store is down for 0 s"), ("INFO", "ready")
    ping = ScriptedPing()
    async with watched(ping):
        for _ in range(2):
            ping.failure = failure
            assert await heard.lines.get() == red
            await ping.wait_for_more(2)
            ping.failure = None
            assert await heard.lines.get() == green
    assert heard.lines.empty()


async def test_a_store_that_does_not_answer_in_time_is_down():
    ping = ScriptedPing()
    async with watched(ping) as store:
        ping.answers.clear()
        await store.wait_for("down")
        ping.answers.set()
        await store.wait_for("connected")
