"""`skein demo`: the playground, with the real frontends connected to simulated platforms."""

from __future__ import annotations

import argparse
import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bots.cli.demo_memory import PlaygroundMemory
from bots.cli.run import build_frontends
from bots.playground.discord import ASK_SKEIN_CHANNEL, SimulatedDiscord
from bots.playground.server import Playground, PortTakenError, serve_playground
from bots.playground.slack import SimulatedSlack
from bots.serve import serve, stop_on_signals
from core.app import App, open_app
from core.errors import SettingsError
from core.logs import configure_logs
from core.settings import Settings, load_settings

DEFAULT_PORT = 8765
DEFAULT_DATA = Path(".skein-demo")
GRACE = timedelta(seconds=3)
"""Ctrl-C in a playground is meant: running answers are taken up by the next start."""
NOTICE = "The demo model answers: no key, no network."


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Add `skein demo`."""
    parser = commands.add_parser(
        "demo", help="open the playground: simulated Slack and Discord in the browser, no keys"
    )
    parser.add_argument(
        "--port",
        type=parse_port,
        metavar="NUMBER",
        help=f"the page's port; {DEFAULT_PORT} if it is free",
    )
    parser.add_argument("--model", metavar="NAME", help="let a real model answer, by keys in .env")
    parser.add_argument(
        "--data", type=Path, default=DEFAULT_DATA, metavar="DIR", help="where all is kept"
    )
    parser.set_defaults(run=demo)


def parse_port(text: str) -> int:
    """Read a port's number; 0 lets the system choose. Raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)


async def demo(options: argparse.Namespace) -> int:
    """Serve the playground until Ctrl-C."""
    settings = load_demo_settings(options.model, options.data)
    configure_logs("warning", settings.log_format, settings.secrets())
    stop = asyncio.Event()
    with stop_on_signals(stop):
        async with AsyncExitStack() as stack:
            app = await stack.enter_async_context(open_app(settings, is_runner=True))
            simulations = SimulatedSlack(), SimulatedDiscord()
            playground = await _serve_page(stack, app, simulations, options.port, options.data)
            await _serve_bot(app, playground, simulations, stop)
    return 0


def load_demo_settings(model: str | None, data: Path) -> Settings:
    """Heed nothing around: no `.env`, no token, no key; with a model, what is set for models and limits.

    Raises SettingsError.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError("--data", f"cannot be made: {error}", "Name another folder.") from error
    own: dict[str, object] = {
        "database_url": f"sqlite:///{data / 'skein.db'}",
        "discord_channels": ASK_SKEIN_CHANNEL,
    }
    if model is None:
        return load_settings(use_environment=False, model="demo/echo", **own)
    around = load_settings(model=model)
    own |= {name: getattr(around, name) for name in _MODEL_SETTINGS}
    return load_settings(use_environment=False, **own)


_MODEL_PREFIXES = (
    *("max_", "model", "summary_", "system_prompt", "temperature", "reasoning_", "skein_config"),
    *("fallback_", "on_break", "limit_", "queue_", "waiting", "timezone", "answer_file_"),
)
_MODEL_SETTINGS = tuple(
    name
    for name in Settings.model_fields
    if name.endswith(("_api_key", "_base_url", "_timeout_seconds"))
    or name.startswith(_MODEL_PREFIXES)
)


async def _serve_page(
    stack: AsyncExitStack,
    app: App,
    simulations: tuple[SimulatedSlack, SimulatedDiscord],
    port: int | None,
    data: Path,
) -> Playground:
    """Serve the page at the port asked for, else at the usual one, else at any that is free."""
    memory = PlaygroundMemory(app.threads, app.store)

    async def serve_at(number: int) -> Playground:
        return await stack.enter_async_context(
            serve_playground(
                simulations,
                memory.load,
                port=number,
                keep=data / "platforms.json",
                model=str(app.models.default),
                notice=NOTICE if app.models.is_demo else "",
            )
        )

    try:
        return await serve_at(DEFAULT_PORT if port is None else port)
    except PortTakenError:
        if port is not None:
            raise
        return await serve_at(0)


async def _serve_bot(
    app: App,
    playground: Playground,
    simulations: tuple[SimulatedSlack, SimulatedDiscord],
    stop: asyncio.Event,
) -> None:
    slack, discord = simulations
    settings = app.settings.model_copy(
        update={
            "slack_bot_token": SecretStr(slack.bot_token),
            "slack_app_token": SecretStr(slack.app_token),
            "slack_api_url": playground.api_urls["slack"],
            "discord_bot_token": SecretStr(discord.bot_token),
            "discord_api_url": playground.api_urls["discord"],
        }
    )
    print(f"The playground is open at {playground.url}", flush=True)
    print(f"{app.models.default} answers. Ctrl-C closes; what was said stays.", flush=True)
    await serve(build_frontends(app, settings, ("slack", "discord")), app.turns, stop, GRACE)
