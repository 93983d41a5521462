"""Files on the page: read from what it sends, and given back so that none of them runs there."""

from __future__ import annotations

from base64 import b64decode
from urllib.parse import quote

from aiohttp import web

from bots.playground.base import SentFile

MAX_FILES = 10
MAX_BYTES = 20_000_000
_PICTURES = frozenset(("image/png", "image/jpeg", "image/gif", "image/webp"))


def read_files(value: object) -> tuple[SentFile, ...]:
    """Read the files of a message: objects with `name`, `type`, and `content` in base64.

    Raises ValueError, worded for the page.
    """
    if not isinstance(value, list):
        raise ValueError("'files' has to be a list")  # noqa: TRY004 -- bad input, not a bug
    if len(value) > MAX_FILES:
        raise ValueError(f"a message takes {MAX_FILES} files")
    try:
        files = tuple(
            SentFile(
                str(each["name"]).replace("/", "_") or "file",
                str(each["type"]) or "application/octet-stream",
                b64decode(each["content"], validate=True),
            )
            for each in value
        )
    except (TypeError, LookupError, ValueError) as error:
        raise ValueError("a file lacks its name, its type or its content") from error
    if sum(len(file.content) for file in files) > MAX_BYTES:
        raise ValueError(f"a message takes {MAX_BYTES // 1_000_000} MB of files")
    return files


def file_response(file: SentFile) -> web.Response:
    """Give a file to the browser. Only a picture is shown: a page could act in the person's name."""
    is_picture = file.media_type in _PICTURES
    how = "inline" if is_picture else "attachment"
    return web.Response(
        body=file.content,
        content_type=file.media_type if is_picture else "application/octet-stream",
        headers={
            "Cache-Control": "private, max-age=3600",
            "Content-Disposition": f"{how}; filename*=UTF-8''{quote(file.name)}",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
        },
    )
