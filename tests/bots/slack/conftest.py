"""A simulated workspace, and the real frontend in it, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from bots.playground.base import MessageView
from bots.playground.slack import SimulatedSlack, Timing, serve_slack
from bots.slack.frontend import SlackFrontend
from core.conversation import ThreadKey
from core.settings import Settings, load_settings
from tests.bots.slack.desk import Desk, open_desk
from tests.bots.slack.fakes import FakeThreads, FakeTurns, RecordingCommands


@dataclass
class Rig:
    """A frontend, what it talks to, and what it hands on to."""

    slack: SimulatedSlack
    frontend: SlackFrontend
    turns: FakeTurns
    threads: FakeThreads
    commands: RecordingCommands
    running: asyncio.Task[None]

    def key(self, channel: str, thread: str = "") -> ThreadKey:
        """Give the key of a conversation in this workspace."""
        return ThreadKey("slack", self.slack.state.identity.team, channel, thread)

    async def whisper(self, channel: str) -> MessageView:
        """Wait for what Ada alone is shown, and give the newest."""
        ada = self.slack.person("ada")

        def find() -> MessageView | None:
            every = reversed(self.slack.snapshot()["messages"])
            seen = (view for view in every if view["visible_to"] == ada)
            return next((view for view in seen if view["channel"] == channel), None)

        return await self.slack.wait_for(find)


async def settings_for(slack: SimulatedSlack, **changes: str) -> Settings:
    values = {
        "slack_bot_token": slack.bot_token,
        "slack_app_token": slack.app_token,
        "slack_api_url": slack.api_url,
        "answer_file_characters": "0",
        **changes,
    }
    return await asyncio.to_thread(load_settings, use_environment=False, **values)


@asynccontextmanager
async def open_frontend(
    slack: SimulatedSlack, **changes: str
) -> AsyncGenerator[tuple[SlackFrontend, FakeTurns, FakeThreads, RecordingCommands]]:
    turns = FakeTurns()
    threads, commands = FakeThreads(turns), RecordingCommands()
    frontend = SlackFrontend(await settings_for(slack, **changes), turns, threads, commands)
    turns.open_sink = frontend.open_sink
    try:
        yield frontend, turns, threads, commands
        await turns.settle()
    finally:
        await frontend.aclose()


@pytest.fixture
def timing() -> Timing:
    """How long Slack waits. Tests that let it wait in vain give another."""
    return Timing()


@pytest.fixture
async def slack(timing: Timing) -> AsyncIterator[SimulatedSlack]:
    async with serve_slack(SimulatedSlack(rate_scale=None, timing=timing)) as simulated:
        yield simulated


@pytest.fixture
async def rig(slack: SimulatedSlack) -> AsyncIterator[Rig]:
    async with open_frontend(slack) as (frontend, turns, threads, commands):
        await frontend.connect()
        running = asyncio.create_task(frontend.run())
        await slack.wait_until_connected()
        try:
            yield Rig(slack, frontend, turns, threads, commands, running)
        finally:
            await frontend.stop()
            async with asyncio.timeout(20):
                await asyncio.wait([running])


@pytest.fixture
async def desk(slack: SimulatedSlack) -> AsyncIterator[Desk]:
    async with open_desk(slack) as desk:
        yield desk
