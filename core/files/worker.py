"""The process that reads one file: bounded in memory and time, and without the bot's secrets.

It gets the content on its standard input and answers with a line of JSON and the bytes that it made.
"""

from __future__ import annotations

import json
import sys
from typing import cast

from core.errors import FileError
from core.files.extract import extract
from core.files.identify import Kind

MAX_MEMORY_BYTES = 1024 * 1024 * 1024


def limit_process(cpu_seconds: int) -> None:
    """Let the operating system end this process where it takes too much. Nothing on Windows."""
    try:
        import resource
    except ImportError:
        return
    for kind, limit in (
        (resource.RLIMIT_AS, MAX_MEMORY_BYTES),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        if hard == resource.RLIM_INFINITY or limit < hard:
            resource.setrlimit(kind, (limit, limit))


def read(kind: Kind, content: bytes, max_pages: int, max_characters: int) -> tuple[str, str, bytes]:
    """Read a file: its new media type where it has one, a note, and its bytes. Raises FileError."""
    if kind == "image":
        from core.files.image import fit_image

        media_type, fitted, note = fit_image(content)
        return media_type, note, fitted
    text, note = extract(kind, content, max_pages, max_characters)
    return "", note, text.encode("utf-8", "replace")


def main() -> int:
    """Read what comes in as the arguments say: kind, pages, characters, seconds."""
    kind, pages, characters, seconds = sys.argv[1:]
    limit_process(int(seconds))
    answer: dict[str, str] = {}
    data = b""
    try:
        content = sys.stdin.buffer.read()
        answer["media_type"], answer["note"], data = read(
            cast("Kind", kind), content, int(pages), int(characters)
        )
    except FileError as error:
        answer = {"error": str(error)}
    except MemoryError:
        answer = {"error": "it takes too much memory to read"}
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + data)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
