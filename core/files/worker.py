"""The process that reads one file: bounded in memory and time, and without the bot's secrets.

It gets the content on its standard input and answers with a line of JSON and the bytes that it made.
"""

from __future__ import annotations

import json
import math
import sys
import time
from contextlib import suppress
from typing import cast

from core.errors import FileError
from core.files.identify import Kind
from core.files.values import File, FileLimits, Reading, parse_limits

_DRAWING_SHARE = 0.5  # of the time: what was drawn by then is better than nothing
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
            with suppress(ValueError, OSError):  # macOS has no limit on memory
                resource.setrlimit(kind, (limit, limit))


def read(kind: Kind, content: bytes, limits: FileLimits, deadline: float) -> Reading:
    """Read a file; a document's media type stays empty. Raises FileError."""
    if kind == "image":
        from core.files.image import fit_image

        media_type, fitted, note = fit_image(content)
        return Reading(File(media_type, fitted), note)
    from core.files.extract import extract

    return extract(kind, content, limits, deadline)


def answer(reading: Reading) -> bytes:
    """Word what was read: a line of JSON, the text, and the bytes."""
    file = reading.file
    text = file.text.encode("utf-8", "replace")
    head = {"media_type": file.media_type, "note": reading.note, "text_bytes": len(text)}
    return json.dumps(head).encode() + b"\n" + text + file.content


def main() -> int:
    """Read what comes in as the arguments say: its kind, and what there may be of it as JSON."""
    kind, told = sys.argv[1:]
    limits = parse_limits(told)
    seconds = limits.timeout.total_seconds()
    limit_process(math.ceil(seconds))
    deadline = time.monotonic() + seconds * _DRAWING_SHARE
    try:
        content = sys.stdin.buffer.read()
        output = answer(read(cast("Kind", kind), content, limits, deadline))
    except FileError as error:
        output = json.dumps({"error": error.reason}).encode()
    except MemoryError:
        output = json.dumps({"error": "it takes too much memory to read"}).encode()
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
