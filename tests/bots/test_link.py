"""What a link says of itself, whatever it is told, and in whatever order."""

import asyncio
from datetime import timedelta

import pytest

from bots.link import Link
from tests.core.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def link(clock: FakeClock) -> Link:
    return Link(clock.now)


def test_before_it_was_ever_connected_it_is_connecting(link: Link):
    assert link.state == "connecting"
    link.lose()
    assert link.state == "connecting"
    assert link.down_for is None


def test_being_down_counts_from_the_first_word_of_it(link: Link, clock: FakeClock):
    link.connect()
    link.lose()
    clock.advance(5)
    link.lose()
    assert link.state == "down"
    assert link.down_for == timedelta(seconds=5)


def test_each_loss_counts_anew(link: Link, clock: FakeClock):
    link.connect()
    link.lose()
    clock.advance(5)
    link.connect()
    assert link.down_for is None
    link.lose()
    assert link.down_for == timedelta()


def test_one_that_stood_by_connects_for_the_first_time(link: Link):
    link.stand_by()
    assert (link.state, link.down_for) == ("standing by", None)
    link.lose()
    assert link.state == "connecting"


async def test_whoever_waits_hears_of_each_change(link: Link):
    waiting = asyncio.create_task(link.wait_for("down"))
    link.connect()
    await asyncio.sleep(0)
    link.lose()
    async with asyncio.timeout(20):
        await waiting
