import asyncio
from datetime import timedelta

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler

from bots.playground.base import Fault
from bots.playground.slack import serve_slack
from tests.bots.playground.slack_kit import (
    FakeClock,
    answered,
    api_client,
    code,
    make_slack,
    served,
)


async def test_the_bot_token_tells_who_the_bot_is():
    async with served() as (slack, client):
        who = await client.auth_test()
        identity = slack.state.identity
        assert (who["user_id"], who["bot_id"], who["team_id"], who["user"]) == (
            identity.bot_user,
            identity.bot_id,
            identity.team,
            "skein",
        )


@pytest.mark.parametrize(
    ("token", "expected"),
    [("xoxb-wrong", "invalid_auth"), ("xapp-simulated", "not_allowed_token_type")],
)
async def test_a_wrong_token_is_refused(token: str, expected: str):
    async with serve_slack(make_slack()) as slack, api_client(slack, token) as client:
        with pytest.raises(SlackApiError) as refused:
            await client.auth_test()
        assert code(refused) == expected


async def test_a_connection_needs_the_app_token():
    async with served() as (slack, client):
        with pytest.raises(SlackApiError) as refused:
            await client.apps_connections_open(app_token=slack.bot_token)
        assert code(refused) == "not_allowed_token_type"


async def test_a_call_without_a_token_and_an_unknown_method_are_refused():
    async with serve_slack(make_slack()) as slack, aiohttp.ClientSession() as session:
        answer = await session.post(slack.api_url + "auth.test")
        assert await answer.json() == {"ok": False, "error": "not_authed"}
        headers = {"Authorization": f"Bearer {slack.bot_token}"}
        answer = await session.post(slack.api_url + "chat.sing", headers=headers)
        assert await answer.json() == {"ok": False, "error": "unknown_method"}


async def test_forms_and_json_are_understood_with_the_token_in_either_place():
    async with serve_slack(make_slack()) as slack, aiohttp.ClientSession() as session:
        url, channel = slack.api_url + "chat.postMessage", slack.channel("general")
        form = {"token": slack.bot_token, "channel": channel, "blocks": '[{"type": "divider"}]'}
        assert (await (await session.post(url, data=form)).json())["ok"]
        body = {"token": slack.bot_token, "channel": channel, "text": "x"}
        assert (await (await session.post(url, json=body)).json())["ok"]
        headers = {"Content-Type": "application/json"}
        answer = await session.post(url, data="no json", headers=headers)
        assert (await answer.json())["error"] == "invalid_json"


async def test_calls_are_kept_without_tokens():
    async with served() as (slack, client):
        await client.chat_postMessage(channel=slack.channel("general"), text="hello")
        (call,) = slack.calls_to("chat.*")
        assert (call.method, call.status, call.arguments["text"]) == (
            "chat.postMessage",
            200,
            "hello",
        )
        assert "hello" in call.view()["detail"]
        assert all(slack.bot_token not in str((c.arguments, c.view())) for c in slack.calls)


async def test_posting_is_limited_to_one_a_second_for_each_channel_beyond_a_burst():
    clock = FakeClock()
    async with served(clock=clock, rate_scale=1.0) as (slack, client):
        for _ in range(5):
            await client.chat_postMessage(channel=slack.channel("general"), text="x")
        with pytest.raises(SlackApiError) as refused:
            await client.chat_postMessage(channel=slack.channel("general"), text="x")
        assert refused.value.response.status_code == 429
        assert refused.value.response.headers["Retry-After"] == "5"
        assert code(refused) == "ratelimited"
        await client.chat_postMessage(channel=slack.channel("random"), text="x")
        clock.turn(5)
        await client.chat_postMessage(channel=slack.channel("general"), text="x")


@pytest.mark.parametrize(
    ("method", "allowed"),
    [
        ("chat.update", 50),
        ("chat.startStream", 20),
        ("chat.stopStream", 20),
        ("chat.appendStream", 100),
    ],
)
async def test_each_method_has_its_tier(method: str, allowed: int):
    clock = FakeClock()
    async with served(clock=clock, rate_scale=1.0) as (_, client):
        for _ in range(allowed):
            with pytest.raises(SlackApiError) as refused:
                await client.api_call(method, json={})
            assert code(refused) == "invalid_arguments"
        clock.turn(59)
        with pytest.raises(SlackApiError) as refused:
            await client.api_call(method, json={})
        assert (code(refused), refused.value.response.headers["Retry-After"]) == (
            "ratelimited",
            "1",
        )


async def test_rates_can_be_scaled():
    async with served(clock=FakeClock(), rate_scale=0.4) as (slack, client):
        for _ in range(2):
            await client.chat_postMessage(channel=slack.channel("general"), text="x")
        with pytest.raises(SlackApiError) as refused:
            await client.chat_postMessage(channel=slack.channel("general"), text="x")
        assert code(refused) == "ratelimited"


async def test_distributed_apps_read_a_thread_once_a_minute_and_fifteen_messages_of_it():
    async with served(clock=FakeClock(), rate_scale=1.0, is_distributed=True) as (slack, client):
        channel, root = slack.channel("general"), await slack.say("ada", "general", "0")
        for number in range(1, 20):
            await slack.say("ada", "general", str(number), thread=root)
        thread = await client.conversations_replies(channel=channel, ts=root, limit=100)
        read = answered(thread)
        assert (len(read["messages"]), read["has_more"]) == (15, True)
        with pytest.raises(SlackApiError) as refused:
            await client.conversations_replies(channel=channel, ts=root)
        assert code(refused) == "ratelimited"


async def test_a_fault_answers_as_told_and_then_is_over():
    async with served() as (slack, client):
        channel = slack.channel("general")
        slack.faults.add(Fault("chat.*", status=503, error="service_unavailable"))
        slack.faults.add(Fault("chat.*", status=200, error="fatal_error"))
        for expected in ("service_unavailable", "fatal_error"):
            with pytest.raises(SlackApiError) as refused:
                await client.chat_postMessage(channel=channel, text="x")
            assert code(refused) == expected
        await client.chat_postMessage(channel=channel, text="x")
        assert len(slack.messages(channel)) == 1


async def test_the_sdk_obeys_a_429s_retry_after():
    async with served() as (slack, client):
        client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=1))
        slack.faults.add(Fault("chat.postMessage", status=429, retry_after=timedelta(seconds=0)))
        await client.chat_postMessage(channel=slack.channel("general"), text="x")
        assert [call.status for call in slack.calls_to("chat.postMessage")] == [429, 200]


async def test_a_fault_after_the_call_loses_only_the_answer():
    async with served() as (slack, client):
        client.retry_handlers.clear()
        slack.faults.add(Fault("chat.postMessage", drop=True, after=True))
        with pytest.raises(aiohttp.ClientError):
            await client.chat_postMessage(channel=slack.channel("general"), text="x")
        assert len(slack.messages(slack.channel("general"))) == 1


async def test_a_slow_answer_is_still_an_answer():
    async with served() as (slack, client):
        slack.faults.add(Fault("auth.test", is_slow_only=True, delay=timedelta(milliseconds=50)))
        began = asyncio.get_running_loop().time()
        await client.auth_test()
        assert asyncio.get_running_loop().time() - began >= 0.05
