import pytest
from slack_sdk.errors import SlackApiError

from tests.bots.playground.slack_kit import answered, code, served


async def test_a_posted_message_stands_in_its_thread_with_its_metadata():
    async with served() as (slack, client):
        channel = slack.channel("general")
        root = await slack.say("ada", "general", "hello")
        metadata = {"event_type": "turn", "event_payload": {"id": 1}}
        posted = await client.chat_postMessage(
            channel=channel, thread_ts=root, text="*hi*", metadata=metadata, unfurl_links=False
        )
        (view,) = slack.messages(channel, root)
        assert (view["id"], view["text"], view["format"]) == (posted["ts"], "*hi*", "mrkdwn")
        thread = await client.conversations_replies(
            channel=channel, ts=root, include_all_metadata=True
        )
        own = answered(thread)["messages"][1]
        assert own["metadata"] == metadata
        assert own["bot_id"] == slack.state.identity.bot_id


async def test_markdown_text_is_shown_as_markdown():
    async with served() as (slack, client):
        await client.chat_postMessage(channel=slack.channel("general"), markdown_text="**hi**")
        assert slack.messages(slack.channel("general"))[0]["format"] == "markdown"


async def test_timestamps_only_grow_even_when_the_clock_stands_still():
    async with served(clock=lambda: 1_760_000_000.0) as (slack, client):
        stamps = [
            answered(await client.chat_postMessage(channel=slack.channel("random"), text="x"))["ts"]
            for _ in range(3)
        ]
        assert stamps == sorted(set(stamps), key=float)


async def test_text_beyond_forty_thousand_characters_is_cut_off():
    async with served() as (slack, client):
        posted = await client.chat_postMessage(channel=slack.channel("general"), text="x" * 40_001)
        assert len(answered(posted)["message"]["text"]) == 40_000


async def test_an_update_replaces_the_text_and_is_marked_as_edited():
    async with served() as (slack, client):
        channel = slack.channel("general")
        ts = answered(await client.chat_postMessage(channel=channel, text="one"))["ts"]
        await client.chat_update(channel=channel, ts=ts, text="two")
        (view,) = slack.messages(channel)
        assert (view["text"], view["is_edited"]) == ("two", True)


async def test_an_update_beyond_four_thousand_characters_is_refused():
    async with served() as (slack, client):
        channel = slack.channel("general")
        ts = answered(await client.chat_postMessage(channel=channel, text="one"))["ts"]
        await client.chat_update(channel=channel, ts=ts, text="x" * 4_000)
        with pytest.raises(SlackApiError) as refused:
            await client.chat_update(channel=channel, ts=ts, text="x" * 4_001)
        assert code(refused) == "msg_too_long"


async def test_only_own_messages_can_be_updated_and_deleted():
    async with served() as (slack, client):
        channel, ts = slack.channel("general"), await slack.say("ada", "general", "mine")
        with pytest.raises(SlackApiError) as refused:
            await client.chat_update(channel=channel, ts=ts, text="yours")
        assert code(refused) == "cant_update_message"
        with pytest.raises(SlackApiError) as refused:
            await client.chat_delete(channel=channel, ts=ts)
        assert code(refused) == "cant_delete_message"


async def test_a_deleted_message_is_gone():
    async with served() as (slack, client):
        channel = slack.channel("general")
        ts = answered(await client.chat_postMessage(channel=channel, text="one"))["ts"]
        await client.chat_delete(channel=channel, ts=ts)
        with pytest.raises(SlackApiError) as refused:
            await client.chat_update(channel=channel, ts=ts, text="two")
        assert code(refused) == "message_not_found"
        assert slack.messages(channel) == []


