"""Shows a reply in the terminal as it grows."""

from __future__ import annotations

from collections.abc import Callable

from bots.console.screen import Screen
from core.conversation import ReplyMessage, Turn
from core.sink import RecordReply


class ConsoleSink:
    """A ReplySink that prints. `was_answered` tells whether the whole answer was."""

    def __init__(
        self, screen: Screen, turn: Turn, record: RecordReply, on_end: Callable[[], None]
    ) -> None:
        self._screen = screen
        self._turn = turn
        self._record = record
        self._on_end = on_end
        self._printed = ""
        self.was_answered = False

    async def start(self) -> None:
        """Show that an answer is on its way."""
        self._screen.start_spinner()

    def update(self, text: str) -> None:
        """Print what is new."""
        if not self._printed and self._screen.is_interactive:
            self._screen.write(self._screen.paint("Skein: ", "1;35"))
        self._screen.write(text[len(self._printed) :])
        self._printed = text

    def hold(self, notice: str) -> None:
        """Show the notice beside the spinner."""
        self._screen.label_spinner(notice)

    async def finish(self, text: str) -> None:
        """Print the rest."""
        self.update(text)
        self._screen.line()
        await self._record(ReplyMessage(0, f"reply-{self._turn.id}"))
        self.was_answered = True

    async def fail(self, notice: str, text: str = "") -> None:
        """Tell of the failure, below what was printed."""
        if self._printed:
            self._screen.line()
        self._screen.error(notice)
        await self._record(ReplyMessage.notice(f"reply-{self._turn.id}"))

    async def aclose(self) -> None:
        """Take the spinner away, and say that the reply ended."""
        self._screen.stop_spinner()
        self._on_end()
