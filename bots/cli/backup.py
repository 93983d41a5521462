"""`skein backup`: copy the SQLite database into a file, while the bot runs."""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bots.cli.copy import Progress
from core.errors import SettingsError
from core.settings import load_settings
from core.store.backup import back_up


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Add `skein backup`."""
    parser = commands.add_parser(
        "backup", help="copy the SQLite database into a new file, while the bot runs"
    )
    parser.add_argument(
        "file", nargs="?", type=Path, help="the new file, skein-DATE-TIME.db if none is named"
    )
    parser.set_defaults(run=run)


async def run(options: argparse.Namespace) -> int:
    """Make the copy and say where it is. Raises SettingsError and StoreError."""
    url = load_settings().database_url
    if not url.startswith("sqlite:"):
        mend = "Back it up as PostgreSQL databases are, for instance with pg_dump."
        raise SettingsError("DATABASE_URL", "is no SQLite file", mend)
    target = options.file or Path(f"skein-{datetime.now(UTC):%Y%m%d-%H%M%S}.db")
    progress = Progress(sys.stderr)
    size_bytes = await asyncio.to_thread(
        back_up, url, target, lambda done, total: progress.show("pages", done, total)
    )
    print(f"{target}: {size_bytes / 1e6:.1f} MB")
    return 0
