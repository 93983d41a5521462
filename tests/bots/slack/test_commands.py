"""Commands in a workspace: typed, as slash commands, and from a message's menu."""

from __future__ import annotations

import pytest

from bots.playground.base import Fault
from core.errors import StoreError
from tests.bots.slack.conftest import Rig
from tests.bots.slack.fakes import make_info


@pytest.mark.parametrize("text", ["!clear", "@skein !clear"])
async def test_typed_command_in_a_thread_is_done_once_and_answered(rig: Rig, text: str) -> None:
    channel = rig.slack.channel("general")
    ts = await rig.slack.say("ada", "general", "@skein hi")
    await rig.slack.wait_for_reply(channel, ts)
    typed = await rig.slack.say("ada", "general", text, thread=ts)
    reply = await rig.slack.wait_for_reply(channel, ts, contains="Done")
    assert reply["text"] == "*Done*: clear"
    await rig.slack.redeliver(typed)
    assert rig.commands.runs == [("clear", "", rig.key(channel, ts))]
    assert len(rig.turns.taken) == 1


async def test_typed_command_where_the_bot_takes_no_part_is_left_alone(rig: Rig) -> None:
    ts = await rig.slack.say("ada", "general", "lunch?")
    await rig.slack.say("ada", "general", "!clear", thread=ts)
    await rig.slack.wait_until_delivered()
    assert rig.commands.runs == []


async def test_empty_mention_gets_help(rig: Rig) -> None:
    ts = await rig.slack.say("ada", "general", "@skein")
    await rig.slack.wait_for_reply(rig.slack.channel("general"), ts, contains="help")


async def test_slash_command_in_a_direct_message_acts_at_once(rig: Rig) -> None:
    dm = rig.slack.dm("ada")
    assert await rig.slack.command("ada", dm, "/clear") == ""
    answer = await rig.whisper(dm)
    assert answer["text"] == "*Done*: clear"
    assert rig.commands.runs == [("clear", "", rig.key(dm))]


async def test_ones_own_usage_is_told_in_a_channel_at_once(rig: Rig) -> None:
    channel = rig.slack.channel("general")
    assert await rig.slack.command("ada", channel, "/usage") == ""
    assert (await rig.whisper(channel))["text"] == "*Done*: usage"
    assert rig.commands.runs == [("usage", "", rig.key(channel))]


async def test_slash_command_in_a_channel_offers_the_callers_conversations(rig: Rig) -> None:
    channel = rig.slack.channel("general")
    key = rig.key(channel, "1700000000.000100")
    rig.threads.infos, rig.threads.keys = [make_info(key)], {key}
    await rig.slack.command("ada", channel, "/clear")
    menu = await rig.whisper(channel)
    assert rig.commands.runs == []
    assert rig.threads.asked[-1] == ("slack", key.workspace, channel, rig.slack.person("ada"))
    (action,) = menu["actions"]
    assert action["options"] == ["How tall is the Eiffel tower? · 2 messages"]

    await rig.slack.act("ada", menu["id"], action["id"], action["options"][0])
    await rig.slack.wait_for(lambda: rig.commands.runs or None)
    assert rig.commands.runs == [("clear", "", key)]

    def replaced() -> bool:
        return rig.slack.state.messages[menu["id"]].text == "*Done*: clear"

    await rig.slack.wait_for(lambda: replaced() or None)


async def test_model_named_in_a_channel_is_set_for_the_conversation_chosen(rig: Rig) -> None:
    channel = rig.slack.channel("general")
    key = rig.key(channel, "1700000000.000100")
    rig.threads.infos, rig.threads.keys = [make_info(key)], {key}
    await rig.slack.command("ada", channel, "/model", "openai/gpt-4o")
    menu = await rig.whisper(channel)
    (action,) = menu["actions"]
    await rig.slack.act("ada", menu["id"], action["id"], action["options"][0])
    await rig.slack.wait_for(lambda: rig.commands.runs or None)
    assert rig.commands.runs == [("model", "openai/gpt-4o", key)]


