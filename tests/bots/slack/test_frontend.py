"""The frontend in a workspace, with the real SDK over real sockets."""

from __future__ import annotations

from tests.bots.slack.conftest import Rig


async def test_mention_in_a_channel_is_answered_in_its_thread(rig: Rig) -> None:
    channel = rig.slack.channel("general")
    ts = await rig.slack.say("ada", "general", "@skein how are you?")
    reply = await rig.slack.wait_for_reply(channel, ts)
    assert reply["text"] == "You said: how are you?"
