"""The routes of the simulated REST API, one file a resource."""

from __future__ import annotations

from bots.playground.discord.routes import (
    commands,
    guild,
    interactions,
    login,
    messages,
    reactions,
    threads,
)

ROUTES = (
    *login.ROUTES,
    *guild.ROUTES,
    *messages.ROUTES,
    *reactions.ROUTES,
    *threads.ROUTES,
    *commands.ROUTES,
    *interactions.ROUTES,
)
