"""The command line. It reads the environment once, here, and hands the settings on."""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import logging
import sys
from collections.abc import Sequence

from bots.cli import backup, chat, copy, demo, migrate, run, usage
from core.errors import SettingsError, SkeinError, TokenRefusedError, UnknownModelError

log = logging.getLogger("skein")

EXIT_FAILURE = 1
EXIT_MISCONFIGURED = 2
EXIT_INTERRUPTED = 130

COMMANDS = (run, chat, demo, usage, backup, migrate, copy)


def build_parser() -> argparse.ArgumentParser:
    """Describe the commands; each file in bots/cli adds its own."""
    parser = argparse.ArgumentParser(
        prog="skein",
        description="A Slack and Discord bot with threaded memory. Settings: see .env.example.",
    )
    version = importlib.metadata.version("skein-bot")
    parser.add_argument("--version", action="version", version=f"skein {version}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and give its exit status: 2 where the installation has to be mended first."""
    options = build_parser().parse_args(arguments)
    try:
        return asyncio.run(options.run(options))
    except (SettingsError, TokenRefusedError, UnknownModelError) as error:
        print(f"skein: {error}", file=sys.stderr)
        return EXIT_MISCONFIGURED
    except SkeinError as error:
        print(f"skein: {error}", file=sys.stderr)
        return EXIT_FAILURE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception:
        # The log keeps secrets out of a traceback, the interpreter would not.
        log.exception("stopped by an error that nobody expected")
        return EXIT_FAILURE


if __name__ == "__main__":
    sys.exit(main())
