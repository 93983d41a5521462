"""`skein run`: the bot on every platform whose tokens are set."""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from bots.commands import Commands
from bots.frontend import Frontend
from bots.http.metrics import add_core_gauges
from bots.http.prometheus import PrometheusMetrics
from bots.http.service import open_service
from bots.serve import serve, stop_on_signals
from core.app import App, open_app
from core.errors import SettingsError
from core.logs import configure_logs
from core.settings import Settings, load_settings
from core.threads import Threads
from core.turns import Turns

log = logging.getLogger("skein.run")


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Add `skein run`."""
    parser = commands.add_parser("run", help="run the bot on every platform whose tokens are set")
    parser.set_defaults(run=run)


async def run(options: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT. Raises SettingsError where no platform is set up."""
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format, settings.secrets())
    platforms = find_platforms(settings)
    stop = asyncio.Event()
    with stop_on_signals(stop):
        metrics = PrometheusMetrics() if settings.http_port is not None else None
        async with open_app(settings, is_runner=True, metrics=metrics) as app:
            if app.models.is_demo and not settings.model:
                log.warning("no model is configured: the demo model answers, which only plays one")
            frontends = build_frontends(app, settings, platforms)
            grace = timedelta(seconds=settings.shutdown_seconds)
            links = {frontend.name: frontend.link for frontend in frontends}
            if metrics is not None:
                add_core_gauges(metrics, app.turns, app.models)
            async with open_service(settings, app.store, links, stop, metrics):
                await serve(frontends, app.turns, stop, grace)
    return 0


def find_platforms(settings: Settings) -> tuple[str, ...]:
    """Name the platforms whose tokens are set, and log why another is off.

    Raises SettingsError when none is left.
    """
    found: list[str] = []
    if settings.slack_bot_token and settings.slack_app_token:
        found.append("slack")
    elif settings.slack_bot_token or settings.slack_app_token:
        missing = "SLACK_APP_TOKEN" if settings.slack_bot_token else "SLACK_BOT_TOKEN"
        log.warning("slack: off, because %s is not set", missing)
    else:
        log.info("slack: off, because SLACK_BOT_TOKEN and SLACK_APP_TOKEN are not set")
    if settings.discord_bot_token:
        found.append("discord")
    else:
        log.info("discord: off, because DISCORD_BOT_TOKEN is not set")
    if not found:
        raise SettingsError(
            "SLACK_BOT_TOKEN and SLACK_APP_TOKEN, or DISCORD_BOT_TOKEN",
            "no chat platform is set up",
            "Set a platform's tokens in the environment or in .env (the README says where to get "
            "them), or try `skein demo`, which needs none.",
        )
    return tuple(found)


def build_frontends(app: App, settings: Settings, platforms: tuple[str, ...]) -> list[Frontend]:
    """Build the frontends of these platforms. A new platform is one more line."""
    commands = Commands(app.threads, app.store)
    return [_find_kind(name)(settings, app.turns, app.threads, commands) for name in platforms]


def _find_kind(platform: str) -> Callable[[Settings, Turns, Threads, Commands], Frontend]:
    """Import a platform only where it is used: each SDK takes half a second and 20 MB."""
    match platform:
        case "slack":
            from bots.slack.frontend import SlackFrontend

            return SlackFrontend
        case "discord":
            from bots.discord.frontend import DiscordFrontend

            return DiscordFrontend
        case _:
            raise ValueError(f"there is no platform {platform!r}")
