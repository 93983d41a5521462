"""The files of messages in a SQL database."""

from __future__ import annotations

from collections.abc import Sequence

from core.conversation import Turn
from core.files.values import File, Reading
from core.store.database import Transaction
from core.store.rooms.attachments import WantedFile
from core.store.rows import parse_wanted_file, render_text
from core.store.sql.room import Room, in_transaction


class SqlAttachments(Room):
    """Keeps files, each one once."""

    async def load_wanted_files(self, turn: Turn) -> Sequence[WantedFile]:
        """Read which files of a turn's question, and of those merged into it, are not read yet."""
        rows = await self.database.load("load_wanted_files", turn_id=turn.id)
        return [parse_wanted_file(row) for row in rows]

    @in_transaction
    async def save_file(
        self, transaction: Transaction, wanted: WantedFile, sha256: str, reading: Reading
    ) -> None:
        """Commit what was read of a file, and link it to its message."""
        file = reading.file
        await transaction.get(
            "put_file",
            sha256=sha256,
            media_type=file.media_type,
            content=file.content,
            text=render_text(file.text),
            now=self._now(),
        )
        await self._link(transaction, wanted, sha256, reading.note)

    @in_transaction
    async def refuse_file(self, transaction: Transaction, wanted: WantedFile, reason: str) -> None:
        """Commit why a file was not read."""
        await self._link(transaction, wanted, None, reason)

    async def find_file(self, sha256: str) -> File | None:
        """Read a file."""
        row = await self.database.find("find_file", sha256=sha256)
        if row is None:
            return None
        return File(row["media_type"], bytes(row["content"]), row["text"])

    async def _link(
        self, transaction: Transaction, wanted: WantedFile, sha256: str | None, note: str
    ) -> None:
        await transaction.find(
            "link_file",
            turn_id=wanted.turn_id,
            number=wanted.number,
            sha256=sha256,
            note=render_text(note),
        )
