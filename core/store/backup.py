"""An online backup of an SQLite file: a whole copy of one moment, made while others read and write.

sqlite.org/backup.html
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from core.errors import SettingsError, StoreError
from core.store.files import parse_sqlite_url
from core.store.sqlite import BUSY_TIMEOUT, translate_errors

PAGES = 1024
"""How many pages are copied in one go: 4 MiB, during which nobody is held up for long."""


def back_up(url: str, target: Path, on_progress: Callable[[int, int], None]) -> int:
    """Copy the database to a new file and give its size in bytes. It blocks: run it in a thread.

    `on_progress` hears how many pages are done, of how many. The copy is checked, and gets its name
    only when it is whole and on disk. Raises SettingsError where either file cannot be used, and
    StoreError.
    """
    source = parse_sqlite_url(url)
    if not source.is_file():
        raise SettingsError("DATABASE_URL", f"there is no {source}", "Name the bot's database.")
    _check_target(target)
    partial = target.with_name(f"{target.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        partial.touch(mode=0o600)  # what people said is for the operator alone
        _copy(source, partial, on_progress)
        _sync(partial)
        partial.rename(target)
        _sync(target.parent)
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    return target.stat().st_size


def _check_target(target: Path) -> None:
    if target.exists():
        raise SettingsError("FILE", f"{target} is there already", "Name a new file.")
    if not target.parent.is_dir():
        folder = target.parent
        raise SettingsError(
            "FILE", f"the folder {folder} does not exist", f"Create it: mkdir -p {folder}"
        )


def _copy(source: Path, target: Path, on_progress: Callable[[int, int], None]) -> None:
    def tell(_: int, left: int, total: int) -> None:
        on_progress(total - left, total)

    seconds = BUSY_TIMEOUT.total_seconds()
    with (
        translate_errors(source),
        closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", seconds, uri=True)) as read,
        closing(sqlite3.connect(target, seconds)) as write,
    ):
        # One moment of the database: without this, each write of others would begin the copy anew.
        read.execute("BEGIN")
        read.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        read.backup(write, pages=PAGES, progress=tell)
        # A file of its own, without the log that a copy in WAL mode would need beside it.
        write.execute("PRAGMA journal_mode = DELETE")
        (verdict,) = write.execute("PRAGMA quick_check").fetchone()
    if verdict != "ok":
        raise StoreError(f"the copy of {source} is damaged, and so may be {source}: {verdict}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
