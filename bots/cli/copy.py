"""`skein copy`: move everything into another database, when one machine is outgrown or too much."""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, TextIO

from core.app import find_backend
from core.errors import SettingsError
from core.store.copy import copy
from core.store.database import Database


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Add `skein copy`."""
    parser = commands.add_parser(
        "copy", help="copy all conversations into an empty database, SQLite or PostgreSQL"
    )
    parser.add_argument(
        "--from", dest="source", metavar="URL", required=True, help="as DATABASE_URL"
    )
    parser.add_argument("--to", dest="target", metavar="URL", required=True, help="as DATABASE_URL")
    parser.set_defaults(run=run)


async def run(options: argparse.Namespace) -> int:
    """Copy everything, or nothing, and say how many rows there were.

    Raises StoreBusyError while `skein run` uses either, StoreError where the target is not empty.
    """
    if options.source == options.target:
        raise SettingsError("--to", "is the database to copy from", "Name an empty one.")
    async with (
        _open(options.source, "--from") as source,
        _open(options.target, "--to") as target,
    ):
        counts = await copy(source, target, Progress(sys.stderr).show)
    for table, count in counts.items():
        print(f"{table}: {count}")
    return 0


@asynccontextmanager
async def _open(url: str, option: str) -> AsyncGenerator[Database]:
    backend = find_backend(url, option)
    # As long as this holds the lock, no runner can begin.
    async with backend.lock_alone(url), backend.open_store(url) as store:
        yield store.database


class Progress:
    """A line on a terminal that says how far the copy is; nothing anywhere else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream if stream.isatty() else None

    def show(self, table: str, done: int, total: int) -> None:
        """Say that so many rows of a table are copied."""
        if self._stream:
            end = "\n" if done == total else ""
            self._stream.write(f"\r{table}: {done} of {total}{end}")
            self._stream.flush()
