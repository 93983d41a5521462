"""The model's server is cut off in the middle of an answer, or is not there for a while."""

from __future__ import annotations

import pytest

from tests.core.providers.scripted_server import Answer, Cut
from tests.faults.stage import PLATFORMS, Stage, whole

pytestmark = pytest.mark.parametrize("platform", PLATFORMS)


async def test_an_answer_cut_off_is_told_and_the_thread_goes_on(stage: Stage, platform: str):
    place = stage.place(platform)
    stage.model.play(Answer("It begins well, ", Cut()))
    async with stage.running(platform):
        await place.ask("what is q1?")
        await place.wait_for("broke off here")
        await place.ask("what is q2?")
        await place.wait_for(whole("q2"))
    assert len(place.replies()) == 2
    assert "It begins well," in place.replies()[0]["text"]
    await stage.check(platform)


async def test_a_model_that_comes_back_in_seconds_is_asked_again(stage: Stage, platform: str):
    place = stage.place(platform)
    async with stage.running(platform, MAX_ATTEMPTS="6") as program:
        async with stage.model.away():
            await place.ask("what is q1?")
            await program.wait_for_line("attempt=2/6")
        await place.wait_for(whole("q1"))
    assert len(place.replies()) == len(stage.model.requests) == 1
    await stage.check(platform)
