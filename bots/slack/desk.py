"""Slash commands, message shortcuts and menus: finds the conversation meant, and does what was asked.

Slack tells no thread with a slash command and refuses it inside of one, so in a channel people
choose which of their conversations there they mean.
"""

from __future__ import annotations

from dataclasses import replace

from bots.commands import Command
from bots.slack.blocks import (
    PICK_CONVERSATION,
    PICK_MODEL,
    Answer,
    offer_conversations,
    offer_models,
    read_choice,
)
from bots.slack.events import PLATFORM, Asked
from bots.slack.ports import Commands, Threads
from core.conversation import Author, ThreadKey

COMMANDS = ("clear", "model", "history", "compact", "pin", "pins", "unpin", "prompt", "usage")
_ABOUT_NO_CONVERSATION = ("usage",)
SHORTCUTS = {"clear_thread": "clear", "choose_model": "model", "pin_message": "pin"}
"""Message shortcuts, by callback id; they are declared in the app's manifest."""

IN_THREAD, OUTSIDE_OF_THREADS = "!", "/"
"""What begins a command where its answer is read: Slack takes no slash command in a thread."""

_UNKNOWN = f"I don't know that command. I know {', '.join(f'`/{name}`' for name in COMMANDS)}."
_TOO_OLD = "That menu is too old. Please use the command again."
_NO_CONVERSATION = (
    "You have no conversation with me in this channel yet. Mention me to begin one. "
    "Inside a thread, write `!{name}`."
)
_NOT_IN_THREAD = "I take no part in that thread. Mention me there first."


class Desk:
    """Answers what people ask by command, shortcut or menu. Methods raise StoreError."""

    def __init__(self, threads: Threads, commands: Commands) -> None:
        self._threads = threads
        self._commands = commands

    async def answer_command(self, asked: Asked) -> Answer:
        """Answer a slash command: at once in a direct message, else by a choice of conversations."""
        if asked.name not in COMMANDS:
            return Answer(_UNKNOWN)
        if asked.is_direct or asked.name in _ABOUT_NO_CONVERSATION:
            return await self._run(asked.name, asked.argument, asked)
        found = await self._threads.recent(
            PLATFORM, asked.key.workspace, asked.key.channel, asked.user_id, limit=25
        )
        if not found:
            return Answer(_NO_CONVERSATION.format(name=asked.name))
        return offer_conversations(asked.name, asked.argument, found)

    async def answer_shortcut(self, asked: Asked | None) -> Answer:
        """Answer a message shortcut, which knows its thread."""
        if asked is None or asked.name not in COMMANDS:
            return Answer(_TOO_OLD)
        if not await self._threads.takes_part(asked.key):
            return Answer(_NOT_IN_THREAD)
        return await self._run(asked.name, "", asked, sign=IN_THREAD)

    async def answer_choice(self, asked: Asked, value: str) -> Answer:
        """Answer a choice from a menu. One that is stale or not ours changes nothing."""
        choice = read_choice(value)
        if choice is None or asked.name not in (PICK_CONVERSATION, PICK_MODEL):
            return Answer(_TOO_OLD)
        key = replace(asked.key, thread=choice.thread)
        if choice.name not in COMMANDS or not await self._is_known(key):
            return Answer(_TOO_OLD)
        return await self._run(choice.name, choice.argument, replace(asked, key=key))

    async def _is_known(self, key: ThreadKey) -> bool:
        """A direct message may have no conversation yet, and yet a model to choose."""
        return not key.thread or await self._threads.takes_part(key)

    async def _run(
        self, name: str, argument: str, asked: Asked, sign: str = OUTSIDE_OF_THREADS
    ) -> Answer:
        about = asked.about if name == "pin" else ""
        command = Command(name, argument, about, Author(asked.user_id), sign)
        text = await self._commands.run(command, asked.key)
        if name == "model" and not argument:
            return offer_models(text, self._commands.choices("model", ""), asked.key.thread)
        return Answer(text)
