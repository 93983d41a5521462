"""What the tests of the simulated Slack share: a clock to turn, a client, and a bot made of the real SDKs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bots.playground.slack import SimulatedSlack, Timing, serve_slack

QUICK = Timing(
    retries=(timedelta(0), timedelta(milliseconds=20), timedelta(milliseconds=40)),
    refresh_grace=timedelta(milliseconds=50),
)
IMPATIENT = replace(QUICK, ack=timedelta(milliseconds=300))
"""For tests in which an acknowledgement fails to come."""


class FakeClock:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.now = 1_760_000_000.0

    def __call__(self) -> float:
        return self.now

    def turn(self, seconds: float) -> None:
        self.now += seconds


def make_slack(**options: Any) -> SimulatedSlack:
    """Make a workspace without rate limits and with short waits, unless told."""
    options.setdefault("rate_scale", None)
    options.setdefault("timing", QUICK)
    return SimulatedSlack(**options)


@asynccontextmanager
async def api_client(slack: SimulatedSlack, token: str = "") -> AsyncGenerator[AsyncWebClient]:
    """Make the real SDK's client of a served workspace."""
    async with aiohttp.ClientSession() as session:
        yield AsyncWebClient(
            token=token or slack.bot_token, base_url=slack.api_url, session=session
        )


@asynccontextmanager
async def served(**options: Any) -> AsyncGenerator[tuple[SimulatedSlack, AsyncWebClient]]:
    """Serve a workspace and connect a client."""
    async with serve_slack(make_slack(**options)) as slack, api_client(slack) as client:
        yield slack, client


def bolt_app(slack: SimulatedSlack, *, is_told_of_itself: bool = False) -> AsyncApp:
    """Make a Bolt app whose failing listeners leave their events unacknowledged."""
    return AsyncApp(
        client=AsyncWebClient(token=slack.bot_token, base_url=slack.api_url),
        process_before_response=True,
        ignoring_self_events_enabled=not is_told_of_itself,
    )


@asynccontextmanager
async def running(slack: SimulatedSlack, app: AsyncApp) -> AsyncGenerator[AsyncSocketModeHandler]:
    """Connect a Bolt app over Socket Mode until the context ends."""
    handler = AsyncSocketModeHandler(app, slack.app_token, ping_interval=0.2)
    await handler.connect_async()
    try:
        await slack.wait_until_connected()
        yield handler
    finally:
        await handler.close_async()


def answered(response: AsyncSlackResponse) -> dict[str, Any]:
    """Give the fields that Slack answered; one that is missing is a KeyError."""
    assert isinstance(response.data, dict)
    return response.data


def code(error: pytest.ExceptionInfo[SlackApiError]) -> str:
    """Give the error code that Slack answered."""
    return str(error.value.response["error"])