async def test_a_deleted_first_message_leaves_its_thread_standing():
    async with served() as (slack, client):
        channel = slack.channel("general")
        ts = answered(await client.chat_postMessage(channel=channel, text="one"))["ts"]
        await slack.say("ada", "general", "two", thread=ts)
        await client.chat_delete(channel=channel, ts=ts)
        await client.chat_postMessage(channel=channel, thread_ts=ts, text="three")
        assert [view["text"] for view in slack.messages(channel, ts)] == ["two", "three"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"channel": "C0NOWHERE0", "text": "x"}, "channel_not_found"),
        ({"text": " "}, "no_text"),
        ({"text": "x", "thread_ts": "1700000000.000001"}, "thread_not_found"),
        ({"text": "x", "thread_ts": ""}, "invalid_thread_ts"),
        ({"markdown_text": "x" * 12_001}, "msg_too_long"),
        ({"markdown_text": "x", "text": "y"}, "markdown_text_conflict"),
        ({"text": "x", "blocks": "no json"}, "invalid_blocks_format"),
        ({"text": "x", "metadata": {"event_type": "only"}}, "invalid_metadata_format"),
    ],
)
async def test_a_wrong_post_is_refused_with_slacks_code(
    arguments: dict[str, object], expected: str
):
    async with served() as (slack, client):
        with pytest.raises(SlackApiError) as refused:
            await client.api_call(
                "chat.postMessage", json={"channel": slack.channel("general"), **arguments}
            )
        assert code(refused) == expected


async def test_an_archived_channel_and_one_without_the_bot_refuse_posts():
    async with served() as (slack, client):
        slack.archive("random")
        with pytest.raises(SlackApiError) as refused:
            await client.chat_postMessage(channel=slack.channel("random"), text="x")
        assert code(refused) == "is_archived"
        with pytest.raises(SlackApiError) as refused:
            await client.chat_postMessage(
                channel=slack.add_channel("secret", has_bot=False), text="x"
            )
        assert code(refused) == "not_in_channel"


SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "x"}}


@pytest.mark.parametrize(
    "blocks",
    [
        [SECTION] * 51,
        [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_001}}],
        [{"type": "section"}],
        [{"type": "unheard_of"}],
        [{"type": "markdown", "text": "x" * 7_000}] * 2,
        [
            {
                "type": "actions",
                "elements": [{"type": "static_select", "action_id": "a", "options": []}],
            }
        ],
    ],
)
async def test_blocks_beyond_slacks_limits_are_invalid(blocks: list[dict[str, object]]):
    async with served() as (slack, client):
        with pytest.raises(SlackApiError) as refused:
            await client.chat_postMessage(channel=slack.channel("general"), text="x", blocks=blocks)
        assert code(refused) == "invalid_blocks"
        assert refused.value.response["response_metadata"]["messages"]


async def test_blocks_at_slacks_limits_are_taken_and_read_instead_of_the_text():
    async with served() as (slack, client):
        blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_000}}] * 50
        await client.chat_postMessage(
            channel=slack.channel("general"), text="notice", blocks=blocks
        )
        (view,) = slack.messages(slack.channel("general"))
        assert view["text"] == "\n".join(["x" * 3_000] * 50)


async def test_a_message_of_markdown_blocks_alone_is_shown_as_markdown():
    async with served() as (slack, client):
        blocks = [{"type": "markdown", "text": "**hi**"}]
        await client.chat_postMessage(channel=slack.channel("general"), text="hi", blocks=blocks)
        (view,) = slack.messages(slack.channel("general"))
        assert (view["text"], view["format"]) == ("**hi**", "markdown")


async def test_an_ephemeral_message_is_seen_by_one_person_and_never_listed():
    async with served() as (slack, client):
        channel = slack.channel("general")
        await client.chat_postEphemeral(channel=channel, user=slack.person("ada"), text="psst")
        (view,) = slack.messages(channel)
        assert view["visible_to"] == slack.person("ada")
        assert (await client.conversations_history(channel=channel))["messages"] == []


async def test_an_ephemeral_message_to_someone_elsewhere_is_refused():
    async with served() as (slack, client):
        with pytest.raises(SlackApiError) as refused:
            await client.chat_postEphemeral(
                channel=slack.dm("ada"), user=slack.person("grace"), text="psst"
            )
        assert code(refused) == "user_not_in_channel"
