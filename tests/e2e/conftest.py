"""A world of its own for each test: both simulated platforms, a model server, and a folder to run in."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bots.playground.discord import SimulatedDiscord, serve_discord
from bots.playground.slack import SimulatedSlack, serve_slack
from tests.core.providers.scripted_server import ScriptedModelServer
from tests.e2e.places import DiscordChannel, Place, SlackThread
from tests.processes import SKEIN, Program, clean_environment, run_program


@dataclass
class World:
    """What stands around a bot, and the way to start it."""

    folder: Path
    slack: SimulatedSlack
    discord: SimulatedDiscord
    model: ScriptedModelServer

    def environment(
        self, platforms: Sequence[str] = ("slack", "discord"), **more: str
    ) -> dict[str, str]:
        """Give the settings that point a bot at this world's servers."""
        settings = {
            "OPENAI_BASE_URL": self.model.openai_url,
            "MODEL": "gpt-4o-mini",
            "SHUTDOWN_SECONDS": "10",
        }
        if "slack" in platforms:
            settings |= {
                "SLACK_API_URL": self.slack.api_url,
                "SLACK_BOT_TOKEN": self.slack.bot_token,
                "SLACK_APP_TOKEN": self.slack.app_token,
            }
        if "discord" in platforms:
            settings |= {
                "DISCORD_API_URL": self.discord.api_url,
                "DISCORD_BOT_TOKEN": self.discord.bot_token,
            }
        return clean_environment(**settings | more)

    @asynccontextmanager
    async def skein(self, *platforms: str, **more: str) -> AsyncGenerator[Program]:
        """Run `skein run` until the context ends; it is connected when this begins."""
        chosen = platforms or ("slack", "discord")
        environment = self.environment(chosen, **more)
        async with run_program(
            (*SKEIN, "run"), cwd=self.folder, environment=environment
        ) as program:
            for platform in chosen:
                await program.wait_for_line(f"{platform}: connected as")
            if "slack" in chosen:
                await self.slack.wait_until_connected()
            if "discord" in chosen and not self.discord.connections():
                await self.discord.feed.wait_for(type="connection", is_connected=True)
            yield program

    def forget_files(self) -> None:
        """Let the platforms give no file any more."""
        self.slack.state.files.clear()
        self.discord.world.state.files.clear()

    def place(self, platform: str, channel: str = "general") -> Place:
        """Open a new place to talk on a platform."""
        return (
            SlackThread(self.slack, channel)
            if platform == "slack"
            else DiscordChannel(self.discord, channel)
        )


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(serve_slack(SimulatedSlack(rate_scale=None)))
        discord = await stack.enter_async_context(serve_discord(SimulatedDiscord(rate_limits=0)))
        model = await stack.enter_async_context(ScriptedModelServer())
        yield World(tmp_path, slack, discord, model)