async def test_model_command_without_a_name_offers_the_models(rig: Rig) -> None:
    dm = rig.slack.dm("ada")
    await rig.slack.command("ada", dm, "/model")
    menu = await rig.whisper(dm)
    (action,) = menu["actions"]
    assert action["options"] == ["demo/echo", "openai/gpt-4o"]
    await rig.slack.act("ada", menu["id"], action["id"], "openai/gpt-4o")
    await rig.slack.wait_for(lambda: rig.commands.runs[1:] or None)
    assert rig.commands.runs[1] == ("model", "openai/gpt-4o", rig.key(dm))


async def test_slash_command_without_a_conversation_says_so(rig: Rig) -> None:
    channel = rig.slack.channel("general")
    await rig.slack.command("ada", channel, "/clear")
    assert "no conversation" in (await rig.whisper(channel))["text"]


async def test_choice_of_a_conversation_that_is_gone_changes_nothing(rig: Rig) -> None:
    channel = rig.slack.channel("general")
    rig.threads.infos = [make_info(rig.key(channel, "1700000000.000100"))]
    await rig.slack.command("ada", channel, "/clear")
    menu = await rig.whisper(channel)
    (action,) = menu["actions"]
    await rig.slack.act("ada", menu["id"], action["id"], action["options"][0])
    await rig.slack.wait_for(lambda: "too old" in rig.slack.state.messages[menu["id"]].text or None)
    assert rig.commands.runs == []


async def test_pin_from_a_messages_menu_is_about_that_message(rig: Rig) -> None:
    channel = rig.slack.channel("general")
    ts = await rig.slack.say("ada", "general", "@skein hi")
    reply = await rig.slack.wait_for_reply(channel, ts)
    await rig.slack.shortcut("ada", reply["id"], "pin_message")
    await rig.whisper(channel)
    assert rig.commands.runs == [("pin", "", rig.key(channel, ts))]
    assert rig.commands.abouts == [reply["id"]]


async def test_slow_command_holds_up_neither_its_event_nor_the_thread(rig: Rig) -> None:
    channel = rig.slack.channel("general")
    ts = await rig.slack.say("ada", "general", "@skein hi")
    await rig.slack.wait_for_reply(channel, ts)
    await rig.slack.say("ada", "general", "!compact", thread=ts)
    await rig.slack.wait_until_delivered()
    await rig.slack.say("ada", "general", "!clear", thread=ts)
    await rig.slack.wait_for_reply(channel, ts, contains="Done")
    assert [name for name, _, _ in rig.commands.runs] == ["clear"]
    rig.commands.hold.set()
    await rig.slack.wait_for_reply(channel, ts, contains="compact")


@pytest.mark.parametrize(
    ("callback", "name"), [("clear_thread", "clear"), ("choose_model", "model")]
)
async def test_shortcut_acts_on_the_messages_thread(rig: Rig, callback: str, name: str) -> None:
    channel = rig.slack.channel("general")
    ts = await rig.slack.say("ada", "general", "@skein hi")
    reply = await rig.slack.wait_for_reply(channel, ts)
    await rig.slack.shortcut("ada", reply["id"], callback)
    answer = await rig.whisper(channel)
    assert answer["thread"] == ts
    assert rig.commands.runs == [(name, "", rig.key(channel, ts))]


async def test_shortcut_in_a_foreign_thread_says_so(rig: Rig) -> None:
    channel = rig.slack.channel("general")
    ts = await rig.slack.say("ada", "general", "lunch?")
    await rig.slack.shortcut("ada", ts, "clear_thread")
    assert "no part" in (await rig.whisper(channel))["text"]
    assert rig.commands.runs == []


async def test_failing_command_is_answered_with_a_sentence(rig: Rig) -> None:
    rig.commands.error = StoreError("the disk is full")
    dm = rig.slack.dm("ada")
    await rig.slack.command("ada", dm, "/clear")
    said = (await rig.whisper(dm))["text"]
    assert "I can't reach my memory" in said
    assert "Please" in said
    assert "disk" not in said


async def test_answer_takes_the_other_way_when_one_is_closed(rig: Rig) -> None:
    channel = rig.slack.channel("general")
    ts = await rig.slack.say("ada", "general", "lunch?")
    rig.slack.faults.add(Fault("chat.postEphemeral", status=200, error="user_not_in_channel"))
    await rig.slack.shortcut("ada", ts, "clear_thread")
    assert "no part" in (await rig.whisper(channel))["text"]
