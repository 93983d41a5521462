"""A real discord.py client works against the simulated Discord: messages, threads, DMs."""

from __future__ import annotations

import asyncio

import discord
import pytest

from bots.playground.base import Fault
from bots.playground.discord import (
    ADA,
    ASK_SKEIN_CHANNEL,
    BOT_ID,
    GENERAL_CHANNEL,
    GUILD_ID,
    SimulatedDiscord,
)
from tests.bots.playground.discord_kit import ADA_DM, SHORT, SOON, RecordingBot, next_message

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_bot_sees_the_guild_and_its_channels(
    server: SimulatedDiscord, bot: RecordingBot
) -> None:
    guild = bot.get_guild(int(GUILD_ID))
    assert guild is not None
    assert (guild.name, guild.member_count) == ("Acme", 4)
    assert [channel.name for channel in guild.text_channels] == ["general", "random", "ask-skein"]
    assert str(bot.application_id) == BOT_ID
    assert guild.text_channels[0].permissions_for(guild.me).send_messages
    assert server.snapshot()["is_connected"]


async def test_mention_reaches_the_bot_and_its_reply_the_channel(
    server: SimulatedDiscord, bot: RecordingBot
) -> None:
    asked = await server.say("Ada", GENERAL_CHANNEL, "@skein what is up?")
    message = await next_message(bot, "what is up?")
    assert message.content == f"<@{BOT_ID}> what is up?"
    assert [str(user.id) for user in message.mentions] == [BOT_ID]
    assert (str(message.id), str(message.author.id)) == (asked, ADA)
    assert message.guild is not None
    await message.reply("all is well", allowed_mentions=discord.AllowedMentions.none())
    reply = await server.wait_for_reply(GENERAL_CHANNEL, "all is well", after=asked)
    assert (reply["reply_to"], reply["author"]) == (asked, BOT_ID)
    own = await next_message(bot, "all is well")
    assert own.author == bot.user
    assert own.reference is not None
    assert isinstance(own.reference.resolved, discord.Message)


async def test_edits_and_deletions_reach_both_sides(
    server: SimulatedDiscord, bot: RecordingBot
) -> None:
    asked = await server.say("Ada", GENERAL_CHANNEL, "first")
    await server.edit(asked, "second")
    changed = await bot.next("raw_message_edit", message_id=int(asked))
    assert changed.message.content == "second"
    await server.delete(asked)
    assert await bot.next("raw_message_delete", message_id=int(asked))
    sent = await bot.write(GENERAL_CHANNEL, "growing")
    await sent.edit(content="grown")
    reply = await server.wait_for_reply(contains="grown")
    assert reply["is_edited"]
    await sent.delete()
    assert all(view["id"] != str(sent.id) for view in server.snapshot()["messages"])


async def test_link_preview_comes_as_an_update_that_nobody_made(
    server: SimulatedDiscord, bot: RecordingBot
) -> None:
    asked = await server.say("Ada", GENERAL_CHANNEL, "see http://127.0.0.1/")
    await server.unfurl(asked)
    changed = await bot.next("raw_message_edit", message_id=int(asked))
    assert changed.message.edited_at is None
    assert len(changed.message.embeds) == 1


async def test_purge_and_deleted_channel_reach_the_bot(
    server: SimulatedDiscord, bot: RecordingBot
) -> None:
    thread = await server.start_thread("Ada", GENERAL_CHANNEL, "short-lived")
    said = [await server.say("Ada", thread, text) for text in ("one", "two")]
    await server.purge(thread, said)
    purged = await bot.next("raw_bulk_message_delete", channel_id=int(thread))
    assert {str(each) for each in purged.message_ids} == set(said)
    await server.delete_channel(thread)
    assert await bot.next("raw_thread_delete", thread_id=int(thread))
    with pytest.raises(discord.NotFound) as refused:
        await bot.write(thread, "anyone?")
    assert refused.value.code == 10003


@pytest.mark.parametrize("text", ["", " ", "x" * 2001])
async def test_people_cannot_send_what_the_app_would_not(
    server: SimulatedDiscord, text: str
) -> None:
    with pytest.raises(ValueError, match="characters"):
        await server.say("Ada", GENERAL_CHANNEL, text)


async def test_unknown_people_and_places_are_errors(server: SimulatedDiscord) -> None:
    with pytest.raises(ValueError, match="nobody"):
        await server.say("Mallory", GENERAL_CHANNEL, "hi")
    with pytest.raises(ValueError, match="no channel"):
        await server.say("Ada", "nowhere", "hi")
    with pytest.raises(ValueError, match="not in this DM"):
        await server.say("Grace", ADA_DM, "hi")


async def test_long_content_is_refused(bot: RecordingBot) -> None:
    with pytest.raises(discord.HTTPException) as refused:
        await bot.write(GENERAL_CHANNEL, "x" * 2001)
    assert (refused.value.status, refused.value.code) == (400, 50035)


async def test_history_and_single_messages_are_read(
    server: SimulatedDiscord, bot: RecordingBot
) -> None:
    asked = await server.say("Grace", ASK_SKEIN_CHANNEL, "to be read")
    channel = bot.get_channel(int(ASK_SKEIN_CHANNEL))
    assert isinstance(channel, discord.TextChannel)
    newest = [message async for message in channel.history(limit=1)]
    assert [message.content for message in newest] == ["to be read"]
    assert (await channel.fetch_message(int(asked))).author.name == "grace"


