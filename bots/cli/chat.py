"""`skein chat`: a conversation in the terminal, over the same core and store."""

from __future__ import annotations

import argparse
import io
import sys
from datetime import datetime
from typing import Any

from bots.commands import Commands
from bots.console.frontend import ConsoleFrontend
from bots.console.screen import Screen
from core.app import open_app
from core.conversation import ThreadKey
from core.logs import configure_logs
from core.settings import load_settings


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Add `skein chat`."""
    parser = commands.add_parser("chat", help="talk to the model here, in the terminal")
    parser.add_argument("--thread", metavar="NAME", help="the conversation to begin or go on with")
    parser.add_argument("--model", metavar="NAME", help="the model for this conversation")
    parser.set_defaults(run=chat)


async def chat(options: argparse.Namespace) -> int:
    """Talk until `quit`, the end of the input, or Ctrl-C. 1 where the last answer failed."""
    settings = load_settings(**({"model": options.model} if options.model else {}))
    level = settings.log_level if settings.log_level == "debug" else "error"
    configure_logs(level, settings.log_format, settings.secrets())
    name = options.thread or f"{datetime.now().astimezone():%Y-%m-%d-%H%M%S}"
    key = ThreadKey("console", "local", "local", name)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an answer may hold what the terminal cannot show
    screen = Screen(sys.stdin, sys.stdout, sys.stderr)
    async with open_app(settings) as app:
        if app.models.is_demo and not settings.model:
            screen.note("No model is configured: the demo model answers. See .env.example.")
        frontend = ConsoleFrontend(
            app.store, app.turns, app.threads, Commands(app.threads, app.store), screen, key
        )
        return await frontend.talk()
