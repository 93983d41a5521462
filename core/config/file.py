"""`skein.toml`: read at start, and again whenever it changes; the last good one holds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from core.config.tables import Tables, parse_tables
from core.errors import SettingsError

log = logging.getLogger("skein.config")

LOOK_INTERVAL = timedelta(seconds=2)
MAX_BYTES = 1024 * 1024

Apply = Callable[[Tables], Awaitable[None]]


class ConfigFile:
    """The file at a path; None for an installation without one, which has empty tables.

    Whoever wants to know of changes is called with the new tables, and may refuse them by SettingsError.
    """

    def __init__(self, path: Path | None, *, is_required: bool = True) -> None:
        self.tables = Tables()
        self._path = path
        self._is_required = is_required
        self._seen: tuple[int, int, int] | None = None
        self._listeners: list[Apply] = []

    async def load(self) -> Tables:
        """Read the file. Raises SettingsError where it is missing or wrong."""
        if self._path is not None:
            self._seen = await asyncio.to_thread(self._look)
            self.tables = await asyncio.to_thread(self._read)
        return self.tables

    def subscribe(self, apply: Apply) -> None:
        """Call this with the tables whenever they change."""
        self._listeners.append(apply)

    async def watch(self, interval: timedelta = LOOK_INTERVAL) -> None:
        """Look for changes until cancelled. What is wrong in a changed file is logged once."""
        if self._path is None:
            await asyncio.Event().wait()
        while True:
            await asyncio.sleep(interval.total_seconds())
            await self.refresh()

    async def refresh(self) -> bool:
        """Take in the file if it has changed, and say whether it holds now."""
        seen = await asyncio.to_thread(self._look)
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            tables = await asyncio.to_thread(self._read)
            for apply in self._listeners:
                await apply(tables)
        except SettingsError as error:
            log.error("%s The settings from before stay.", error)  # noqa: TRY400 -- it says all
            return False
        self.tables = tables
        log.info("%s: read again", self._path)
        return True

    def _look(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat() if self._path else None
        except OSError:
            return None
        return (stat.st_mtime_ns, stat.st_size, stat.st_ino) if stat else None

    def _read(self) -> Tables:
        if self._path is None:
            return Tables()
        try:
            with self._path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
            if len(content) > MAX_BYTES:
                raise SettingsError(
                    str(self._path), f"is larger than {MAX_BYTES // 1024} KB", "Make it shorter."
                )
            text = content.decode("utf-8-sig")
        except FileNotFoundError:
            if not self._is_required:
                return Tables()
            mend = "Name a file that is, or leave it empty."
            raise SettingsError("SKEIN_CONFIG", f"{self._path} is not there", mend) from None
        except (OSError, UnicodeDecodeError) as error:
            mend = "Name a file of UTF-8 text that the bot's user can read."
            raise SettingsError(str(self._path), f"cannot be read: {_word(error)}", mend) from error
        return parse_tables(text, str(self._path))


def _word(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror if isinstance(error, OSError) else "it is not UTF-8") or str(error)
