"""A reply that is shorter when it is made again leaves nothing of the longer one, nowhere."""

from __future__ import annotations

import asyncio

import pytest

from bots.playground.base import Fault, Feed
from core.app import find_backend
from tests.core.providers.scripted_server import Answer, Refuse
from tests.e2e.places import Place
from tests.faults.stage import PLATFORMS, Stage, whole

LONG = "".join(f"This is line {number} of a long answer.\n\n" for number in range(320))
"""More than a message holds, on any platform."""
MAKING = {"slack": "chat.startStream", "discord": "POST /channels/*/messages"}
LOOKING = {"slack": "conversations.replies", "discord": "GET /channels/*/messages"}
REMOVING = {"slack": "chat.delete", "discord": "DELETE /channels/*/messages/*[0-9]"}


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


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("has_nonces", [True, False])
async def test_kill_before_a_further_message_is_recorded_leaves_nothing_of_it_below_a_short_answer(
    stage: Stage, platform: str, has_nonces: bool
):
    place, gate = stage.place(platform), asyncio.Event()
    async with stage.running(platform) as program:
        stage.model.play(Answer(LONG[:500], gate, LONG[500:], asyncio.Event()))
        await place.ask("what is q1?")
        await place.wait_for_torso("This is line 10 ")
        await wait_until_recorded(stage.url, 1)
        for method in (MAKING[platform], LOOKING[platform]):
            stage.simulation(platform).faults.add(Fault(method, drop=True, after=True, times=99))
        gate.set()
        await wait_for_count(stage.simulation(platform).feed, place, 2)
        program.kill()
        await program.wait()
    stage.simulation(platform).faults.clear()
    if not has_nonces:
        forget_nonces(stage)
    await wait_until_recorded(stage.url, 1)
    async with stage.running(platform):
        await place.wait_for(whole("q1"))
        await place.ask("what is q2?")
        await place.wait_for(whole("q2"))
    assert [view["text"] for view in place.replies()] == [whole("q1"), whole("q2")]
    await stage.check(platform)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("is_gone", [True, False])
async def test_kill_while_a_message_is_removed_hinders_no_longer_answer(
    stage: Stage, platform: str, is_gone: bool
):
    place = stage.place(platform)
    async with stage.running(platform) as program:
        stage.model.play(Answer(LONG, asyncio.Event()))
        await place.ask("what is q1?")
        await place.wait_for_torso("This is line 300 ")
        await wait_until_recorded(stage.url, len(place.replies()))
        program.kill()
        await program.wait()
    count = len(place.replies())
    faults = stage.simulation(platform).faults
    faults.add(Fault(REMOVING[platform], drop=True, after=is_gone, times=99))
    async with stage.running(platform) as program:
        stage.model.play(Refuse(400))  # told by a notice, and asked again after a kill
        simulation = stage.slack if platform == "slack" else stage.discord
        await simulation.wait_for_call(REMOVING[platform])
        if is_gone:
            await wait_for_count(stage.simulation(platform).feed, place, count - 1)
        program.kill()
        await program.wait()
    faults.clear()
    stage.model.play(Answer(LONG))
    async with stage.running(platform):
        await place.wait_for("This is line 319 ")
    await stage.check(platform)


async def wait_for_count(feed: Feed, place: Place, count: int) -> None:
    """Wait until the bot has so many messages in a place."""
    with feed.listen() as events:
        async with asyncio.timeout(20):
            while len(place.replies()) != count:
                await events.get()


def forget_nonces(stage: Stage) -> None:
    """Let Discord be as it is minutes later: it keeps no nonce with a message."""
    for channel in stage.discord.snapshot()["channels"]:
        for post in stage.discord.world.state.in_channel(channel["id"]).values():
            post.nonce = ""
