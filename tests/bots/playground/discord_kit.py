"""What the tests of the simulated Discord share: a clock, a plain client, and a real discord.py bot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import discord
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bots.playground.discord import SimulatedDiscord, serve_discord
from tests.bots.playground.openapi import find_problems

ADA_DM = "1191168811600000301"
SOON = 10
"""Seconds after which a wait in a test has failed."""
SHORT = timedelta(milliseconds=200)
"""A wait that a test sits out."""


class FakeClock:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.now = 1_760_000_000.0

    def __call__(self) -> float:
        return self.now

    def turn(self, seconds: float) -> None:
        self.now += seconds


@dataclass(frozen=True)
class Reply:
    """What a plain request was answered."""

    status: int
    body: Any
    headers: Any

    @property
    def code(self) -> int:
        return self.body["code"]


class PlainClient:
    """Calls the REST API without any SDK in between."""

    def __init__(self, server: SimulatedDiscord, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session

    async def __call__(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **options: Any
    ) -> Reply:
        headers = {"Authorization": f"Bot {self.server.bot_token if token is None else token}"}
        if body is not None:
            options["json"] = body
        url = self.server.api_url + path
        async with self.session.request(method, url, headers=headers, **options) as response:
            is_json = response.headers.get("Content-Type") == "application/json"
            content = await response.json() if is_json else await response.read()
            return Reply(response.status, content, response.headers)

    async def post(self, channel: str, content: str, **fields: Any) -> Reply:
        return await self("POST", f"/channels/{channel}/messages", {"content": content, **fields})


@asynccontextmanager
async def served(**options: Any) -> AsyncGenerator[tuple[SimulatedDiscord, PlainClient]]:
    """Serve a guild without rate limits, unless told, and connect a plain client."""
    options.setdefault("rate_limits", 0)
    async with (
        serve_discord(SimulatedDiscord(**options)) as server,
        aiohttp.ClientSession() as session,
    ):
        yield server, PlainClient(server, session)


@contextmanager
def pointed_at(server: SimulatedDiscord) -> Generator[None]:
    """Point discord.py at a simulated server until the context ends."""
    base, gateway = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    Route.BASE = server.api_url
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(server.gateway_url)
    try:
        yield
    finally:
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = base, gateway


class RecordingBot(discord.Client):
    """A real client that remembers what it is told, in queues."""

    def __init__(self, intents: discord.Intents | None = None, **options: Any) -> None:
        chosen = intents or discord.Intents(
            guilds=True, messages=True, message_content=True, typing=True, reactions=True
        )
        super().__init__(intents=chosen, guild_ready_timeout=0.05, **options)
        self.tree = app_commands.CommandTree(self)
        self.seen: dict[str, asyncio.Queue[Any]] = {}

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Do not wait 5 seconds before a second identify, as a bot at the real Discord must."""

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        super().dispatch(event, *args, **kwargs)
        self.queue(event).put_nowait(args[0] if len(args) == 1 else args)

    def queue(self, event: str) -> asyncio.Queue[Any]:
        return self.seen.setdefault(event, asyncio.Queue())

    async def next(self, event: str, **fields: Any) -> Any:
        """Take the next event of a name (`message`, `raw_message_edit`, ...) with these fields."""
        async with asyncio.timeout(SOON):
            while True:
                told = await self.queue(event).get()
                if all(getattr(told, name) == value for name, value in fields.items()):
                    return told

    def forget(self) -> None:
        """Forget the events so far."""
        self.seen.clear()

    async def write(self, channel: str, content: str, **options: Any) -> discord.Message:
        """Send to a channel, held to mention nobody, as Skein does."""
        place = self.get_partial_messageable(int(channel))
        options.setdefault("allowed_mentions", discord.AllowedMentions.none())
        return await place.send(content, **options)


@asynccontextmanager
async def running(
    server: SimulatedDiscord, bot: RecordingBot | None = None
) -> AsyncGenerator[RecordingBot]:
    """Log a bot in and keep it connected; then hold what was taken against Discord's document."""
    client = bot or RecordingBot()
    with pointed_at(server):
        async with client:
            await client.login(server.bot_token)
            task = asyncio.create_task(client.connect())
            try:
                await client.next("ready")
                yield client
            finally:
                await client.close()
                await asyncio.wait([task], timeout=SOON)
                task.cancel()
    problems = find_problems(call for call in server.calls if call.status != 400)
    assert not problems, "\n".join(problems)


async def next_message(bot: RecordingBot, contains: str = "") -> discord.Message:
    """Wait for a message event with this text."""
    while True:
        message: discord.Message = await bot.next("message")
        if contains in message.content:
            return message
