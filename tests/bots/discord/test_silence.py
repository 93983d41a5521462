"""A gateway connection that stands, and through which nothing comes any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bots.discord import client
from bots.playground.discord import GENERAL_CHANNEL
from tests.bots.discord.kit import running_skein, serving

BEAT = timedelta(seconds=30)
SILENCE_SECONDS = 2.0


class Wire:
    """Hands bytes on between a bot and a server. Cut, the gateway's connections stand and carry nothing."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 0
        self._gateways: list[asyncio.Event] = []
        self._serving = set[asyncio.Task[None]]()

    def cut(self) -> None:
        """Let nothing through on the gateway's connections that there are by now."""
        for is_cut in self._gateways:
            is_cut.set()

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection of the bot's."""
        self._serving.add(asyncio.create_task(self._serve(reader, writer)))

    async def aclose(self) -> None:
        """End all connections."""
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there = await asyncio.open_connection(self._host, self._port)
            head = await reader.readuntil(b"\r\n\r\n")
            is_cut = asyncio.Event()
            if b"upgrade: websocket" in head.lower():
                self._gateways.append(is_cut)
            there.write(head)
            async with asyncio.TaskGroup() as group:
                group.create_task(_pass_on(reader, there, is_cut))
                group.create_task(_pass_on(there_reader, writer, is_cut))
            there.close()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_cut: asyncio.Event
) -> None:
    while data := await reader.read(65536):
        if not is_cut.is_set():
            writer.write(data)
            await writer.drain()
    if not is_cut.is_set():
        writer.close()


@asynccontextmanager
async def wired(url: str) -> AsyncGenerator[tuple[Wire, str]]:
    """Open a wire to a server, and give the address of its other end."""
    wire = Wire(url)
    server = await asyncio.start_server(wire.take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield wire, f"http://127.0.0.1:{port}{urlsplit(url).path}"
    finally:
        server.close()
        await wire.aclose()


async def test_a_gateway_that_is_open_but_dead_is_left_for_another_without_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LONGEST_SILENCE_SECONDS", SILENCE_SECONDS)
    async with (
        serving(heartbeat_interval=BEAT) as server,
        wired(server.world.origin) as (wire, url),
    ):
        server.locate(url)
        async with running_skein(server, tmp_path) as skein:
            await skein.ask("@skein one")
            wire.cut()
            async with asyncio.timeout(15):
                await server.say("Ada", GENERAL_CHANNEL, "@skein two")
                await server.wait_for_reply(GENERAL_CHANNEL, "Answer to two")