async def test_nonce_keeps_a_second_message_from_being_made(bot: RecordingBot) -> None:
    first = await bot.write(GENERAL_CHANNEL, "once", nonce="turn-1")
    again = await bot.write(GENERAL_CHANNEL, "once", nonce="turn-1")
    assert first.id == again.id


async def test_thread_from_a_message_is_a_place_of_its_own(
    server: SimulatedDiscord, bot: RecordingBot
) -> None:
    asked = await server.say("Ada", GENERAL_CHANNEL, "@skein in a thread")
    message = await next_message(bot, "in a thread")
    thread = await message.create_thread(name="A talk")
    await thread.send("hello inside")
    inside = await server.wait_for_reply(asked, "hello inside")
    assert inside["channel"] == asked
    assert {"id": asked, "name": "A talk", "kind": "thread", "parent": GENERAL_CHANNEL} in (
        server.snapshot()["channels"]
    )
    await server.say("Ada", GENERAL_CHANNEL, "follow-up", thread=asked)
    heard = await next_message(bot, "follow-up")
    assert isinstance(heard.channel, discord.Thread)
    assert heard.channel.parent_id == int(GENERAL_CHANNEL)


async def test_persons_thread_and_its_archiving_reach_the_bot(
    server: SimulatedDiscord, bot: RecordingBot
) -> None:
    thread = await server.start_thread("Ada", GENERAL_CHANNEL, "Ours")
    created: discord.Thread = await bot.next("thread_create", id=int(thread))
    assert created.name == "Ours"
    await server.archive_thread(thread)
    await bot.next("thread_update")
    await server.say("Ada", thread, "it wakes")
    message = await next_message(bot, "it wakes")
    assert isinstance(message.channel, discord.Thread)
    assert not message.channel.archived


async def test_dm_has_no_guild_and_is_answered(server: SimulatedDiscord, bot: RecordingBot) -> None:
    asked = await server.say("Ada", ADA_DM, "just us")
    message = await next_message(bot, "just us")
    assert isinstance(message.channel, discord.DMChannel)
    await message.channel.send("yes, just us")
    reply = await server.wait_for_reply(ADA_DM, "yes, just us", after=asked)
    assert reply["channel"] == ADA_DM


async def test_bot_opens_a_dm(server: SimulatedDiscord, bot: RecordingBot) -> None:
    user = await bot.fetch_user(int(ADA))
    await user.send("out of the blue")
    assert (await server.wait_for_reply(ADA_DM, "out of the blue"))["author"] == BOT_ID


async def test_typing_shows_until_the_bot_writes(
    server: SimulatedDiscord, bot: RecordingBot
) -> None:
    with server.feed.listen() as queue:
        await bot.get_partial_messageable(int(GENERAL_CHANNEL)).typing()
        await bot.write(GENERAL_CHANNEL, "typed")
    statuses: list[str] = []
    while not queue.empty():
        event = queue.get_nowait()
        if event["type"] == "status":
            statuses.append(event["text"])
    assert statuses == ["skein is typing…", ""]


async def test_reaction_goes_both_ways(server: SimulatedDiscord, bot: RecordingBot) -> None:
    sent = await bot.write(GENERAL_CHANNEL, "like it?")
    await server.react("Ada", str(sent.id), "👍")
    heard = await bot.next("raw_reaction_add", message_id=sent.id)
    assert (str(heard.user_id), heard.emoji.name) == (ADA, "👍")
    await sent.add_reaction("👀")
    fetched = await sent.fetch()
    assert [(str(each.emoji), each.me) for each in fetched.reactions] == [
        ("👍", False),
        ("👀", True),
    ]


async def test_redelivery_brings_the_same_message(
    server: SimulatedDiscord, bot: RecordingBot
) -> None:
    asked = await server.say("Ada", GENERAL_CHANNEL, "twice")
    assert await server.redeliver(asked) == 1
    first, second = await next_message(bot, "twice"), await next_message(bot, "twice")
    assert str(first.id) == str(second.id) == asked


async def test_429_is_waited_out_and_tried_again(
    server: SimulatedDiscord, bot: RecordingBot
) -> None:
    server.faults.add(Fault("POST /channels/*/messages", 429, retry_after=SHORT))
    await bot.write(GENERAL_CHANNEL, "patience")
    statuses = [call.status for call in server.calls][-2:]
    assert statuses == [429, 200]
    waited = server.calls[-1].at - server.calls[-2].at
    assert waited >= SHORT


async def test_refusal_with_a_code_is_typed(server: SimulatedDiscord, bot: RecordingBot) -> None:
    server.faults.add(Fault("POST /channels/*/messages", 403, error="50001"))
    with pytest.raises(discord.Forbidden) as refused:
        await bot.write(GENERAL_CHANNEL, "may I?")
    assert refused.value.code == 50001


async def test_waiting_for_what_never_comes_ends(server: SimulatedDiscord) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(SOON):
            await server.wait_for_reply(contains="never said", timeout=SHORT / 10)
