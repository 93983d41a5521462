"""Skein's own Discord frontend over a real core, a real discord.py and a simulated server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bots.commands import Commands
from bots.discord.frontend import DiscordFrontend
from bots.playground.base import MessageView
from bots.playground.discord import BOT_ID, GENERAL_CHANNEL, SimulatedDiscord, serve_discord
from core.conversation import ThreadKey, Turn
from core.run import TurnOptions
from core.settings import Settings, load_settings
from core.store.base import Store
from core.store.sqlite import open_sqlite
from core.threads import Threads
from core.turns import Turns
from tests.bots.playground.openapi import find_problems
from tests.fakes import FakeModels

SOON = timedelta(seconds=20)


def make_settings(server: SimulatedDiscord, **changes: Any) -> Settings:
    """Give settings that point at a simulated server, whatever stands in the environment."""
    values: dict[str, Any] = {
        "discord_bot_token": server.bot_token,
        "discord_api_url": server.api_url,
        "discord_channels": "",
        "delivery_timeout_seconds": 20,
        "answer_file_characters": 0,
        **changes,
    }
    return load_settings(use_environment=False, **values)


@dataclass
class Skein:
    """A frontend that runs, and what stands around it."""

    server: SimulatedDiscord
    models: FakeModels
    store: Store
    turns: Turns
    frontend: DiscordFrontend
    running: asyncio.Task[None]

    async def ask(
        self, text: str, channel: str = GENERAL_CHANNEL, *, person: str = "Ada", **more: Any
    ) -> MessageView:
        """Say something, and wait until the bot's whole answer is there."""
        said = await self.server.say(person, channel, text, **more)
        reply = await self.server.wait_for_reply(channel, after=said)
        await self.settle()
        return next(view for view in self.replies() if view["id"] == reply["id"])

    async def settle(self) -> None:
        """Wait until no turn is under way."""
        assert await self.turns.wait_idle(SOON)

    def replies(self) -> Sequence[MessageView]:
        """Give all of the bot's messages."""
        return [m for m in self.server.snapshot()["messages"] if m["author"] == BOT_ID]

    async def turn(self, turn_id: int = 1) -> Turn:
        """Read a turn."""
        turn = await self.store.find_turn(turn_id)
        assert turn is not None
        return turn


@asynccontextmanager
async def running_skein(
    server: SimulatedDiscord,
    folder: Path,
    *,
    models: FakeModels | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    **settings: Any,
) -> AsyncGenerator[Skein]:
    """Run Skein on a simulated server; at the end hold all that it sent against Discord's document."""
    known = models or FakeModels()
    async with (
        open_sqlite(f"sqlite:///{folder / 'skein.db'}") as store,
        Turns(store, known, TurnOptions("")) as turns,
    ):
        threads = Threads(store, known, turns)
        frontend = DiscordFrontend(
            make_settings(server, **settings), turns, threads, Commands(threads, store), now
        )
        turns.attach(frontend.name, frontend.open_sink)
        await frontend.connect()
        running = asyncio.create_task(frontend.run())
        try:
            await server.wait_for_connections(1, SOON)
            yield Skein(server, known, store, turns, frontend, running)
        finally:
            await frontend.stop()
            await asyncio.wait([running], timeout=SOON.total_seconds())
            await turns.drain(timedelta(seconds=1))
            await frontend.aclose()
            assert running.done()
    await running
    assert find_problems(server.calls) == []


@asynccontextmanager
async def serving(**options: Any) -> AsyncGenerator[SimulatedDiscord]:
    """Serve a guild without rate limits, unless told."""
    options = {"rate_limits": 0, **options}
    async with serve_discord(SimulatedDiscord(**options)) as server:
        yield server


def key(channel: str, thread: str = "", workspace: str = "") -> ThreadKey:
    """Make a key of the simulated guild."""
    from bots.playground.discord import GUILD_ID

    return ThreadKey("discord", workspace or GUILD_ID, channel, thread)
