"""Reads a file: text at once, everything else in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from core.beside import beside
from core.errors import FileError
from core.files.identify import Kind, decode, explain_unreadable, find_kind, identify
from core.files.values import File, FileLimits, Reading, render_limits

_MOST_AT_ONCE = 2
_CHUNK_BYTES = 64 * 1024
_MAX_OUTPUT_BYTES = 40_000_000
"""More than the longest text and all pictures take: a file may have taken the process over."""
_ROOT = Path(__file__).parents[2]


class Reader:
    """Reads files within limits. Two at a time: they take a processor each."""

    def __init__(self, limits: FileLimits) -> None:
        self._limits = limits
        self._at_once = asyncio.Semaphore(_MOST_AT_ONCE)

    async def read(self, content: bytes) -> Reading:
        """Give what there is to read in a file. Raises FileError."""
        if not content:
            raise FileError("the file is empty")
        media_type = await asyncio.to_thread(identify, content)
        match find_kind(media_type):
            case "unreadable":
                raise FileError(explain_unreadable(media_type))
            case "text":
                return await asyncio.to_thread(self._read_text, content)
            case kind:
                async with self._at_once:
                    return await self._read_apart_or_as_text(kind, media_type, content)

    def _read_text(self, content: bytes) -> Reading:
        most = self._limits.max_characters
        text = decode(content[: most * 4])  # no encoding takes more bytes for a character
        note = ""
        if len(text) > most or len(content) > most * 4:
            text, note = text[:most], f"only the first {most:,} characters were read"
        return Reading(File("text/plain", text=text), note)

    async def _read_apart_or_as_text(self, kind: Kind, media_type: str, content: bytes) -> Reading:
        try:
            return await self._read_apart(kind, media_type, content)
        except FileError:
            if kind not in ("rtf", "mail", "notebook"):
                raise
            return await asyncio.to_thread(self._read_text, content)

    async def _read_apart(self, kind: Kind, media_type: str, content: bytes) -> Reading:
        output = await _run_worker(kind, content, self._limits)
        head, _, data = output.partition(b"\n")
        try:
            answer: dict[str, Any] = json.loads(head)
        except ValueError:
            raise FileError("it takes too much memory or time to read") from None
        if error := answer.get("error"):
            raise FileError(error)
        size = answer["text_bytes"]
        file = File(answer["media_type"] or media_type, data[size:], data[:size].decode())
        return Reading(file, answer["note"])


async def _run_worker(kind: Kind, content: bytes, limits: FileLimits) -> bytes:
    """Run the process to its end, and give what it said; empty where it was ended. Raises FileError."""
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "core.files.worker", kind, render_limits(limits)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=_environment(),
        )
    except OSError as error:
        raise FileError("it cannot be read at the moment") from error
    try:
        async with asyncio.timeout(limits.timeout.total_seconds()):
            return await _talk(process, content)
    except TimeoutError:
        raise FileError("it takes too long to read") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _talk(process: asyncio.subprocess.Process, content: bytes) -> bytes:
    """Give a process its input, and what it answers. Raises FileError where that is far too much."""
    stdin, stdout = cast("asyncio.StreamWriter", process.stdin), process.stdout
    output = bytearray()

    async def listen() -> None:
        while stdout and (received := await stdout.read(_CHUNK_BYTES)):
            output.extend(received)
            if len(output) > _MAX_OUTPUT_BYTES:
                raise FileError("it takes too much memory to read")

    async def tell() -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # it may end before it has read all
            stdin.write(content)
            await stdin.drain()
        stdin.close()

    async with beside(tell()):
        await listen()
    await process.wait()
    return bytes(output)


def _environment() -> dict[str, str]:
    """Give what Python needs to run, and none of the bot's secrets."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LANG") if name in os.environ}
    return kept | {"PYTHONPATH": str(_ROOT)}
