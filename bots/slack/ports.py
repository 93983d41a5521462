"""What the Slack frontend needs of the core and of the commands, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from bots.commands import Command
from core.conversation import Incoming, ThreadKey
from core.metrics import Metrics
from core.store.base import ConversationInfo


class Turns(Protocol):
    """Takes messages in; core/turns.py."""

    @property
    def metrics(self) -> Metrics:
        """Who hears of what happens."""
        ...

    async def submit(self, incoming: Incoming) -> bool:
        """Commit a message and queue its turn. False if seen before.

        Raises StoreError; the message must then not be acknowledged.
        """
        ...


class Threads(Protocol):
    """Knows the conversations; core/threads.py. Methods raise StoreError."""

    async def takes_part(self, key: ThreadKey, at: datetime | None = None) -> bool:
        """Tell whether a conversation is stored there that began before this time."""
        ...

    async def known_replies(self, key: ThreadKey) -> frozenset[str]:
        """Give the ids of all messages of a conversation's replies."""
        ...

    async def recent(
        self,
        platform: str,
        workspace: str | None = None,
        channel: str | None = None,
        author_id: str | None = None,
        limit: int = 25,
    ) -> Sequence[ConversationInfo]:
        """Give conversations, the last used first."""
        ...


class Commands(Protocol):
    """Runs commands; bots/commands.py."""

    def read(self, incoming: Incoming) -> Command | None:
        """Read a typed message as a command. One without a word or a file is `help`."""
        ...

    async def run(self, command: Command, key: ThreadKey, at: datetime | None = None) -> str:
        """Do a command and say what came of it, as Markdown."""
        ...

    async def run_once(self, command: Command, incoming: Incoming) -> str | None:
        """Do a command that was typed as a message. None if this message was handled before."""
        ...

    def choices(self, name: str, prefix: str) -> list[str]:
        """Complete a command's argument."""
        ...
