"""Takes in the files of a question before the model is asked: fetched from their platform, read, kept."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from core.conversation import Turn
from core.errors import ExpiredFileError, FileError
from core.files.download import Address, Downloader
from core.files.read import Reader
from core.files.values import Attachment, FileLimits, Reading, digest, render_size
from core.store.base import Store, WantedFile

log = logging.getLogger("skein.files")

MOST_AT_ONCE = 16
"""Files that are fetched or read at once: each is in memory meanwhile, whole."""
MOST_OF_ONE_TURN = 2
"""Of these: files that take long to read must not hold up everybody else's."""


class FileSource(Protocol):
    """Where a platform has its files. Only addresses on the platform's own hosts are ever given."""

    def locate(self, attachment: Attachment) -> Address:
        """Say where a file is. Raises FileError; ExpiredFileError where the platform has to be asked."""
        ...

    async def renew(self, wanted: WantedFile) -> Attachment:
        """Ask the platform what it now tells of a file, in bounded time. Raises FileError."""
        ...


class Intake:
    """Takes files in. Without a downloader, where a platform's files cannot be had, it says so."""

    def __init__(
        self,
        store: Store,
        downloader: Downloader | None = None,
        limits: FileLimits | None = None,
        at_once: int = MOST_AT_ONCE,
    ) -> None:
        self._store = store
        self._downloader = downloader
        self._limits = limits or FileLimits()
        self._reader = Reader(self._limits)
        self._at_once = asyncio.Semaphore(at_once)
        self._sources: dict[str, FileSource] = {}

    def attach(self, platform: str, source: FileSource) -> None:
        """Say where a platform has its files."""
        self._sources[platform] = source

    async def take(self, turn: Turn) -> None:
        """Read what came with a turn's question, and with those merged into it. Raises StoreError.

        What cannot be read is noted with the reason, and not tried again.
        """
        wanted = await self._store.load_wanted_files(turn)
        share = asyncio.Semaphore(MOST_OF_ONE_TURN)
        taking = (self._take(each, share) for each in wanted)
        for result in await asyncio.gather(*taking, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _take(self, wanted: WantedFile, share: asyncio.Semaphore) -> None:
        try:
            self._check(wanted)
            async with share, self._at_once:
                sha256, reading = await self._read(wanted)
        except FileError as error:
            log.info("a file of message %s in %s: %s", wanted.message_id, wanted.key, error.reason)
            await self._store.refuse_file(wanted, error.reason)
        else:
            await self._store.save_file(wanted, sha256, reading)

    async def _read(self, wanted: WantedFile) -> tuple[str, Reading]:
        """Fetch a file and read it. Raises FileError whatever goes wrong: the question is answered."""
        try:
            content = await self._fetch(wanted)
            return await asyncio.to_thread(digest, content), await self._reader.read(content)
        except FileError:
            raise
        except Exception as error:
            log.exception("a file of message %s in %s", wanted.message_id, wanted.key)
            raise FileError("something went wrong as I read it") from error

    def _check(self, wanted: WantedFile) -> None:
        """Refuse what is too much before it is fetched. Raises FileError."""
        limits = self._limits
        if not limits.max_files:
            raise FileError("files are not read here")
        if wanted.number >= limits.max_files:
            raise FileError(f"no more than {limits.max_files} files of a message are read")
        if (wanted.attachment.size_bytes or 0) > limits.max_bytes:
            raise FileError(f"it is larger than {render_size(limits.max_bytes)}")

    async def _fetch(self, wanted: WantedFile) -> bytes:
        source = self._sources.get(wanted.key.platform)
        if source is None or self._downloader is None:
            raise FileError("files are not read here")
        try:
            return await self._downloader.fetch(source.locate(wanted.attachment))
        except ExpiredFileError:
            renewed = await source.renew(wanted)
        return await self._downloader.fetch(source.locate(renewed))
