"""`skein migrate`: bring the database up to date by hand, or say what is missing."""

from __future__ import annotations

import argparse
from typing import Any

from core.app import find_backend
from core.settings import load_settings
from core.store.migrate import find_pending, get_program_version, load_migrations, migrate


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:  # pyright: ignore[reportPrivateUsage]
    """Add `skein migrate`."""
    parser = commands.add_parser(
        "migrate", help="bring the database up to date, as every start does by itself"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="change nothing; exit with 1 where something is missing",
    )
    parser.set_defaults(run=run)


async def run(options: argparse.Namespace) -> int:
    """Apply what is missing and say what that was. With `--check` only say it, and give 1."""
    url = load_settings().database_url
    async with find_backend(url).open_migrator(url) as migrator:
        work = find_pending if options.check else migrate
        migrations = load_migrations(migrator.backend)
        found = await work(migrator, get_program_version(), migrations)
    for migration in found:
        print(f"{'missing' if options.check else 'applied'}: {migration}")
    if not found:
        print(f"{migrator.name} is up to date")
    return 1 if options.check and found else 0
