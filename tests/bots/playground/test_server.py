"""The playground with the real simulations behind it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bots.playground.discord import GENERAL_CHANNEL, SimulatedDiscord
from bots.playground.page.views import ConversationView
from bots.playground.server import PortTakenError, serve_playground
from bots.playground.slack import SimulatedSlack


async def no_memory(_: dict[str, str]) -> ConversationView | None:
    return None


async def test_bots_reach_each_platform_where_the_playground_says() -> None:
    slack, discord = SimulatedSlack(), SimulatedDiscord()
    async with (
        serve_playground((slack, discord), no_memory) as playground,
        aiohttp.ClientSession() as session,
    ):
        api = playground.api_urls
        web = AsyncWebClient(slack.bot_token, base_url=api["slack"], session=session)
        assert (await web.auth_test())["ok"]
        headers = {"Authorization": f"Bot {discord.bot_token}"}
        async with session.get(f"{api['discord']}/users/@me", headers=headers) as response:
            assert response.status == 200
        assert api["slack"].startswith(playground.url)
        assert api["discord"].startswith(playground.url)


async def test_bots_messages_and_calls_show_on_the_page() -> None:
    slack = SimulatedSlack()
    async with (
        serve_playground((slack,), no_memory) as playground,
        aiohttp.ClientSession() as session,
    ):
        base_url = playground.api_urls["slack"]
        web = AsyncWebClient(slack.bot_token, base_url=base_url, session=session)
        await web.chat_postMessage(channel=slack.channel("general"), text="*hello*")
        await asyncio.sleep(0)
        async with session.get(f"{playground.url}api/state") as response:
            state = await response.json()
    assert [each["text"] for each in state["platforms"][0]["messages"]] == ["*hello*"]
    assert [each["call"]["method"] for each in state["recent"] if each["type"] == "call"] == [
        "chat.postMessage"
    ]


async def test_both_platforms_outlive_a_restart(tmp_path: Path) -> None:
    keep = tmp_path / "platforms.json"
    slack, discord = SimulatedSlack(), SimulatedDiscord()
    async with serve_playground((slack, discord), no_memory, keep=keep):
        await slack.say("Ada", "general", "hello")
        await discord.say("Ada", GENERAL_CHANNEL, "hello")
    before = [slack.snapshot()["messages"], discord.snapshot()["messages"]]
    slack, discord = SimulatedSlack(), SimulatedDiscord()
    async with serve_playground((slack, discord), no_memory, keep=keep):
        assert [slack.snapshot()["messages"], discord.snapshot()["messages"]] == before
        assert all(len(messages) == 1 for messages in before)


async def test_port_in_use_is_told_with_the_way_out() -> None:
    async with serve_playground((), no_memory) as playground:
        port = int(playground.url.rpartition(":")[2].rstrip("/"))
        with pytest.raises(PortTakenError, match=f"port {port} .*--port") as caught:
            async with serve_playground((), no_memory, port=port):
                pass
    assert caught.value.port == port


async def test_playground_listens_on_loopback_alone() -> None:
    async with serve_playground((), no_memory) as playground:
        assert playground.url.startswith("http://127.0.0.1:")
