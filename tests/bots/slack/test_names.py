"""Names are looked up once, together, and never in anyone's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest

from bots.playground.base import Fault
from bots.playground.slack import SimulatedSlack
from bots.slack.bolt import make_client
from bots.slack.names import Names, read_name


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def names(slack: SimulatedSlack, clock: Clock) -> AsyncIterator[Names]:
    client = make_client(slack.api_url, slack.bot_token)
    async with aiohttp.ClientSession() as session:
        client.session = session
        names = Names(client, size=2, patience=timedelta(seconds=0.2), clock=clock)
        yield names
        await names.aclose()


async def test_name_is_asked_for_once(names: Names, slack: SimulatedSlack) -> None:
    ada = slack.person("ada")
    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(names.find([ada, ada]))
    assert await names.find([ada]) == {ada: "Ada"}
    assert len(slack.calls_to("users.info")) == 1


async def test_name_is_asked_for_again_when_it_is_old(
    names: Names, slack: SimulatedSlack, clock: Clock
) -> None:
    ada = slack.person("ada")
    await names.find([ada])
    clock.now += 3601
    slack.faults.add(Fault("users.info"))
    assert await names.find([ada]) == {ada: "Ada"}
    assert len(slack.calls_to("users.info")) == 2


async def test_failed_look_up_rests_for_a_while(
    names: Names, slack: SimulatedSlack, clock: Clock
) -> None:
    ada = slack.person("ada")
    slack.faults.add(Fault("users.info", status=200, error="missing_scope"))
    assert await names.find([ada]) == {}
    assert await names.find([ada]) == {}
    assert len(slack.calls_to("users.info")) == 1
    clock.now += 301
    assert await names.find([ada]) == {ada: "Ada"}


async def test_slow_look_up_ends_beside(names: Names, slack: SimulatedSlack) -> None:
    ada = slack.person("ada")
    slack.faults.add(Fault("users.info", delay=timedelta(seconds=0.4), is_slow_only=True))
    assert await names.find([ada]) == {}
    await slack.wait_for_call("users.info")
    assert await names.find([ada]) == {ada: "Ada"}
    assert len(slack.calls_to("users.info")) == 1


async def test_no_more_names_are_kept_than_allowed(names: Names, slack: SimulatedSlack) -> None:
    everyone = [slack.person(name) for name in ("ada", "grace", "linus")]
    for person in everyone:
        await names.find([person])
    await names.find([everyone[0]])
    assert len(slack.calls_to("users.info")) == 4


async def test_closing_ends_what_is_under_way(names: Names, slack: SimulatedSlack) -> None:
    slack.faults.add(Fault("users.info", delay=timedelta(minutes=1), is_slow_only=True))
    await names.find([slack.person("ada")])
    async with asyncio.timeout(20):
        await names.aclose()


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ({"profile": {"display_name": "ada", "real_name": "Ada L"}, "name": "a"}, "ada"),
        ({"profile": {"display_name": " ", "real_name": "Ada L"}, "name": "a"}, "Ada L"),
        ({"real_name": "Ada L", "name": "a"}, "Ada L"),
        ({"name": "a"}, "a"),
        ({}, ""),
        (None, ""),
    ],
)
def test_name_is_the_one_that_people_see(user: object, name: str) -> None:
    assert read_name({"user": user}) == name
