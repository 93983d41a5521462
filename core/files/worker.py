"""The process that reads one file: bounded in memory and time, and without the bot's secrets.

It gets the content on its standard input and answers with a line of JSON and the bytes that it made.
"""

from __future__ import annotations

import json
import math
import sys
import time
from codecs import lookup
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from typing import cast

from core.errors import FileError
from core.files.identify import Kind
from core.files.values import File, FileLimits, Reading, parse_limits

_DRAWING_SHARE = 0.5  # of the time: what was drawn by then is better than nothing
_FORMS = tuple(
    f"PIL.{form}ImagePlugin"
    for form in ("Avif", "Bmp", "Gif", "Jpeg", "Mpo", "Png", "Ppm", "Tiff", "WebP")
)
_ENCODINGS = (
    *("utf-16", "utf-16-le", "utf-16-be", "utf-32", "ascii", "latin-1", "cp437", "koi8-r"),
    *(f"cp{number}" for number in range(1250, 1259)),
    *(f"iso8859-{number}" for number in (2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16)),
    *("shift_jis", "euc-jp", "iso2022-jp", "gb18030", "gb2312", "gbk", "big5", "euc-kr", "cp932"),
)
MAX_MEMORY_BYTES = 1024 * 1024 * 1024
_LIBRARIES: Mapping[Kind, Sequence[str]] = {
    "image": ("core.files.image", *_FORMS),
    "pdf": ("core.files.extract", "pypdfium2", "PIL.ImageSequence", *_FORMS),
    "docx": ("core.files.extract", "docx"),
    "pptx": ("core.files.extract", "pptx"),
    "sheet": ("core.files.extract", "python_calamine"),
}
"""What is loaded before the process may open no file any more."""


def limit_process(cpu_seconds: int) -> None:
    """Let the operating system end this process where it takes too much."""
    _set_limit("RLIMIT_AS", MAX_MEMORY_BYTES)
    _set_limit("RLIMIT_CPU", cpu_seconds)
    _set_limit("RLIMIT_CORE", 0)
    _set_limit("RLIMIT_FSIZE", 0)


def close_doors(kind: Kind) -> None:
    """Load what reads a kind of file, and open no file and no connection from now on."""
    for name in _LIBRARIES.get(kind, ("core.files.extract",)):
        import_module(name)
    for encoding in _ENCODINGS:
        lookup(encoding)
    _set_limit("RLIMIT_NOFILE", 0)


def _set_limit(name: str, limit: int) -> None:
    """Lower a limit as far as the system knows it: Windows has none, and macOS none on memory."""
    try:
        import resource
    except ImportError:
        return
    kind = getattr(resource, name)
    _, hard = resource.getrlimit(kind)
    if hard == resource.RLIM_INFINITY or limit < hard:
        with suppress(ValueError, OSError):
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
        close_doors(cast("Kind", kind))
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
