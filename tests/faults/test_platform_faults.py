"""The platform fails, asks to wait, or cuts calls off after their effect: one whole reply, never two."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bots.playground.base import Fault
from tests.core.providers.scripted_server import Answer
from tests.e2e.places import Place
from tests.faults.stage import PLATFORMS, Stage, whole

POST, PATCH = "POST /channels/*/messages", "PATCH /channels/*/messages/*"
LOST_ANSWERS = (
    ("slack", "chat.startStream"),
    ("slack", "chat.appendStream"),
    ("slack", "chat.stopStream"),
    ("discord", POST),
    ("discord", PATCH),
)


async def ask_in_steps(stage: Stage, place: Place) -> None:
    """Ask a question whose answer is made, added to and ended by one call each."""
    first, second = asyncio.Event(), asyncio.Event()
    stage.model.play(Answer("The answer to q1 ", first, "is here, ", second, "all of it."))
    await place.ask("what is q1?")
    await place.wait_for_torso("The answer to q1")
    first.set()
    await place.wait_for_torso("is here")
    second.set()
    await place.wait_for(whole("q1"))


@pytest.mark.parametrize(("platform", "method"), LOST_ANSWERS)
async def test_an_answer_lost_after_the_effect_makes_no_second_message(
    stage: Stage, platform: str, method: str
):
    place = stage.place(platform)
    async with stage.running(platform):
        stage.simulation(platform).faults.add(Fault(method, drop=True, after=True, times=2))
        await ask_in_steps(stage, place)
    assert len(place.replies()) == 1
    await stage.check(platform)


@pytest.mark.parametrize("method", ["chat.postMessage", "chat.update"])
async def test_without_streams_a_lost_answer_makes_no_second_message_either(
    stage: Stage, method: str
):
    place = stage.place("slack")
    async with stage.running("slack"):
        stage.slack.faults.add(Fault("chat.startStream", status=200, error="unknown_method"))
        stage.slack.faults.add(Fault(method, drop=True, after=True, times=2))
        await ask_in_steps(stage, place)
    assert len(place.replies()) == 1
    await stage.check("slack")


@pytest.mark.parametrize(("platform", "method"), [*LOST_ANSWERS, ("slack", "*"), ("discord", "*")])
async def test_a_platform_that_fails_for_a_while_gets_the_whole_reply_all_the_same(
    stage: Stage, platform: str, method: str
):
    place = stage.place(platform)
    gate = asyncio.Event()
    stage.model.play(Answer("The answer to q1 ", gate, "is here, all of it."))
    async with stage.running(platform):
        stage.simulation(platform).faults.add(Fault(method, status=503, times=3))
        await place.ask("what is q1?")
        await stage.model.wait_for_requests(1)
        gate.set()
        await place.wait_for(whole("q1"))
        stage.simulation(platform).faults.clear()
        await place.ask("what is q2?")
        await place.wait_for(whole("q2"))
    assert len(place.replies()) == 2
    await stage.check(platform)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_storm_of_rate_limits_delays_replies_and_loses_none(stage: Stage, platform: str):
    places = [stage.place(platform, name) for name in ("general", "random")]
    async with stage.running(platform):
        stage.simulation(platform).faults.add(
            Fault("*", status=429, retry_after=timedelta(seconds=1), times=8)
        )
        for number, place in enumerate(places):
            await place.ask(f"what is q{number}?")
        for number, place in enumerate(places):
            await place.wait_for(whole(f"q{number}"))
    assert [len(place.replies()) for place in places] == [1, 1]
    await stage.check(platform)
