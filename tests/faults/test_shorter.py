"""A reply that is shorter when it is made again leaves nothing of the longer one, nowhere."""

from __future__ import annotations

import asyncio

import pytest

from core.app import find_backend
from tests.core.providers.scripted_server import Answer
from tests.faults.stage import PLATFORMS, Stage, whole

LONG = "".join(f"This is line {number} of a long answer.\n\n" for number in range(320))
"""More than a message holds, on any platform."""


async def wait_until_recorded(url: str, count: int) -> None:
    """Look until so many messages of the reply are recorded: another process does it, and tells nobody."""
    async with asyncio.timeout(20), find_backend(url).open_store(url) as store:
        while len((await store.load_unfinished())[0].replies) < count:  # noqa: ASYNC110 -- see above
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_kill_in_a_long_reply_that_comes_back_short_leaves_one_message(
    stage: Stage, platform: str
):
    place = stage.place(platform)
    async with stage.running(platform) as program:
        stage.model.play(Answer(LONG, asyncio.Event()))
        await place.ask("what is q1?")
        await place.wait_for_torso("This is line 300 ")
        assert len(place.replies()) > 1
        await wait_until_recorded(stage.url, len(place.replies()))
        program.kill()
        await program.wait()
    async with stage.running(platform):
        await place.wait_for(whole("q1"))
    assert len(place.replies()) == 1
    await stage.check(platform)
    async with find_backend(stage.url).open_store(stage.url) as store:
        [info] = await store.load_recent(platform)
        [question, _] = await store.load_history(info.key)
        turn = await store.find_turn(question.turn_id)
    assert turn is not None
    assert [(reply.part, reply.message_id) for reply in turn.replies] == [
        (0, place.replies()[0]["id"])
    ]
