"""A simulated Discord server, REST API v10 and gateway, over real HTTP and websockets."""

from __future__ import annotations

from bots.playground.discord.rest import Call
from bots.playground.discord.seed import (
    ADA,
    ASK_SKEIN_CHANNEL,
    BOT_ID,
    BOT_TOKEN,
    GENERAL_CHANNEL,
    GRACE,
    GUILD_ID,
    LINUS,
    RANDOM_CHANNEL,
)
from bots.playground.discord.server import SimulatedDiscord, serve_discord

__all__ = [
    "ADA",
    "ASK_SKEIN_CHANNEL",
    "BOT_ID",
    "BOT_TOKEN",
    "GENERAL_CHANNEL",
    "GRACE",
    "GUILD_ID",
    "LINUS",
    "RANDOM_CHANNEL",
    "Call",
    "SimulatedDiscord",
    "serve_discord",
]
