"""Who is answered on Discord, where, and as what: the real discord.py against a simulated server."""

from __future__ import annotations

import asyncio

import pytest

from bots import patience
from bots.discord.render import MAX_UNITS
from bots.playground.discord import ASK_SKEIN_CHANNEL, GENERAL_CHANNEL, RANDOM_CHANNEL
from core.conversation import Incoming, TurnState
from core.errors import StoreError
from core.store.base import Recorded
from tests.bots.discord.kit import Skein, key

ADAS_DM = "1191168811600000301"


async def test_a_mention_in_a_channel_is_answered_as_a_reply(skein: Skein) -> None:
    said = await skein.server.say("Ada", GENERAL_CHANNEL, "@skein hello")
    reply = await skein.server.wait_for_reply(GENERAL_CHANNEL, "Answer to hello")
    assert reply["reply_to"] == said
    await skein.settle()
    turn = await skein.turn()
    assert turn.key == key(GENERAL_CHANNEL)
    assert turn.author.name == "Ada"
    assert turn.state is TurnState.DONE
    assert [each.message_id for each in turn.replies] == [reply["id"]]


async def test_talk_in_a_channel_is_not_answered(skein: Skein) -> None:
    await skein.server.say("Ada", GENERAL_CHANNEL, "hello all")
    await skein.server.say("Grace", GENERAL_CHANNEL, "hello Ada")
    await skein.ask("@skein hello you")
    assert len(skein.replies()) == 1


async def test_a_channel_is_one_conversation(skein: Skein) -> None:
    await skein.ask("@skein my name is Ada")
    await skein.ask("@skein who am I?")
    await skein.ask("@skein who am I?", RANDOM_CHANNEL)
    counts = [len(request.messages) for request in skein.models.requests]
    assert counts == [1, 3, 1]


async def test_every_message_is_answered_in_a_configured_channel(skein: Skein) -> None:
    reply = await skein.ask("no mention here", ASK_SKEIN_CHANNEL)
    assert reply["text"] == "Answer to no mention here"


async def test_a_thread_where_the_bot_takes_part_needs_no_mention(skein: Skein) -> None:
    thread = await skein.server.start_thread("Ada", GENERAL_CHANNEL, "plans")
    await skein.server.say("Ada", thread, "not for the bot")
    await skein.ask("@skein remember 7", thread)
    reply = await skein.ask("which number?", thread, person="Grace")
    assert reply["text"].endswith("which number?")
    assert len(skein.models.requests[-1].messages) == 3
    assert (await skein.turn()).key == key(GENERAL_CHANNEL, thread)
    assert len(skein.replies()) == 2


async def test_a_thread_does_not_see_its_channel(skein: Skein) -> None:
    said = await skein.server.say("Ada", GENERAL_CHANNEL, "@skein in the channel")
    await skein.server.wait_for_reply(GENERAL_CHANNEL, after=said)
    await skein.settle()
    thread = await skein.server.start_thread("Ada", GENERAL_CHANNEL, "aside", message=said)
    await skein.ask("@skein in the thread", thread)
    assert len(skein.models.requests[-1].messages) == 1


async def test_a_thread_of_a_configured_channel_needs_no_mention(skein: Skein) -> None:
    thread = await skein.server.start_thread("Ada", ASK_SKEIN_CHANNEL, "deeper")
    assert (await skein.ask("hello", thread))["text"] == "Answer to hello"


async def test_a_direct_message_is_answered(skein: Skein) -> None:
    reply = await skein.ask("hello", ADAS_DM)
    assert reply["text"] == "Answer to hello"
    assert (await skein.turn()).key == key(ADAS_DM, workspace="@me")


async def test_a_reply_that_pings_the_bot_is_for_the_bot(skein: Skein) -> None:
    first = await skein.ask("@skein hello")
    reply = await skein.ask("and now?", reply_to=first["id"])
    assert reply["text"] == "Answer to and now?"


async def test_a_mention_without_words_is_answered_with_help(skein: Skein) -> None:
    reply = await skein.ask("@skein")
    assert "!clear" in reply["text"]
    assert skein.models.requests == []


async def test_a_redelivered_message_is_answered_once(skein: Skein) -> None:
    await skein.ask("@skein hello")
    await skein.server.redeliver()
    await skein.ask("@skein again")
    assert len(skein.replies()) == 2


