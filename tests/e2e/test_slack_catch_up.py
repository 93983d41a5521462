"""What Slack gave up sending while the bot was away is read when it is back, and answered once."""

from __future__ import annotations

import asyncio

from tests.e2e.conftest import World


async def test_what_slack_gave_up_is_answered_once_the_bot_is_back(world: World):
    slack, channel = world.slack, world.slack.channel("general")
    thread = await slack.say("Ada", channel, "what shall we eat?")
    await slack.say("Grace", channel, "nobody asked the bot yet", thread=thread)
    async with world.skein("slack"):
        await slack.say("Ada", channel, "@skein first", thread=thread)
        await slack.wait_for_reply(channel, thread)
    followed = await slack.say("Ada", channel, "second", thread=thread)
    begun = await slack.say("Grace", channel, "@skein a thread of its own")
    await slack.say("Grace", channel, "said to nobody")
    slack.give_up()
    async with world.skein("slack") as program:
        await slack.wait_for_reply(channel, thread, after=followed)
        await slack.wait_for_reply(channel, begun)
        await program.wait_for_line("caught up, after a look at")
    async with world.skein("slack") as program:
        await program.wait_for_line("caught up, after a look at")
    asked = [request.payload["messages"][-1]["content"] for request in world.model.requests]
    assert sorted(asked) == ["a thread of its own", "first", "second"]


async def test_what_is_too_old_is_left(world: World):
    slack, channel = world.slack, world.slack.channel("general")
    async with world.skein("slack"):
        thread = await slack.say("Ada", channel, "@skein first")
        await slack.wait_for_reply(channel, thread)
    await slack.say("Ada", channel, "second", thread=thread)
    slack.give_up()
    async with world.skein("slack", MAX_QUESTION_AGE_MINUTES="0.0001") as program:
        await program.wait_for_line("caught up, after a look at 0 messages")
    assert len(world.model.requests) == 1


async def test_what_followed_a_mention_that_came_late_is_answered(world: World):
    slack, channel = world.slack, world.slack.channel("general")
    thread = await slack.say("Ada", channel, "@skein first")
    slack.give_up()
    await asyncio.sleep(3.1)
    async with world.skein("slack") as program:
        await program.wait_for_line("Slack: connected")
        await slack.say("Ada", channel, "second", thread=thread)
        await slack.wait_until_delivered()
        await slack.redeliver(thread)
        await slack.wait_for_reply(channel, thread)
        await slack.wait_for(lambda: len(world.model.requests) == 2 or None)
    asked = [request.payload["messages"][-1]["content"] for request in world.model.requests]
    assert asked == ["first", "second"]
