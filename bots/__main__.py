"""The command line. It reads the environment once, here, and hands the settings on."""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import logging
import signal
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from core.errors import SettingsError, SkeinError, TokenRefusedError, UnknownModelError

log = logging.getLogger("skein")

EXIT_FAILURE = 1
EXIT_MISCONFIGURED = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
_SERVICES = ("run", "demo")
"""Commands that end well when they are told to."""


def build_parser() -> argparse.ArgumentParser:
    """Describe the commands; each file in bots/cli adds its own."""
    # Half a second of imports, in which a signal is heeded already.
    from bots.cli import backup, chat, copy, demo, migrate, run, usage

    parser = argparse.ArgumentParser(
        prog="skein",
        description="A Slack and Discord bot with threaded memory. Settings: see .env.example.",
    )
    version = importlib.metadata.version("skein-bot")
    parser.add_argument("--version", action="version", version=f"skein {version}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in (run, chat, demo, usage, backup, migrate, copy):
        module.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and give its exit status: 2 where the installation has to be mended first."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    with _heed_sigterm(0 if given[:1] and given[0] in _SERVICES else EXIT_TERMINATED):
        return _run(given)


@contextmanager
def _heed_sigterm(status: int) -> Generator[None]:
    """End with a status on SIGTERM, until a command heeds it by itself.

    Left to itself, the system ends the process as if it had crashed, and not at all where it is a container's
    first one.
    """

    def end(*_: object) -> NoReturn:
        sys.exit(status)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(arguments: Sequence[str]) -> int:
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
