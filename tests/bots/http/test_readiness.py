"""When a process is ready, and what the log says of it."""

import asyncio
import logging
from collections.abc import AsyncGenerator
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

    async def __call__(self) -> None:
        await self.answers.wait()
        if self.failure:
            raise self.failure


@asynccontextmanager
async def watched(ping: ScriptedPing) -> AsyncGenerator[Link]:
    """Watch a store alone, with no grace at all."""
    store = Link()
    readiness = Readiness({"store": store}, timedelta(), lambda: False)
    watch = Watch(readiness, store, ping, timedelta(), ping_timeout=timedelta(milliseconds=50))
    async with asyncio.timeout(10), beside(watch.run()):
        await store.wait_for("connected")
        yield store


def readiness_log(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    return [
        (record.levelno, record.getMessage())
        for record in caplog.records
        if record.name == "skein.http" and record.levelno > logging.DEBUG
    ]


@pytest.mark.parametrize("failure", [StoreError("away"), LookupError("nobody expected this")])
async def test_the_log_tells_each_turn_once(caplog: pytest.LogCaptureFixture, failure: Exception):
    caplog.set_level(logging.INFO, "skein.http")
    ping = ScriptedPing()
    async with watched(ping) as store:
        ping.failure = failure
        await store.wait_for("down")
        await asyncio.sleep(0.6)  # it is asked again twice meanwhile
        ping.failure = None
        await store.wait_for("connected")
        ping.failure = failure
        await store.wait_for("down")
    red, green = (logging.ERROR, "not ready: store is down for 0 s"), (logging.INFO, "ready")
    assert readiness_log(caplog) == [red, green, red]


async def test_a_store_that_does_not_answer_in_time_is_down():
    ping = ScriptedPing()
    async with watched(ping) as store:
        ping.answers.clear()
        await store.wait_for("down")
        ping.answers.set()
        await store.wait_for("connected")
