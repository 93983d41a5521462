from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from tests.bots.playground.slack_kit import FakeClock, answered, code, served


async def test_a_thread_is_read_page_by_page_oldest_first():
    async with served() as (slack, client):
        channel, root = slack.channel("general"), await slack.say("ada", "general", "0")
        for number in range(1, 5):
            await slack.say("grace", "general", str(number), thread=root)
        pages = [
            [message["text"] for message in answered(page)["messages"]]
            async for page in await client.conversations_replies(channel=channel, ts=root, limit=2)
        ]
        assert pages == [["0", "1"], ["0", "2", "3"], ["0", "4"]]


async def test_a_thread_read_between_two_times_still_begins_with_its_first_message():
    async with served() as (slack, client):
        channel, root = slack.channel("general"), await slack.say("ada", "general", "root")
        stamps = [await slack.say("ada", "general", str(n), thread=root) for n in range(3)]
        cases: list[tuple[dict[str, Any], list[str]]] = [
            ({"oldest": stamps[1]}, ["root", "2"]),
            ({"oldest": stamps[1], "inclusive": True}, ["root", "1", "2"]),
            ({"oldest": stamps[2]}, ["root"]),
            ({"latest": stamps[1]}, ["root", "0"]),
            ({"latest": root}, ["root"]),
        ]
        for times, expected in cases:
            found = answered(await client.conversations_replies(channel=channel, ts=root, **times))
            assert [message["text"] for message in found["messages"]] == expected
            assert not found["has_more"]


async def test_history_between_two_times_leaves_out_the_edges_unless_asked_for_them():
    async with served() as (slack, client):
        channel = slack.channel("general")
        stamps = [await slack.say("ada", "general", str(n)) for n in range(3)]
        for inclusive, expected in ((False, ["1"]), (True, ["2", "1", "0"])):
            found = await client.conversations_history(
                channel=channel, oldest=stamps[0], latest=stamps[2], inclusive=inclusive
            )
            assert [message["text"] for message in answered(found)["messages"]] == expected


async def test_history_is_newest_first_and_has_no_replies():
    async with served() as (slack, client):
        first = await slack.say("ada", "general", "first")
        await slack.say("ada", "general", "a reply", thread=first)
        await slack.say("ada", "general", "second")
        history = await client.conversations_history(channel=slack.channel("general"))
        messages = answered(history)["messages"]
        assert [message["text"] for message in messages] == ["second", "first"]
        assert messages[1]["reply_count"] == 1


async def test_a_thread_that_is_not_there_is_not_found():
    async with served() as (slack, client):
        with pytest.raises(SlackApiError) as refused:
            await client.conversations_replies(
                channel=slack.channel("general"), ts="1700000000.000001"
            )
        assert code(refused) == "thread_not_found"


async def test_channels_dms_and_members_are_described():
    async with served() as (slack, client):
        general = slack.channel("general")
        info = answered(await client.conversations_info(channel=general))["channel"]
        assert (info["name"], info["is_member"], info["is_im"]) == ("general", True, False)
        opened = await client.conversations_open(users=slack.person("ada"))
        assert answered(opened)["channel"]["id"] == slack.dm("ada")
        info = answered(await client.conversations_info(channel=slack.dm("ada")))["channel"]
        assert (info["is_im"], info["user"]) == (True, slack.person("ada"))
        members = await client.conversations_members(channel=general)
        assert slack.person("grace") in answered(members)["members"]
        listed = answered(await client.conversations_list(types="public_channel,im"))["channels"]
        assert len(listed) == 6


async def test_people_bot_and_workspace_are_described():
    async with served() as (slack, client):
        person = answered(await client.users_info(user=slack.person("Ada")))["user"]
        assert (person["real_name"], person["is_bot"]) == ("Ada", False)
        assert len(answered(await client.users_list())["members"]) == 4
        bot = answered(await client.bots_info(bot=slack.state.identity.bot_id))["bot"]
        assert bot["user_id"] == slack.state.identity.bot_user
        assert answered(await client.team_info())["team"]["name"] == "Acme"
        with pytest.raises(SlackApiError) as refused:
            await client.users_info(user="U0NOBODY00")
        assert code(refused) == "user_not_found"


async def test_reactions_come_and_go():
    async with served() as (slack, client):
        channel, ts = slack.channel("general"), await slack.say("ada", "general", "look")
        await client.reactions_add(channel=channel, name="eyes", timestamp=ts)
        with pytest.raises(SlackApiError) as refused:
            await client.reactions_add(channel=channel, name="eyes", timestamp=ts)
        assert code(refused) == "already_reacted"
        await client.reactions_remove(channel=channel, name="eyes", timestamp=ts)
        with pytest.raises(SlackApiError) as refused:
            await client.reactions_remove(channel=channel, name="eyes", timestamp=ts)
        assert code(refused) == "no_reaction"


async def test_a_status_ends_when_the_bot_posts_or_after_two_minutes():
    clock = FakeClock()
    async with served(clock=clock) as (slack, client):
        channel, root = slack.channel("general"), await slack.say("ada", "general", "think")
        await client.assistant_threads_setStatus(
            channel_id=channel, thread_ts=root, status="thinking"
        )
        assert slack.status(channel, root) == "thinking"
        await client.chat_postMessage(channel=channel, thread_ts=root, text="thought")
        assert slack.status(channel, root) == ""
        await client.assistant_threads_setStatus(
            channel_id=channel, thread_ts=root, status="thinking"
        )
        clock.turn(120)
        assert slack.status(channel, root) == ""


async def test_threads_get_titles_and_prompts_and_sessions_names():
    async with served() as (slack, client):
        channel, root = slack.dm("ada"), await slack.say("ada", slack.dm("ada"), "think")
        place = {"channel_id": channel, "thread_ts": root}
        await client.assistant_threads_setTitle(**place, title="Thoughts")
        prompts = [{"title": "Why?", "message": "Why?"}]
        await client.assistant_threads_setSuggestedPrompts(**place, prompts=prompts)
        assert slack.state.titles[f"{channel}/{root}"] == "Thoughts"
        assert slack.state.prompts[f"{channel}/{root}"] == prompts
        await client.agents_sessions_setStatus(**place, status="processing", title="One")
        await client.agents_sessions_rename(**place, title="Two")
        assert slack.state.sessions[f"{channel}/{root}"] == {"title": "Two", "status": "processing"}
        with pytest.raises(SlackApiError) as refused:
            await client.agents_sessions_setStatus(**place, status="bored")
        assert code(refused) == "invalid_arguments"


async def test_a_home_view_is_kept():
    async with served() as (slack, client):
        view = {"type": "home", "blocks": [{"type": "divider"}]}
        published = await client.views_publish(user_id=slack.person("ada"), view=view)
        assert slack.state.views[slack.person("ada")]["id"] == answered(published)["view"]["id"]
