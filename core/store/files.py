"""The database file: where DATABASE_URL says it is, whether it can be used, and who runs on it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from core.errors import SettingsError, StoreBusyError, StoreError

try:
    import fcntl
except ImportError:  # Windows, where only one runner at a time is the operator's care.
    fcntl = None

_VARIABLE = "DATABASE_URL"
LOOK_SECONDS = 0.5
"""How often it is looked whether an open file lies in its place; each look lets other threads run first."""
_FORMS = "Write sqlite:///skein.db, or sqlite:////var/lib/skein/skein.db for an absolute path."


def parse_sqlite_url(url: str) -> Path:
    """Give the path in `sqlite:///relative.db` or `sqlite:////absolute.db`. Raises SettingsError.

    The error never quotes the address: one of another kind may hold a password.
    """
    if not url.startswith("sqlite:"):
        scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*(?=://)", url)
        kind = f"{scheme[0]} databases" if scheme else "this address"
        raise SettingsError(_VARIABLE, f"{kind} cannot be used", _FORMS)
    path = url.removeprefix("sqlite:///")
    if path == url or not path or path.endswith("/"):
        raise SettingsError(_VARIABLE, "the address names no file", _FORMS)
    if path == ":memory:":
        raise SettingsError(_VARIABLE, "a database in memory would forget everything", _FORMS)
    if "?" in path or "\x00" in path:
        raise SettingsError(_VARIABLE, "the address has options, and none are known", _FORMS)
    return Path(path)


def check_file(path: Path) -> None:
    """Make sure that a database can be opened or made at a path. Raises SettingsError."""
    folder = path.parent
    if not folder.is_dir():
        raise SettingsError(
            _VARIABLE, f"the folder {folder} does not exist", f"Create it: mkdir -p {folder}"
        )
    if path.is_dir():
        raise SettingsError(_VARIABLE, f"{path} is a folder", "Name a file in it.")
    # SQLite keeps two more files beside the database, so the folder itself must be writable.
    for place in (folder, path):
        if place.exists() and not os.access(place, os.R_OK | os.W_OK):
            raise SettingsError(
                _VARIABLE,
                f"{place.resolve()} cannot be written",
                "Change its owner, or choose another place.",
            )
    # What people said is for the bot's user alone; SQLite gives its other files the same mode.
    path.touch(mode=0o600)


class HeldFile:
    """A database's file that was opened, and its write-ahead log.

    A file that is removed stays open for whoever has it, and takes all that is written with it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log = path.with_name(f"{path.name}-wal")
        self._file_id = _identify(path)
        self._log_id = _identify(self._log)
        self._look_at = 0.0

    def check(self) -> None:
        """Raise StoreError where another file, or none, lies in the place of the one that was opened."""
        if time.monotonic() < self._look_at:
            return
        self._look()
        self._look_at = time.monotonic() + LOOK_SECONDS

    def _look(self) -> None:
        log_id = _identify(self._log)
        if self._log_id is None:  # it comes with the first use
            self._log_id = log_id
        if _identify(self._path) == self._file_id and log_id == self._log_id:
            return
        raise StoreError(
            f"{self._path}, or the -wal beside it, was moved, replaced or removed while it was in use. "
            "Stop Skein, put the file in its place, and start it again."
        )


def _identify(path: Path) -> tuple[int, int] | None:
    """Tell which file lies at a path; None for no file."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def lock_runner(url: str) -> Generator[None]:
    """Be the only runner on a database. Raises StoreBusyError while another one is, SettingsError.

    The operating system holds the lock and drops it with the process, however that ends. The lock
    is on a file of its own, `<database>-lock`, which stays: other commands open the database freely.
    """
    path = parse_sqlite_url(url)
    check_file(path)
    # Two names of one file must meet in one lock.
    path = path.resolve()
    with path.with_name(f"{path.name}-lock").open("a+") as file:
        _lock(file, path)
        yield


def _lock(file: IO[str], path: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StoreBusyError(str(path)) from error
