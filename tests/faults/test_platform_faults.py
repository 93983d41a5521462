"""The platform fails, asks to wait, or cuts calls off after their effect: one whole reply, never two."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from bots.playground.base import Fault
from tests.core.providers.scripted_server import Answer
from tests.e2e.places import Place
from tests.faults.stage import PLATFORMS, Stage, whole

CALLS = {
    "slack": ("chat.startStream", "chat.appendStream", "chat.stopStream"),
    "slack without streams": ("chat.postMessage", "chat.update"),
    "discord": ("POST /channels/*/messages", "PATCH /channels/*/messages/*"),
}


async def ask_in_steps(stage: Stage, place: Place, name: str) -> None:
    """Ask a question whose answer is made, added to and ended by one call each."""
    first, second = asyncio.Event(), asyncio.Event()
    stage.model.play(Answer(f"The answer to {name} ", first, "is here, ", second, "all of it."))
    await place.ask(f"what is {name}?")
    await place.wait_for_torso(f"The answer to {name}")
    first.set()
    await place.wait_for_torso(f"{name} is here")
    second.set()
    await place.wait_for(whole(name))


async def ask_through(stage: Stage, calls: str, faults: Sequence[Fault]) -> None:
    """Ask one question for each fault, in one thread, while it happens."""
    platform = calls.partition(" ")[0]
    place = stage.place(platform)
    async with stage.running(platform):
        for number, fault in enumerate(faults):
            stage.simulation(platform).faults.clear()
            stage.simulation(platform).faults.add(fault)
            if calls == "slack without streams":
                refusal = Fault("chat.startStream", status=200, error="unknown_method", times=9)
                stage.slack.faults.add(refusal)
            await ask_in_steps(stage, place, f"q{number}")
            assert len(place.replies()) == number + 1, fault
    await stage.check(platform)


@pytest.mark.parametrize("calls", CALLS)
async def test_an_answer_lost_after_the_effect_makes_no_second_message(stage: Stage, calls: str):
    await ask_through(
        stage, calls, [Fault(call, drop=True, after=True, times=2) for call in CALLS[calls]]
    )


@pytest.mark.parametrize("calls", CALLS)
async def test_a_platform_that_fails_for_a_while_gets_the_whole_reply(stage: Stage, calls: str):
    faults = [Fault(call, status=503, times=2) for call in CALLS[calls]]
    if calls in PLATFORMS:
        faults.append(Fault("*", status=503, times=4))
    await ask_through(stage, calls, faults)


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
