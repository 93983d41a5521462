"""The terminal, or a pipe: what is read, what is printed, and what is only for people."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress
from itertools import cycle
from typing import TextIO

_SPIN = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_SPIN_SECONDS = 0.08
_CLEAR_LINE = "\r\x1b[2K"
_THINKING = "Thinking…"


class Screen:
    """Reads lines and prints answers. In a pipe there are no prompts, no colours, no spinner."""

    def __init__(self, source: TextIO, out: TextIO, err: TextIO) -> None:
        self._source = source
        self._out = out
        self._err = err
        self.is_interactive = source.isatty() and out.isatty()
        self.is_watched = True
        """Whether anybody reads what is printed: `skein chat | head` stops doing so."""
        self._spinner: asyncio.Task[None] | None = None
        self._label = _THINKING

    async def read(self, prompt: str) -> str | None:
        """Read a line without its end; None at the end of the input, or where nobody reads answers.

        The thread that waits is a daemon: Ctrl-C must not have to wait for a line.
        """
        if not self.is_watched:
            return None
        loop = asyncio.get_running_loop()
        line: asyncio.Future[str | None] = loop.create_future()

        def give(text: str | None) -> None:
            if not line.done():
                line.set_result(text)

        def wait() -> None:
            text = self._read_line(prompt)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(give, text)

        threading.Thread(target=wait, daemon=True).start()
        return await line

    def _read_line(self, prompt: str) -> str | None:
        try:
            if self.is_interactive:
                return input(self.paint(prompt, "1;36"))
            text = self._source.readline()
        except (EOFError, OSError, UnicodeDecodeError):
            return None
        return text.rstrip("\r\n") if text else None

    def paint(self, text: str, colour: str) -> str:
        """Colour a text, where people look at it."""
        return f"\x1b[{colour}m{text}\x1b[0m" if self.is_interactive else text

    def write(self, text: str) -> None:
        """Print a piece of an answer at once."""
        self.stop_spinner()
        self._print(text, self._out)

    def line(self, text: str = "") -> None:
        """Print a line."""
        self.write(f"{text}\n")

    def note(self, text: str) -> None:
        """Tell the person something that is no answer; in a pipe it goes to standard error."""
        self.stop_spinner()
        if self.is_interactive:
            self.line(self.paint(text, "2"))
        else:
            self._print(f"{text}\n", self._err)

    def error(self, text: str) -> None:
        """Tell of a failure, on standard error."""
        self.stop_spinner()
        self._print(self.paint(f"Error: {text}", "31") + "\n", self._err)

    def start_spinner(self) -> None:
        """Show that an answer is on its way, until something is printed."""
        if self.is_interactive and self._spinner is None:
            self._spinner = asyncio.create_task(self._spin())

    def stop_spinner(self) -> None:
        """Take the spinner away."""
        if self._spinner is not None:
            self._spinner.cancel()
            self._spinner = None
            self._label = _THINKING
            self._print(_CLEAR_LINE, self._out)

    def label_spinner(self, text: str) -> None:
        """Say beside the spinner what is waited for."""
        self._label = text

    async def _spin(self) -> None:
        for sign in cycle(_SPIN):
            self._print(f"{_CLEAR_LINE}{self.paint(f'{sign} {self._label}', '2')}", self._out)
            await asyncio.sleep(_SPIN_SECONDS)

    def _print(self, text: str, file: TextIO) -> None:
        try:
            print(text, end="", file=file, flush=True)
        except BrokenPipeError:
            self.is_watched = False
            # What is left in the buffer has to go somewhere when the interpreter ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())
