"""SIGTERM in the middle of an answer, and a turn that takes the process with it each time."""

import asyncio

import pytest

from bots.playground.base import Fault
from tests.core.providers.scripted_server import Answer
from tests.faults.stage import PLATFORMS, Stage, whole

pytestmark = pytest.mark.parametrize("platform", PLATFORMS)

MAKING = {"slack": "chat.startStream", "discord": "POST /channels/*/messages"}


async def test_an_answer_under_way_ends_within_the_grace(stage: Stage, platform: str):
    gate = asyncio.Event()
    stage.model.play(Answer("The answer to q1 ", gate, "is here, all of it."))
    place = stage.place(platform)
    async with stage.running(platform) as program:
        await place.ask("what is q1?")
        await place.wait_for_torso("The answer to q1")
        program.terminate()
        await program.wait_for_line("SIGTERM")
        gate.set()
        assert await program.wait() == 0
    assert whole("q1") in place.replies()[0]["text"]
    await stage.check(platform)


async def test_an_answer_that_outlasts_the_grace_is_replaced_after_the_start(
    stage: Stage, platform: str
):
    never = asyncio.Event()
    stage.model.play(Answer("This will never be ", never))
    place = stage.place(platform)
    async with stage.running(platform, SHUTDOWN_SECONDS="0.1") as program:
        await place.ask("what is q1?")
        await place.wait_for_torso("This will never be")
        await place.ask("what is q2?")
        program.terminate()
        assert await program.wait() == 0
    async with stage.running(platform):
        await place.wait_for(whole("q1"))
        await place.wait_for(whole("q2"))
    assert not any("never" in view["text"] for view in place.replies())
    await stage.check(platform)


async def test_a_question_that_kills_the_process_each_time_is_set_aside(
    stage: Stage, platform: str
):
    place = stage.place(platform)
    gate, never = asyncio.Event(), asyncio.Event()
    stage.model.play(*[Answer("Poison ", gate, "kills ", never)] * 2)
    async with stage.running(platform, MAX_ATTEMPTS="2") as program:
        poison = await place.ask("what is poison?")
        await place.wait_for_torso("Poison")
        gate.set()
        await place.wait_for_torso("Poison kills")
        await place.ask("what is q1?")
        program.kill()
        await program.wait()
    async with stage.running(platform, MAX_ATTEMPTS="2") as program:
        await stage.model.wait_for_requests(2)
        program.kill()
        await program.wait()
    async with stage.running(platform, MAX_ATTEMPTS="2"):
        await place.wait_for("was interrupted")
        await place.wait_for(whole("q1"))
        await place.ask("what is q2?")
        await place.wait_for(whole("q2"))
    assert len(stage.model.requests) == 4
    await stage.check(platform, told={poison})


async def test_a_message_made_but_not_recorded_is_taken_over_after_a_kill(
    stage: Stage, platform: str
):
    place = stage.place(platform)
    stage.simulation(platform).faults.add(Fault(MAKING[platform], drop=True, after=True))
    stage.model.play(Answer("A torso ", asyncio.Event()))
    async with stage.running(platform) as program:
        await place.ask("what is q1?")
        await place.wait_for_torso("A torso")
        program.kill()
        await program.wait()
    async with stage.running(platform):
        await place.wait_for(whole("q1"))
    await stage.check(platform)