async def test_a_long_answer_goes_on_in_messages_that_fit(skein: Skein) -> None:
    skein.models.answer = lambda _: "```py\n" + "x = 1  # a line of code\n" * 200 + "```\nThe end."
    said = await skein.server.say("Ada", GENERAL_CHANNEL, "@skein code")
    await skein.server.wait_for_reply(GENERAL_CHANNEL, "The end.")
    await skein.settle()
    replies = skein.replies()
    assert len(replies) == 3
    assert all(len(each["text"]) <= MAX_UNITS for each in replies)
    assert all(each["text"].count("```") == 2 for each in replies)
    assert sum(each["text"].count("a line of code") for each in replies) == 200
    assert [each["reply_to"] for each in replies] == [said, "", ""]


async def test_nothing_that_the_bot_sends_can_ping(skein: Skein) -> None:
    skein.models.answer = lambda _: "@everyone <@1191168811600000101> come here"
    await skein.ask("@skein hello")
    await skein.ask("@skein !model")
    await skein.server.command("Ada", GENERAL_CHANNEL, "clear")
    await skein.server.wait_for_reply(GENERAL_CHANNEL, "afresh")
    sent = [call.body for call in skein.server.calls if call.method in ("POST", "PATCH")]
    texts = [body for body in sent if body and "content" in body]
    assert len(texts) >= 3
    for body in texts:
        assert body["allowed_mentions"] == {"parse": []}


async def test_links_come_without_previews(skein: Skein) -> None:
    await skein.ask("@skein hello")
    [post] = [
        call for call in skein.server.calls if call.name.startswith("POST /channels/") and call.body
    ]
    assert post.body["flags"] == 4


async def test_typing_is_shown_while_the_model_thinks(skein: Skein) -> None:
    await skein.server.say("Ada", GENERAL_CHANNEL, "@skein hello")
    await skein.server.wait_for_call(f"POST /channels/{GENERAL_CHANNEL}/typing")
    await skein.server.wait_for_reply(GENERAL_CHANNEL)


async def test_a_message_that_cannot_be_recorded_is_told_and_not_answered_later(
    skein: Skein, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_: Incoming) -> Recorded:
        raise StoreError("the disk is full")

    monkeypatch.setattr(patience, "MAX_WAITING", 0)
    monkeypatch.setattr(skein.store, "record", refuse)
    said = await skein.server.say("Ada", GENERAL_CHANNEL, "@skein hello")
    reply = await skein.server.wait_for_reply(GENERAL_CHANNEL, after=said)
    assert "can't reach my memory" in reply["text"]
    assert "disk" not in reply["text"]
    monkeypatch.undo()
    await skein.server.redeliver()
    await skein.ask("@skein again")
    assert [each.text for each in skein.models.requests[-1].messages] == ["again"]
    assert len(skein.replies()) == 2


async def test_a_message_is_recorded_once_the_store_is_back(
    skein: Skein, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []
    record = skein.store.record

    async def refuse_twice(incoming: Incoming) -> Recorded:
        if len(refused) < 2:
            refused.append(incoming.text)
            raise StoreError("away")
        return await record(incoming)

    monkeypatch.setattr(skein.store, "record", refuse_twice)
    await skein.server.say("Ada", GENERAL_CHANNEL, "@skein one")
    await skein.server.say("Ada", GENERAL_CHANNEL, "@skein two")
    await skein.server.say("Ada", GENERAL_CHANNEL, "@skein three")
    await skein.server.wait_for_reply(GENERAL_CHANNEL, "Answer to three")
    assert refused == ["one", "one"]
    assert [each.messages[-1].text for each in skein.models.requests] == ["one", "two", "three"]


async def test_typed_commands_are_done_and_answered_once(skein: Skein) -> None:
    await skein.ask("@skein hello")
    cleared = await skein.ask("@skein !clear")
    assert "afresh" in cleared["text"]
    await skein.server.redeliver()
    await skein.ask("@skein who am I?")
    assert len(skein.models.requests[-1].messages) == 1
    assert len(skein.replies()) == 3


async def test_a_failing_model_is_told_in_one_sentence(skein: Skein) -> None:
    from core.errors import OverloadedError

    skein.models.answer = lambda _: OverloadedError("fake/model", "529 at 10.0.0.1")
    reply = await skein.ask("@skein hello")
    assert "overloaded" in reply["text"]
    assert "10.0.0.1" not in reply["text"]


async def test_channels_do_not_wait_for_each_other(skein: Skein) -> None:
    skein.models.hold()
    await skein.server.say("Ada", GENERAL_CHANNEL, "@skein one")
    await skein.server.say("Grace", RANDOM_CHANNEL, "@skein two")
    async with asyncio.timeout(20):
        await skein.models.many_at_once(2)
    skein.models.release()
    await skein.server.wait_for_reply(GENERAL_CHANNEL, "Answer to one")
    await skein.server.wait_for_reply(RANDOM_CHANNEL, "Answer to two")
