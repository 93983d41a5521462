"""A Discord that says no more than it has to: no application, bare events and answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

BOT, ADA, CHANNEL = "50", "60", "20"


class SparseDiscord:
    """What a frontend needs to talk, and nothing beside it; unknown routes answer with a page."""

    bot_token = "sparse.token.x"
    calls = ()

    def __init__(self) -> None:
        self.api_url = ""
        self.contents: dict[str, str] = {}
        self.commands: list[Any] = []
        self.missed: list[Any] = []
        """What is answered to who asks for the channel's messages."""
        self.guilds: list[Any] = []
        self.changed = asyncio.Condition()
        self._socket: web.WebSocketResponse | None = None

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/users/@me", self._me),
            web.get("/gateway", self._gateway),
            web.put("/applications/50/commands", self._put_commands),
            web.post("/channels/20/messages", self._post),
            web.patch("/channels/20/messages/{id}", self._patch),
            web.post("/interactions/8/token/callback", self._acknowledge),
            web.patch("/webhooks/50/token/messages/@original", self._post),
            web.get("/channels/20/messages", self._messages),
            web.get("/", self._connect),
        ]

    async def wait_for_connections(self, _count: int, timeout: timedelta) -> None:
        async with asyncio.timeout(timeout.total_seconds()), self.changed:
            await self.changed.wait_for(lambda: self._socket)

    async def say(self, number: int, content: str, author: str = ADA, **more: Any) -> None:
        message = {"id": str(number), "channel_id": CHANNEL, "guild_id": "10", "content": content}
        await self.send("MESSAGE_CREATE", {**message, "author": {"id": author}, **more})

    async def command(self, name: str, **more: Any) -> None:
        interaction = {"id": "8", "application_id": BOT, "type": 2, "token": "token"}
        place = {"channel_id": CHANNEL, "guild_id": "10", "member": {"user": {"id": ADA}}}
        data = {"id": "9", "name": name, "type": 1}
        await self.send("INTERACTION_CREATE", {**interaction, **place, **more, "data": data})

    async def send(self, event: str, data: Any) -> None:
        assert self._socket
        await self._socket.send_json({"op": 0, "t": event, "s": 2, "d": data})

    async def wait_for_content(self, content: str) -> None:
        async with asyncio.timeout(20), self.changed:
            await self.changed.wait_for(lambda: content in self.contents.values())

    async def wait_for_commands(self) -> None:
        async with asyncio.timeout(20), self.changed:
            await self.changed.wait_for(lambda: self.commands)

    async def _me(self, _: web.Request) -> web.Response:
        user = {"id": BOT, "username": "skein", "discriminator": "0", "avatar": None}
        return web.json_response(user)

    async def _gateway(self, _: web.Request) -> web.Response:
        return web.json_response({"url": self.api_url.replace("http", "ws")})

    async def _put_commands(self, request: web.Request) -> web.Response:
        async with self.changed:
            self.commands = await request.json()
            self.changed.notify_all()
        return web.json_response([])

    async def _messages(self, _: web.Request) -> web.Response:
        return web.json_response(self.missed)

    async def _acknowledge(self, _: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _post(self, request: web.Request) -> web.Response:
        return await self._show(str(len(self.contents) + 1), request)

    async def _patch(self, request: web.Request) -> web.Response:
        return await self._show(request.match_info["id"], request)

    async def _show(self, message: str, request: web.Request) -> web.Response:
        async with self.changed:
            self.contents[message] = (await request.json())["content"]
            self.changed.notify_all()
        return web.json_response({"id": message})

    async def _connect(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"op": 10, "d": {"heartbeat_interval": 40_000}})
        async for frame in socket:
            op = json.loads(frame.data)["op"]
            if op == 1:
                await socket.send_json({"op": 11})
            elif op == 2:
                await socket.send_json({"op": 0, "t": "READY", "d": {"user": {"id": BOT}}})
                for guild in self.guilds:
                    await socket.send_json({"op": 0, "t": "GUILD_CREATE", "s": 2, "d": guild})
                async with self.changed:
                    self._socket = socket
                    self.changed.notify_all()
        return socket


@asynccontextmanager
async def serve_sparse() -> AsyncGenerator[SparseDiscord]:
    """Serve it on a free port."""
    discord = SparseDiscord()
    app = web.Application()
    app.add_routes(discord.routes())
    async with TestServer(app, host="127.0.0.1") as server:
        discord.api_url = str(server.make_url("")).rstrip("/")
        yield discord
