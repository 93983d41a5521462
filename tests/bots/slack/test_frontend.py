"""The frontend in a workspace, with the real SDK over real sockets."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bots.playground.base import Fault
from bots.playground.slack import Timing
from bots.slack.frontend import SlackFrontend
from core.conversation import Author, Incoming
from core.errors import SettingsError
from core.settings import load_settings
from tests.bots.slack.conftest import Rig
from tests.bots.slack.fakes import FakeThreads, FakeTurns, RecordingCommands


async def test_mention_in_a_channel_is_answered_in_its_thread(rig: Rig) -> None:
    channel = rig.slack.channel("general")
    ts = await rig.slack.say("ada", "general", "@skein how are you?")
    reply = await rig.slack.wait_for_reply(channel, ts)
    assert reply["text"] == "You said: how are you?"
    assert rig.turns.taken[0].key == rig.key(channel, ts)
    assert rig.turns.taken[0].author == Author(rig.slack.person("ada"), "Ada")


async def test_mention_that_comes_as_two_events_is_one_turn(rig: Rig) -> None:
    ts = await rig.slack.say("ada", "general", "@skein hi")
    await rig.slack.wait_until_delivered()
    assert [message.message_id for message in rig.turns.offered] == [ts, ts]
    assert len(rig.turns.taken) == 1


async def test_follow_up_in_the_thread_needs_no_mention(rig: Rig) -> None:
    channel = rig.slack.channel("general")
    ts = await rig.slack.say("ada", "general", "@skein hi")
    await rig.slack.wait_for_reply(channel, ts)
    await rig.slack.say("grace", "general", "and me?", thread=ts)
    await rig.slack.wait_for_reply(channel, ts, contains="and me?")
    assert rig.turns.taken[1].key == rig.turns.taken[0].key


async def test_follow_up_right_behind_the_mention_is_not_lost(rig: Rig) -> None:
    rig.slack.faults.add(Fault("users.info", delay=timedelta(seconds=0.2), is_slow_only=True))
    ts = await rig.slack.say("ada", "general", "@skein hi")
    await rig.slack.say("grace", "general", "and me?", thread=ts)
    await rig.slack.wait_until_delivered()
    assert [message.text for message in rig.turns.taken] == ["hi", "and me?"]


async def test_talk_of_others_is_left_alone(rig: Rig) -> None:
    ts = await rig.slack.say("ada", "general", "lunch?")
    await rig.slack.say("grace", "general", "yes", thread=ts)
    await rig.slack.wait_until_delivered()
    assert rig.turns.offered == []
    assert rig.slack.given_up == []


async def test_direct_message_is_answered_beside_it(rig: Rig) -> None:
    dm = rig.slack.dm("ada")
    await rig.slack.say("ada", dm, "hi")
    reply = await rig.slack.wait_for_reply(dm)
    assert reply["text"] == "You said: hi"
    assert rig.turns.taken[0].key == rig.key(dm)


async def test_own_messages_and_edits_start_no_turn(rig: Rig) -> None:
    dm = rig.slack.dm("ada")
    ts = await rig.slack.say("ada", dm, "hi")
    await rig.slack.wait_for_reply(dm)
    await rig.slack.edit(ts, "hello")
    await rig.slack.delete(ts)
    await rig.slack.wait_until_delivered()
    assert len(rig.turns.offered) == 1
    assert rig.slack.given_up == []


@pytest.mark.parametrize("timing", [Timing(ack=timedelta(seconds=0.3))], ids=["impatient"])
async def test_message_that_cannot_be_recorded_is_not_acknowledged(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.turns.refusals = 1
    dm = rig.slack.dm("ada")
    await rig.slack.say("ada", dm, "hi")
    await rig.slack.wait_for_reply(dm)
    assert rig.slack.deliveries[0].attempts == 2
    assert len(rig.turns.offered) == 2
    assert "the disk is full" in caplog.text


@pytest.mark.parametrize("timing", [Timing(ack=timedelta(seconds=20))], ids=["patient"])
async def test_message_is_acknowledged_once_it_is_recorded_and_no_sooner(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_record, submit = asyncio.Event(), rig.turns.submit

    async def submit_slowly(incoming: Incoming) -> bool:
        if incoming.text == "slow":
            await may_record.wait()
        return await submit(incoming)

    monkeypatch.setattr(rig.turns, "submit", submit_slowly)
    await rig.slack.say("ada", rig.slack.dm("ada"), "slow")
    await rig.slack.say("grace", rig.slack.dm("grace"), "quick")
    await rig.slack.wait_for_reply(rig.slack.dm("grace"))
    slow, quick = rig.slack.deliveries[:2]
    async with asyncio.timeout(20):
        await quick.finished.wait()
    assert (slow.is_acknowledged, quick.is_acknowledged) == (False, True)
    may_record.set()
    async with asyncio.timeout(20):
        await slow.finished.wait()
    assert (slow.is_acknowledged, slow.attempts) == (True, 1)


async def test_redelivered_event_is_acknowledged_and_not_answered_again(rig: Rig) -> None:
    ts = await rig.slack.say("ada", "general", "@skein hi")
    await rig.slack.wait_for_reply(rig.slack.channel("general"), ts)
    again = await rig.slack.redeliver(ts)
    assert all(delivery.is_acknowledged for delivery in again)
    assert len(rig.turns.taken) == 1


async def test_names_stand_for_ids_in_the_text(rig: Rig) -> None:
    await rig.slack.say("ada", "general", "@skein ask @grace")
    await rig.slack.wait_until_delivered()
    assert rig.turns.taken[0].text == "ask @Grace"


async def test_failing_name_look_up_stops_no_turn(rig: Rig) -> None:
    rig.slack.faults.add(Fault("users.info", status=200, error="missing_scope"))
    dm = rig.slack.dm("ada")
    await rig.slack.say("ada", dm, "hi")
    await rig.slack.wait_for_reply(dm)
    assert rig.turns.taken[0].author.name == rig.slack.person("ada")


async def test_hanging_name_look_up_does_not_delay_the_acknowledgement(rig: Rig) -> None:
    rig.slack.faults.add(Fault("users.info", delay=timedelta(seconds=4), is_slow_only=True))
    dm = rig.slack.dm("ada")
    await rig.slack.say("ada", dm, "hi")
    await rig.slack.wait_for_reply(dm, timeout=timedelta(seconds=3))
    assert rig.slack.deliveries[0].attempts == 1


async def test_unneeded_events_are_acknowledged(rig: Rig) -> None:
    delivery = rig.slack._socket.send(  # pyright: ignore[reportPrivateUsage]
        "events_api",
        {
            "type": "event_callback",
            "team_id": "T1",
            "event": {"type": "app_home_opened", "user": "U1"},
        },
    )
    await delivery.finished.wait()
    assert delivery.is_acknowledged


@pytest.mark.parametrize("missing", ["slack_bot_token", "slack_app_token"])
def test_frontend_needs_both_tokens(missing: str) -> None:
    tokens = {"slack_bot_token": "xoxb-123456", "slack_app_token": "xapp-123456", missing: None}
    settings = load_settings(use_environment=False, **tokens)
    turns = FakeTurns()
    with pytest.raises(SettingsError, match=missing.upper()):
        SlackFrontend(settings, turns, FakeThreads(turns), RecordingCommands())


async def test_no_secret_is_logged(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    await rig.slack.drop_connections()
    await rig.slack.wait_for(lambda: rig.slack.connections() == 0 or None)
    await rig.slack.wait_until_connected()
    dm = rig.slack.dm("ada")
    await rig.slack.say("ada", dm, "hi")
    await rig.slack.wait_for_reply(dm)
    for secret in (rig.slack.bot_token, rig.slack.app_token, "ticket="):
        assert secret not in caplog.text
