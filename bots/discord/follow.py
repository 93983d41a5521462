"""What discord.py tells of its session, told on."""

from __future__ import annotations

import discord

from bots.link import Link


def follow_session(client: discord.Client, link: Link) -> None:
    """Let a link know when a session begins, is resumed, and breaks."""

    async def on_connect() -> None:
        link.connect()

    async def on_resumed() -> None:
        link.connect()

    async def on_disconnect() -> None:
        link.lose()

    for handler in (on_connect, on_resumed, on_disconnect):
        client.event(handler)
