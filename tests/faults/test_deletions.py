"""People delete what they asked: nobody waits for it, and nothing is tried again and again."""

from __future__ import annotations

import asyncio

import pytest

from core.app import find_backend
from core.conversation import TurnState
from tests.core.providers.scripted_server import Answer
from tests.faults.stage import PLATFORMS, Stage, whole

pytestmark = pytest.mark.parametrize("platform", PLATFORMS)


async def delete(stage: Stage, platform: str, message: str) -> None:
    await (stage.slack if platform == "slack" else stage.discord).delete(message)


async def load_states(stage: Stage, platform: str) -> list[TurnState]:
    """Give the states of all turns, by the platform's time."""
    async with find_backend(stage.url).open_store(stage.url) as store:
        assert await store.load_unfinished() == []
        infos = await store.load_recent(platform)
        histories = [await store.load_history(info.key) for info in infos]
        turn_ids = {stored.turn_id for history in histories for stored in history}
        turns = [turn for id_ in turn_ids if (turn := await store.find_turn(id_))]
    return [turn.state for turn in sorted(turns, key=lambda turn: turn.sent_at)]


async def test_a_question_deleted_while_it_waits_holds_up_nothing(stage: Stage, platform: str):
    place, go_on = stage.place(platform), asyncio.Event()
    stage.model.play(Answer("The answer to q1 ", go_on, "is here, all of it."))
    async with stage.running(platform):
        await place.ask("what is q1?")
        await place.wait_for_torso("The answer to q1")
        await delete(stage, platform, await place.ask("what is q2?"))
        await place.ask("what is q3?")
        go_on.set()
        await place.wait_for(whole("q3"))
    assert len(place.replies()) == 3
    assert await load_states(stage, platform) == [TurnState.DONE] * 3


async def test_a_question_deleted_before_anything_is_answered_ends_its_turn(
    stage: Stage, platform: str
):
    """On Slack the thread is gone with it; Discord takes an answer to nothing."""
    place, other, go_on = stage.place(platform), stage.place(platform, "random"), asyncio.Event()
    stage.model.play(Answer(go_on, "The answer to q1 is here, all of it."))
    async with stage.running(platform) as program:
        question = await place.ask("what is q1?")
        await stage.model.wait_for_requests(1)
        await delete(stage, platform, question)
        go_on.set()
        if platform == "slack":
            await program.wait_for_line("could not be delivered: .*thread_not_found")
        else:
            await place.wait_for(whole("q1"))
        await other.ask("what is q2?")
        await other.wait_for(whole("q2"))
    ended = TurnState.FAILED if platform == "slack" else TurnState.DONE
    assert await load_states(stage, platform) == [ended, TurnState.DONE]


async def test_a_question_deleted_while_nobody_listens_ends_its_turn(stage: Stage, platform: str):
    place, other = stage.place(platform), stage.place(platform, "random")
    stage.model.play(Answer(asyncio.Event()))
    async with stage.running(platform) as program:
        question = await place.ask("what is q1?")
        await stage.model.wait_for_requests(1)
        program.kill()
        await program.wait()
    await delete(stage, platform, question)
    async with stage.running(platform):
        await other.ask("what is q2?")
        await other.wait_for(whole("q2"))
        if platform == "discord":
            await place.wait_for(whole("q1"))
    ended = TurnState.FAILED if platform == "slack" else TurnState.DONE
    assert await load_states(stage, platform) == [ended, TurnState.DONE]
