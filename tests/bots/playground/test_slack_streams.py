from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bots.playground.slack import SimulatedSlack
from tests.bots.playground.slack_kit import FakeClock, answered, code, served


async def start(slack: SimulatedSlack, client: AsyncWebClient, **options: Any) -> tuple[str, str]:
    """Start a stream in a thread of #general; gives the thread and the stream."""
    root = await slack.say("ada", "general", "tell me")
    started = await client.chat_startStream(
        channel=slack.channel("general"),
        thread_ts=root,
        recipient_user_id=slack.person("ada"),
        recipient_team_id=slack.state.identity.team,
        **options,
    )
    return root, answered(started)["ts"]


async def test_a_stream_grows_and_ends_as_markdown_with_metadata():
    async with served() as (slack, client):
        channel = slack.channel("general")
        root, ts = await start(slack, client, markdown_text="**one**")
        await client.chat_appendStream(channel=channel, ts=ts, markdown_text=" two")
        (growing,) = slack.messages(channel, root)
        assert (growing["text"], growing["is_streaming"]) == ("**one** two", True)
        metadata = {"event_type": "turn", "event_payload": {}}
        stopped = await client.chat_stopStream(
            channel=channel, ts=ts, markdown_text=" three", metadata=metadata
        )
        view = await slack.wait_for_reply(channel, root, contains="three")
        assert (view["text"], view["format"]) == ("**one** two three", "markdown")
        assert answered(stopped)["message"]["metadata"] == metadata


async def test_the_sdks_own_stream_helper_works():
    async with served() as (slack, client):
        root = await slack.say("ada", slack.dm("ada"), "tell me")
        stream = await client.chat_stream(channel=slack.dm("ada"), thread_ts=root, buffer_size=1)
        for word in ("one ", "two ", "three"):
            await stream.append(markdown_text=word)
        await stream.stop()
        view = await slack.wait_for_reply(slack.dm("ada"), root)
        assert view["text"] == "one two three"


async def test_a_stream_needs_a_thread():
    async with served() as (slack, client):
        with pytest.raises(SlackApiError) as refused:
            await client.chat_startStream(channel=slack.dm("ada"), thread_ts="")
        assert code(refused) == "invalid_arguments"


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("recipient_user_id", "missing_recipient_user_id"),
        ("recipient_team_id", "missing_recipient_team_id"),
    ],
)
async def test_a_stream_in_a_channel_needs_its_recipient(missing: str, expected: str):
    async with served() as (slack, client):
        with pytest.raises(SlackApiError) as refused:
            await start_without(slack, client, missing)
        assert code(refused) == expected


async def start_without(slack: SimulatedSlack, client: AsyncWebClient, missing: str) -> None:
    arguments: dict[str, Any] = {
        "channel": slack.channel("general"),
        "thread_ts": await slack.say("ada", "general", "tell me"),
        "recipient_user_id": slack.person("ada"),
        "recipient_team_id": slack.state.identity.team,
    }
    del arguments[missing]
    await client.chat_startStream(**arguments)


async def test_a_starting_stream_takes_no_metadata():
    async with served() as (slack, client):
        with pytest.raises(SlackApiError) as refused:
            await start(slack, client, metadata={"event_type": "turn", "event_payload": {}})
        assert code(refused) == "invalid_arguments"


async def test_a_stopped_stream_takes_no_more_but_can_be_updated():
    async with served() as (slack, client):
        channel = slack.channel("general")
        _, ts = await start(slack, client, markdown_text="one")
        await client.chat_stopStream(channel=channel, ts=ts)
        with pytest.raises(SlackApiError) as refused:
            await client.chat_appendStream(channel=channel, ts=ts, markdown_text="two")
        assert code(refused) == "message_not_in_streaming_state"
        await client.chat_update(channel=channel, ts=ts, text="three")


async def test_a_stream_dies_after_five_minutes_and_leaves_its_text():
    clock = FakeClock()
    async with served(clock=clock) as (slack, client):
        channel = slack.channel("general")
        root, ts = await start(slack, client, markdown_text="one")
        clock.turn(299)
        await client.chat_appendStream(channel=channel, ts=ts, markdown_text=" two")
        clock.turn(1)
        with pytest.raises(SlackApiError) as refused:
            await client.chat_appendStream(channel=channel, ts=ts, markdown_text=" three")
        assert code(refused) == "message_not_in_streaming_state"
        (view,) = slack.messages(channel, root)
        assert (view["text"], view["is_streaming"]) == ("one two", False)


async def test_a_stream_takes_a_bounded_total():
    async with served() as (slack, client):
        channel = slack.channel("general")
        _, ts = await start(slack, client, markdown_text="x" * 11_000)
        await client.chat_appendStream(channel=channel, ts=ts, markdown_text="x" * 900)
        with pytest.raises(SlackApiError) as refused:
            await client.chat_appendStream(channel=channel, ts=ts, markdown_text="x")
        assert code(refused) == "msg_too_long"
        await client.chat_stopStream(channel=channel, ts=ts)


async def test_a_running_stream_refuses_an_update():
    async with served() as (slack, client):
        _, ts = await start(slack, client, markdown_text="one")
        with pytest.raises(SlackApiError) as refused:
            await client.chat_update(channel=slack.channel("general"), ts=ts, text="two")
        assert code(refused) == "streaming_state_conflict"


async def test_a_stream_takes_either_text_or_chunks():
    async with served() as (slack, client):
        channel = slack.channel("general")
        _, ts = await start(slack, client, markdown_text="one")
        chunk = {"type": "markdown_text", "text": "two"}
        with pytest.raises(SlackApiError) as refused:
            await client.chat_appendStream(channel=channel, ts=ts, chunks=[chunk])
        assert code(refused) == "streaming_mode_mismatch"
        with pytest.raises(SlackApiError) as refused:
            await client.chat_appendStream(
                channel=channel, ts=ts, markdown_text="x", chunks=[chunk]
            )
        assert code(refused) == "cannot_provide_both_markdown_text_and_chunks"


async def test_stopping_sets_the_sessions_status():
    async with served() as (slack, client):
        channel = slack.channel("general")
        root, ts = await start(slack, client, markdown_text="one")
        await client.agents_sessions_setStatus(
            channel_id=channel, thread_ts=root, status="processing"
        )
        assert slack.status(channel, root)
        await client.chat_stopStream(channel=channel, ts=ts, session_status="active")
        assert slack.status(channel, root) == ""
        assert slack.state.sessions[f"{channel}/{root}"]["status"] == "active"
