"""The frontend in a workspace, with the real SDK over real sockets."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bots.playground.base import Fault, MessageView
from bots.playground.slack import Timing
from bots.slack.frontend import SlackFrontend
from core.conversation import Author, ReplyMessage, ThreadKey, Turn
from core.errors import SettingsError, StoreError
from core.settings import load_settings
from core.sink import ReplySink
from tests.bots.slack.conftest import Rig
from tests.bots.slack.fakes import FakeThreads, FakeTurns, RecordingCommands, make_info, make_turn


def key_in(rig: Rig, channel: str, thread: str = "") -> ThreadKey:
    return ThreadKey("slack", rig.slack.state.identity.team, channel, thread)


async def whisper(rig: Rig, channel: str, person: str = "ada") -> MessageView:
    """Wait for what one person is shown, and take it."""
    ada = rig.slack.person(person)

    def find() -> MessageView | None:
        every = rig.slack.snapshot()["messages"]
        seen = (m for m in every if m["visible_to"] == ada and m["channel"] == channel)
        return next((m for m in reversed(list(seen))), None)

    return await rig.slack.wait_for(find)


async def test_mention_in_a_channel_is_answered_in_its_thread(rig: Rig) -> None:
    channel = rig.slack.channel("general")
    ts = await rig.slack.say("ada", "general", "@skein how are you?")
    reply = await rig.slack.wait_for_reply(channel, ts)
    assert reply["text"] == "You said: how are you?"
    assert rig.turns.taken[0].key == key_in(rig, channel, ts)
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
    assert rig.turns.taken[0].key == key_in(rig, dm)


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


async def test_reply_can_be_read_while_it_grows(rig: Rig) -> None:
    channel = rig.slack.channel("general")

    async def answer(sink: ReplySink, turn: Turn) -> None:
        sink.update("Once upon a")

        def grows() -> bool:
            shown = rig.slack.messages(channel, turn.key.thread)
            return any(m["is_streaming"] and m["text"] == "Once upon a" for m in shown)

        await rig.slack.wait_for(lambda: grows() or None)
        await sink.finish("Once upon a time")

    rig.turns.answer = answer
    ts = await rig.slack.say("ada", "general", "@skein tell")
    reply = await rig.slack.wait_for_reply(channel, ts)
    assert reply["text"] == "Once upon a time"
    await rig.turns.settle()
    assert [(r.message_id, r.kind) for r in rig.turns.replies] == [
        (reply["id"], "stream"),
        (reply["id"], "message"),
    ]


async def test_long_reply_streams_and_stays_whole(rig: Rig) -> None:
    text = "\n".join(f"Line {number} of many, **bold** and plain." for number in range(600))

    async def answer(sink: ReplySink, turn: Turn) -> None:
        sink.update(text[:100])
        await sink.finish(text)

    rig.turns.answer = answer
    channel = rig.slack.channel("general")
    ts = await rig.slack.say("ada", "general", "@skein long")
    await rig.slack.wait_for_reply(channel, ts, contains="Line 599")
    shown = [m["text"] for m in rig.slack.messages(channel, ts)]
    assert len(shown) >= 3
    assert "\n".join(shown) == text


async def test_reply_stays_whole_through_lost_answers_and_errors(rig: Rig) -> None:
    channel = rig.slack.channel("general")
    for fault in (
        Fault("chat.appendStream", drop=True, after=True),
        Fault("chat.stopStream", status=503),
        Fault("chat.update", status=429, retry_after=timedelta()),
    ):
        rig.slack.faults.add(fault)

    async def answer(sink: ReplySink, turn: Turn) -> None:
        sink.update("one")
        await rig.slack.wait_for_call("chat.startStream")
        sink.update("one two")
        await rig.slack.wait_for_call("chat.appendStream")
        await sink.finish("one two three")

    rig.turns.answer = answer
    ts = await rig.slack.say("ada", "general", "@skein count")
    await rig.slack.wait_for_reply(channel, ts, contains="three")
    await rig.turns.settle()
    assert [m["text"] for m in rig.slack.messages(channel, ts)] == ["one two three"]


async def test_reply_left_by_another_process_is_taken_over(rig: Rig) -> None:
    channel = rig.slack.channel("general")

    async def be_killed(sink: ReplySink, turn: Turn) -> None:
        sink.update("half an ans")
        await rig.slack.wait_for_call("chat.startStream")

    async def ignore(reply: ReplyMessage, /, *, is_gone: bool = False) -> None:
        return None

    rig.turns.answer = be_killed
    ts = await rig.slack.say("ada", "general", "@skein hi")
    await rig.slack.wait_for_call("chat.startStream")
    await rig.turns.settle()
    turn = make_turn(rig.turns.taken[0], rig.turns.replies)
    sink = rig.frontend.open_sink(turn, ignore)
    await sink.start()
    await sink.finish("A whole answer")
    await sink.aclose()
    (shown,) = rig.slack.messages(channel, ts)
    assert (shown["text"], shown["is_streaming"]) == ("A whole answer", False)


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


# Commands.


@pytest.mark.parametrize("text", ["!clear", "@skein !clear"])
async def test_typed_command_in_a_thread_is_done_once_and_answered(rig: Rig, text: str) -> None:
    channel = rig.slack.channel("general")
    ts = await rig.slack.say("ada", "general", "@skein hi")
    await rig.slack.wait_for_reply(channel, ts)
    typed = await rig.slack.say("ada", "general", text, thread=ts)
    reply = await rig.slack.wait_for_reply(channel, ts, contains="Done")
    assert reply["text"] == "*Done*: clear"
    await rig.slack.redeliver(typed)
    assert rig.commands.runs == [("clear", "", key_in(rig, channel, ts))]
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
    answer = await whisper(rig, dm)
    assert answer["text"] == "*Done*: clear"
    assert rig.commands.runs == [("clear", "", key_in(rig, dm))]


async def test_ones_own_usage_is_told_in_a_channel_at_once(rig: Rig) -> None:
    channel = rig.slack.channel("general")
    assert await rig.slack.command("ada", channel, "/usage") == ""
    assert (await whisper(rig, channel))["text"] == "*Done*: usage"
    assert rig.commands.runs == [("usage", "", key_in(rig, channel))]


async def test_slash_command_in_a_channel_offers_the_callers_conversations(rig: Rig) -> None:
    channel = rig.slack.channel("general")
    key = key_in(rig, channel, "1700000000.000100")
    rig.threads.infos, rig.threads.keys = [make_info(key)], {key}
    await rig.slack.command("ada", channel, "/clear")
    menu = await whisper(rig, channel)
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
    key = key_in(rig, channel, "1700000000.000100")
    rig.threads.infos, rig.threads.keys = [make_info(key)], {key}
    await rig.slack.command("ada", channel, "/model", "openai/gpt-4o")
    menu = await whisper(rig, channel)
    (action,) = menu["actions"]
    await rig.slack.act("ada", menu["id"], action["id"], action["options"][0])
    await rig.slack.wait_for(lambda: rig.commands.runs or None)
    assert rig.commands.runs == [("model", "openai/gpt-4o", key)]


async def test_model_command_without_a_name_offers_the_models(rig: Rig) -> None:
    dm = rig.slack.dm("ada")
    await rig.slack.command("ada", dm, "/model")
    menu = await whisper(rig, dm)
    (action,) = menu["actions"]
    assert action["options"] == ["demo/echo", "openai/gpt-4o"]
    await rig.slack.act("ada", menu["id"], action["id"], "openai/gpt-4o")
    await rig.slack.wait_for(lambda: rig.commands.runs[1:] or None)
    assert rig.commands.runs[1] == ("model", "openai/gpt-4o", key_in(rig, dm))


async def test_slash_command_without_a_conversation_says_so(rig: Rig) -> None:
    channel = rig.slack.channel("general")
    await rig.slack.command("ada", channel, "/clear")
    assert "no conversation" in (await whisper(rig, channel))["text"]


async def test_choice_of_a_conversation_that_is_gone_changes_nothing(rig: Rig) -> None:
    channel = rig.slack.channel("general")
    rig.threads.infos = [make_info(key_in(rig, channel, "1700000000.000100"))]
    await rig.slack.command("ada", channel, "/clear")
    menu = await whisper(rig, channel)
    (action,) = menu["actions"]
    await rig.slack.act("ada", menu["id"], action["id"], action["options"][0])
    await rig.slack.wait_for(lambda: "too old" in rig.slack.state.messages[menu["id"]].text or None)
    assert rig.commands.runs == []


async def test_pin_from_a_messages_menu_is_about_that_message(rig: Rig) -> None:
    channel = rig.slack.channel("general")
    ts = await rig.slack.say("ada", "general", "@skein hi")
    reply = await rig.slack.wait_for_reply(channel, ts)
    await rig.slack.shortcut("ada", reply["id"], "pin_message")
    await whisper(rig, channel)
    assert rig.commands.runs == [("pin", "", key_in(rig, channel, ts))]
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
    answer = await whisper(rig, channel)
    assert answer["thread"] == ts
    assert rig.commands.runs == [(name, "", key_in(rig, channel, ts))]


async def test_shortcut_in_a_foreign_thread_says_so(rig: Rig) -> None:
    channel = rig.slack.channel("general")
    ts = await rig.slack.say("ada", "general", "lunch?")
    await rig.slack.shortcut("ada", ts, "clear_thread")
    assert "no part" in (await whisper(rig, channel))["text"]
    assert rig.commands.runs == []


async def test_failing_command_is_answered_with_a_sentence(rig: Rig) -> None:
    rig.commands.error = StoreError("the disk is full")
    dm = rig.slack.dm("ada")
    await rig.slack.command("ada", dm, "/clear")
    answer = await whisper(rig, dm)
    assert answer["text"] == "Something went wrong on my side. Please ask again."


async def test_answer_takes_the_other_way_when_one_is_closed(rig: Rig) -> None:
    channel = rig.slack.channel("general")
    ts = await rig.slack.say("ada", "general", "lunch?")
    rig.slack.faults.add(Fault("chat.postEphemeral", status=200, error="user_not_in_channel"))
    await rig.slack.shortcut("ada", ts, "clear_thread")
    assert "no part" in (await whisper(rig, channel))["text"]


# Life and end.


@pytest.mark.parametrize("missing", ["slack_bot_token", "slack_app_token"])
def test_frontend_needs_both_tokens(missing: str) -> None:
    tokens = {"slack_bot_token": "xoxb-123456", "slack_app_token": "xapp-123456", missing: None}
    settings = load_settings(use_environment=False, **tokens)
    turns = FakeTurns()
    with pytest.raises(SettingsError, match=missing.upper()):
        SlackFrontend(settings, turns, FakeThreads(turns), RecordingCommands())


async def test_reply_under_way_is_delivered_after_stop(rig: Rig) -> None:
    may_end = asyncio.Event()

    async def answer(sink: ReplySink, turn: Turn) -> None:
        async with asyncio.timeout(5):
            await may_end.wait()
        await sink.finish("late")

    rig.turns.answer = answer
    channel = rig.slack.channel("general")
    ts = await rig.slack.say("ada", "general", "@skein hi")
    await rig.slack.wait_until_delivered()
    await rig.frontend.stop()
    assert rig.slack.connections() == 0
    async with asyncio.timeout(1):
        await rig.running
    may_end.set()
    await rig.slack.wait_for_reply(channel, ts, contains="late")


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
