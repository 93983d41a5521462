"""The files of messages: what a platform told of them, and what was read of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.conversation import ThreadKey, Turn
from core.files.values import Attachment, File, Reading


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A file of a question that nobody has read yet, and the message that it came with."""

    turn_id: int
    number: int
    key: ThreadKey
    message_id: str
    attachment: Attachment


class Attachments(Protocol):
    """Keeps files, each one once. `record` commits what a platform told of them with their message."""

    async def load_wanted_files(self, turn: Turn) -> Sequence[WantedFile]:
        """Read which files of a turn's question, and of those merged into it, are not read yet."""
        ...

    async def save_file(self, wanted: WantedFile, sha256: str, reading: Reading) -> None:
        """Commit what was read of a file, by the hash of its content. Once more changes nothing."""
        ...

    async def refuse_file(self, wanted: WantedFile, reason: str) -> None:
        """Commit why a file was not read."""
        ...

    async def find_file(self, sha256: str) -> File | None:
        """Read a file."""
        ...
