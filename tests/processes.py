"""Programs under test, as processes of their own: their output as it comes, and a sure end."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from core.settings import Settings

SKEIN = (sys.executable, "-m", "bots")
_SETTINGS = frozenset(name.upper() for name in Settings.model_fields)


def clean_environment(**variables: str) -> dict[str, str]:
    """Give this process's environment without any setting of Skein's, and with these."""
    kept = {name: value for name, value in os.environ.items() if name.upper() not in _SETTINGS}
    return {**kept, "PYTHONUNBUFFERED": "1", **variables}


class Program:
    """A process that runs. `output` is all it has printed so far, to either stream."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.output = ""
        self._changed = asyncio.Event()

    async def read(self) -> None:
        """Gather what it prints, until it ends."""
        assert self.process.stdout
        while data := await self.process.stdout.read(4096):
            self.output += data.decode("utf-8", "replace")
            self._changed.set()
        self._changed.set()

    async def wait_for_line(self, pattern: str, timeout: float = 20, *, after: int = 0) -> str:
        """Wait for a line that matches, from a place in the output on. Fails with all output."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    for line in self.output[after:].splitlines():
                        if re.search(pattern, line):
                            return line
                    if self.process.returncode is not None:
                        raise AssertionError(f"ended without {pattern!r}:\n{self.output}")
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"no {pattern!r} in time:\n{self.output}") from None

    async def wait(self, timeout: float = 20) -> int:
        """Wait for its end; gives the exit status."""
        async with asyncio.timeout(timeout):
            return await self.process.wait()

    def type(self, text: str) -> None:
        """Write to its standard input, which was kept open."""
        assert self.process.stdin
        self.process.stdin.write(text.encode())

    def terminate(self) -> None:
        """Ask it to stop, by SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it where it stands, by SIGKILL."""
        self.process.kill()


@asynccontextmanager
async def run_program(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    keep_open: bool = False,
) -> AsyncGenerator[Program]:
    """Run a program in a folder until the context ends, which kills it if it still runs.

    `stdin` is written at once, and is all of its input unless it is kept open.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env=dict(environment) if environment is not None else clean_environment(),
        stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    program = Program(process)
    reading = asyncio.create_task(program.read())
    if stdin is not None and process.stdin:
        process.stdin.write(stdin)
        if not keep_open:
            process.stdin.close()
    try:
        yield program
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading
