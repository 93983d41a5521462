"""The commands, once for every platform. Answers are Markdown."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bots import memory_commands
from bots.memory_commands import DEFAULT, MemoryCommands
from core.conversation import Author, Incoming, ThreadKey
from core.errors import SkeinError, UnknownModelError, render_for_people
from core.limits.quota_words import render_use
from core.store.base import Store
from core.threads import Threads
from core.words import find_words

log = logging.getLogger("skein.commands")

SIGN = "!"
NAMES = ("clear", "model", *memory_commands.NAMES, "usage", "help")
_MAX_OFFERED = 15
"""How many models are named at once: OpenRouter alone has hundreds."""

_HELP = (
    "Ask me anything: in a thread I remember what was said there, and nothing from elsewhere.\n\n"
    "- `{0}clear` lets me forget this conversation\n"
    "- `{0}model` says which model answers here, `{0}model NAME` chooses another, "
    "`{0}model default` the usual one\n"
    + memory_commands.HELP
    + "- `{0}usage` shows what you used, and what is left of your limits\n"
    "- `{0}help` says this again"
)
_MORE_HELP = {
    "slack": "In a channel or a direct message, though not in a thread, `/clear`, `/model` and so on work "
    "too.",
    "discord": "In a message to me, `!clear`, `!model` and so on work too.",
    "console": "Here `clear`, `model` and `help` need no sign before them; `history` lists what was said, "
    "and `quit` ends this.",
}


@dataclass(frozen=True, slots=True)
class Command:
    """A command and what was said behind it."""

    name: str
    argument: str = ""
    about: str = ""
    """The platform's id of the message that it is about; empty for none in particular."""
    author: Author | None = field(default=None, compare=False)
    """Who gave it, where that is known."""
    sign: str = field(default="", compare=False)
    """What begins a command where its answer is read; empty for what the platform's people use."""

    @property
    def is_slow(self) -> bool:
        """Whether a model is asked for it, so that no event waits for its end."""
        return self.name == "compact"

    @property
    def is_look(self) -> bool:
        """Whether it only shows something, to the one who asks."""
        looks = ("model", "prompt")
        return self.name in ("help", "history", "pins", "usage") or (
            self.name in looks and not self.argument
        )


class Commands:
    """Runs commands. Wrong input is answered with a sentence, never with an exception."""

    def __init__(self, threads: Threads, store: Store) -> None:
        self._threads = threads
        self._store = store
        self._memory = MemoryCommands(threads.recall)

    def parse(self, text: str) -> Command | None:
        """Read a typed message as a command: `!clear`, `!model NAME`. A message without text is `help`."""
        words = text.split(maxsplit=1)
        if not words:
            return Command("help")
        name = words[0].removeprefix(SIGN).lower()
        if not words[0].startswith(SIGN) or name not in NAMES:
            return None
        return Command(name, words[1].strip() if len(words) > 1 else "")

    def read(self, incoming: Incoming) -> Command | None:
        """Read a person's message as a command. One that is only a file is a question."""
        is_only_files = incoming.attachments and not incoming.text.strip()
        return None if is_only_files else self.parse(incoming.text)

    async def run(self, command: Command, key: ThreadKey, at: datetime | None = None) -> str:
        """Do a command that was given at a platform's time (None: now), and say what came of it.

        Doing it again with the same time changes nothing.
        """
        words = find_words(key.platform)
        words = replace(words, sign=command.sign or words.sign)
        try:
            match command.name:
                case "clear":
                    return await self._clear(key, at)
                case "model":
                    return await self._model(key, command.argument, words.sign)
                case "usage":
                    return await self._usage(key, command.author)
                case name if name in memory_commands.NAMES:
                    return await self._memory.run(
                        name,
                        command.argument,
                        key,
                        words,
                        about=command.about,
                        author=command.author,
                        at=at,
                    )
                case _:
                    return render_help(key.platform, words.sign)
        except SkeinError as error:
            log.warning("%s in %s failed: %s", command.name, key, error)
            return render_for_people(error, words.sign)

    async def run_once(self, command: Command, incoming: Incoming) -> str | None:
        """Do a command that was typed as a message. None if this message was handled before.

        It is recorded after it is done: a crash in between does it again, which changes nothing.
        """
        if await self._store.is_recorded(incoming):
            return None
        command = replace(command, author=incoming.author)
        answer = await self.run(command, incoming.key, incoming.sent_at)
        return answer if await self._store.record_command(incoming) else None

    def choices(self, name: str, prefix: str) -> list[str]:
        """Complete a command's argument: at most 25 of what begins with, or else contains, a prefix."""
        if name != "model":
            return []
        wanted = prefix.strip().lower()
        found = [name for name in self._threads.list_models() if wanted in name.lower()]
        return sorted(found, key=lambda name: not name.lower().startswith(wanted))[:25]

    async def _clear(self, key: ThreadKey, at: datetime | None) -> str:
        if await self._threads.clear(key, at):
            return "Cleared. I start afresh from here."
        return "There is nothing to clear here: I start afresh anyway."

    async def _model(self, key: ThreadKey, name: str, sign: str) -> str:
        if not name:
            return await self._describe_model(key, sign)
        wanted = None if name.lower() == DEFAULT else name
        try:
            chosen = await self._threads.choose_model(key, wanted)
        except UnknownModelError as error:
            return f"I can't use that model: {error}."
        return f"From here on **{chosen}** answers in this conversation."

    async def _usage(self, key: ThreadKey, author: Author | None) -> str:
        if author is None:
            return "I can't tell who is asking. Please write `!usage` in a message to me."
        return render_use(await self._threads.load_use(key, author), key.platform)

    async def _describe_model(self, key: ThreadKey, sign: str) -> str:
        try:
            now = f"**{await self._threads.get_model(key)}** answers in this conversation."
        except UnknownModelError as error:
            now = f"I can't use this conversation's model any more: {error}."
        return f"{now} {_offer(self._threads.list_models(), sign)}"


def render_help(platform: str, sign: str) -> str:
    """Say what people can do, and how they write it on a platform."""
    more = _MORE_HELP.get(platform)
    return _HELP.format(sign) + (f"\n\n{more}" if more else "")


def _offer(names: Sequence[str], sign: str) -> str:
    """Say which models there are; of many the first, and how to look for the others."""
    shown = ", ".join(f"`{name}`" for name in names[:_MAX_OFFERED])
    offer = f"Choose another with `{sign}model NAME`: {shown}, or `{DEFAULT}` for the usual one."
    if len(names) <= _MAX_OFFERED:
        return offer
    more = len(names) - _MAX_OFFERED
    return (
        f"{offer} There are {more} more: `{sign}model PART` names those whose name has that part."
    )
