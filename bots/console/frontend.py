"""The loop of `skein chat`: read, ask, print, and the words that are commands."""

from __future__ import annotations

import asyncio
import getpass
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bots.commands import SIGN, Command, Commands
from bots.console.screen import Screen
from bots.console.sink import ConsoleSink
from core.conversation import Author, Incoming, ThreadKey, Turn, TurnState
from core.errors import SkeinError, render_for_people
from core.sink import Hold
from core.store.base import Store
from core.threads import Threads
from core.turns import Turns
from core.words import find_words

GOODBYES = frozenset({"quit", "exit", "bye"})
PLAIN_COMMANDS = frozenset({"clear", "model", "help"})
"""Those that need no sign before them: questions may begin with the other words."""
_SIGNS = ("!", "/")
_PREVIEW = 80
_LONGEST_TURN = timedelta(hours=1)  # the model's own timeouts end it long before


class ConsoleFrontend:
    """One person, one thread, one terminal."""

    name = "console"

    def __init__(
        self,
        store: Store,
        turns: Turns,
        threads: Threads,
        commands: Commands,
        screen: Screen,
        key: ThreadKey,
    ) -> None:
        self._store = store
        self._turns = turns
        self._threads = threads
        self._commands = commands
        self._screen = screen
        self._key = key
        self._author = Author("local", _user_name())
        self._opened: list[ConsoleSink] = []
        self._ended = asyncio.Event()

    def open_sink(self, turn: Turn, hold: Hold) -> ConsoleSink:
        """Build the sink for a turn."""
        self._opened.append(ConsoleSink(self._screen, turn, hold.record, self._ended.set))
        return self._opened[-1]

    async def talk(self) -> int:
        """Talk until the person leaves. 1 where the last answer failed, or nobody read it, else 0."""
        self._turns.attach(self.name, self.open_sink)
        await self._end_interrupted_turns()
        await self._greet()
        status = 0
        try:
            while (line := await self._screen.read("You: ")) is not None:
                text = line.strip()
                if text.lower() in GOODBYES:
                    break
                if text:
                    status = 0 if await self._handle(text) else 1
        except asyncio.CancelledError:
            if not self._screen.is_interactive:
                raise
            self._screen.line()
        if self._screen.is_interactive:
            self._screen.line("Goodbye!")
        return status if self._screen.is_watched else 1

    async def _greet(self) -> None:
        if not self._screen.is_interactive:
            return
        info = await self._threads.find(self._key)
        count = info.message_count if info else 0
        known = f", {count} message{'s' if count != 1 else ''} so far" if info else ""
        self._screen.note(
            f"Thread {self._key.thread!r}{known}; go on with it later by --thread "
            f"{self._key.thread}.\nCommands: history, clear, model [NAME], help, quit; "
            "/compact, /pin [TEXT], /prompt [TEXT], /usage."
        )

    async def _end_interrupted_turns(self) -> None:
        """A turn that a killed chat left running would hold up this thread for ever."""
        for turn in await self._store.load_unfinished():
            if turn.key != self._key:
                continue
            is_waiting = turn.state is TurnState.QUEUED
            ours = turn if is_waiting else await self._store.take_over(turn.conversation_id)
            if ours is not None:
                await self._store.fail(ours, "interrupted")

    async def _handle(self, text: str) -> bool:
        """Do what a line asks. False where it failed."""
        try:
            if text.lower() == "history":
                await self._print_history()
            elif command := self._read_command(text):
                command = replace(command, author=self._author)
                self._screen.line(await self._commands.run(command, self._key))
            else:
                return await self._ask(text)
        except SkeinError as error:
            self._screen.error(render_for_people(error, find_words(self.name).sign))
            return False
        return True

    def _read_command(self, text: str) -> Command | None:
        if text.startswith(_SIGNS):
            return self._commands.parse(SIGN + text[1:])
        word, _, argument = text.partition(" ")
        if word.lower() not in PLAIN_COMMANDS or (argument and word.lower() != "model"):
            return None
        return Command(word.lower(), argument.strip())

    async def _ask(self, text: str) -> bool:
        self._opened.clear()
        self._ended.clear()
        now = datetime.now(UTC)
        await self._turns.submit(Incoming(self._key, uuid.uuid4().hex, self._author, text, now))
        await self._wait_for_end()
        if not self._opened:
            await self._take_back()
        return bool(self._opened) and self._opened[-1].was_answered

    async def _wait_for_end(self) -> None:
        """Wait until the reply ended, or until there is nothing to do though no reply ever began."""
        waits = [
            asyncio.create_task(self._ended.wait()),
            asyncio.create_task(self._turns.wait_idle(_LONGEST_TURN)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.wait(waits)

    async def _take_back(self) -> None:
        """End a question that never began, because another `skein chat` answers in this thread."""
        for turn in await self._store.load_unfinished():
            if turn.key == self._key and turn.state is TurnState.QUEUED:
                await self._store.cancel(turn, "busy elsewhere")
        self._screen.error("This thread is busy in another terminal. Please ask again.")

    async def _print_history(self) -> None:
        stored = await self._threads.history(self._key)
        if not stored:
            self._screen.line("There is no history yet.")
        for number, entry in enumerate(stored, 1):
            text = " ".join(entry.message.text.split())
            preview = f"{text[:_PREVIEW]}…" if len(text) > _PREVIEW else text
            mark = "" if entry.is_sent else " (not sent any more)"
            self._screen.line(f"  {number}. {entry.message.role}{mark}: {preview}")


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "you"
