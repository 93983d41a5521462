"""What discord.py tells of its session, told on."""

from __future__ import annotations

from collections.abc import Callable

import discord

from bots.link import Link


def follow_session(client: discord.Client, link: Link, on_new: Callable[[], None]) -> None:
    """Let a link know when a session begins, is resumed, and breaks; `on_new` hears of one that begins."""

    async def on_connect() -> None:
        on_new()
        link.connect()

    async def on_resumed() -> None:
        link.connect()

    async def on_disconnect() -> None:
        link.lose()

    for handler in (on_connect, on_resumed, on_disconnect):
        client.event(handler)
