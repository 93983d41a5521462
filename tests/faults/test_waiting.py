"""With WAITING=merge, what was asked during an answer is answered by one reply, whatever dies."""

from __future__ import annotations

import asyncio

import pytest

from core.app import find_backend
from tests.core.providers.scripted_server import Answer
from tests.e2e.places import Place
from tests.faults.stage import PLATFORMS, Stage, whole

pytestmark = pytest.mark.parametrize("platform", PLATFORMS)


async def wait_until_recorded(url: str, count: int) -> None:
    """Look until so many questions wait or run: another process records them, and tells nobody."""
    async with asyncio.timeout(20), find_backend(url).open_store(url) as store:
        while len(await store.load_unfinished()) < count:  # noqa: ASYNC110 -- see above
            await asyncio.sleep(0.02)


async def ask_during_an_answer(stage: Stage, place: Place) -> None:
    """Ask two questions while a first one is answered, then let that answer end."""
    go_on = asyncio.Event()
    stage.model.play(Answer("The answer to q1 ", go_on, "is here, all of it."))
    await place.ask("what is q1?")
    await place.wait_for_torso("The answer to q1")
    await place.ask("what is q2?")
    await place.ask("what is q3?")
    await wait_until_recorded(stage.url, 3)
    go_on.set()


async def test_questions_that_waited_share_the_reply_after_the_last(stage: Stage, platform: str):
    place = stage.place(platform)
    async with stage.running(platform, WAITING="merge"):
        await ask_during_an_answer(stage, place)
        await place.wait_for(whole("q3"))
    assert len(place.replies()) == 2
    assert stage.model.requests[-1].texts[-1] == "what is q2?\n\nwhat is q3?"
    await stage.check(platform)


async def test_kill_during_a_shared_reply_leaves_one_to_all(stage: Stage, platform: str):
    place, never = stage.place(platform), asyncio.Event()
    async with stage.running(platform, WAITING="merge") as program:
        asking = asyncio.create_task(ask_during_an_answer(stage, place))
        await place.wait_for_torso("The answer to q1")
        stage.model.play(Answer("A torso ", never))
        await asking
        await place.wait_for_torso("A torso")
        program.kill()
        await program.wait()
    # What was merged stays so, however the next process lets questions wait.
    async with stage.running(platform, WAITING="queue"):
        await place.wait_for(whole("q3"))
    assert len(place.replies()) == 2
    await stage.check(platform)
