"""The values of files: what a platform tells of one, what is kept of it, and how much is read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from hashlib import sha256
from struct import Struct

_HEAD = Struct(">II")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message, as its platform tells of it: type and size are claims.

    `id` is the platform's own for it, `url` empty where the platform has to be asked. `note` says why
    it was not read, or which part of it was; `sha256` names the stored file once it was.
    """

    id: str
    name: str
    url: str = ""
    media_type: str = ""
    size_bytes: int | None = None
    note: str = ""
    sha256: str | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether nobody has tried to read it yet."""
        return self.sha256 is None and not self.note


@dataclass(frozen=True, slots=True)
class Picture:
    """What models can look at: an image, or one page of a document, counted from 1."""

    page: int
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is kept: an image's bytes, or a document's text and the pictures of its pages."""

    media_type: str
    content: bytes = b""
    text: str = ""

    @property
    def is_image(self) -> bool:
        """Whether it is one for models that see."""
        return self.media_type.startswith("image/")

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """What there is to look at."""
        if self.is_image:
            return (Picture(1, self.media_type, self.content),)
        return tuple(_unpack_pictures(self.content))


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of a file. `note` says what was left out; empty where it is whole."""

    file: File
    note: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """An image as it goes to a model."""

    name: str
    media_type: str
    content: bytes
    tokens: int = 0
    """How many the model that it goes to may count for it."""


@dataclass(frozen=True, slots=True)
class FileLimits:
    """How much is taken in with one message, and of one file."""

    max_files: int = 10
    max_bytes: int = 20_000_000
    max_characters: int = 100_000
    max_pages: int = 100
    max_scanned_pages: int = 20
    """Pages that are pictures, which models look at; no more go along with a question either."""
    timeout: timedelta = timedelta(seconds=30)


def render_limits(limits: FileLimits) -> str:
    """Write limits for another process."""
    return json.dumps(asdict(limits) | {"timeout": limits.timeout.total_seconds()})


def parse_limits(text: str) -> FileLimits:
    """Read what `render_limits` wrote."""
    told = json.loads(text)
    return FileLimits(**told | {"timeout": timedelta(seconds=told["timeout"])})


def digest(content: bytes) -> str:
    """Give the hash by which a file is stored once."""
    return sha256(content).hexdigest()


def pack_pictures(pictures: Iterable[Picture]) -> bytes:
    """Write the pictures of a document's pages, each a JPEG, in one piece to keep."""
    return b"".join(
        _HEAD.pack(picture.page, len(picture.content)) + picture.content for picture in pictures
    )


def _unpack_pictures(content: bytes) -> Iterator[Picture]:
    place = 0
    while place < len(content):
        page, size_bytes = _HEAD.unpack_from(content, place)
        start = place + _HEAD.size
        place = start + size_bytes
        yield Picture(page, "image/jpeg", content[start:place])


def render_size(size_bytes: int) -> str:
    """Word a size for people."""
    if size_bytes < 1_000_000:
        return f"{max(1, round(size_bytes / 1000)):,} kB"
    return f"{size_bytes / 1_000_000:,.1f} MB".replace(".0 MB", " MB")
