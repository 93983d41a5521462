"""Memories: what a conversation keeps of what is sent no more, and what people pinned in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from core.conversation import Author, Message, Role, ThreadKey


@dataclass(frozen=True, slots=True)
class Summary:
    """In short what was said behind the position `after`, as far as `until`."""

    after: int
    until: int
    text: str
    model: str


@dataclass(frozen=True, slots=True)
class Pin:
    """What is sent along for good. `position` is the message's; None for a text of its own."""

    number: int
    text: str
    role: Role = "user"
    author: Author | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """What a conversation has beside its messages. `id` is None where nothing was said there yet."""

    id: int | None = None
    model: str | None = None
    system_prompt: str | None = None
    cleared_position: int = 0
    summary: Summary | None = None
    pins: tuple[Pin, ...] = ()

    @property
    def summarized_until(self) -> int:
        """The position up to which nothing is sent as it was said."""
        return self.summary.until if self.summary else self.cleared_position


Scope = Literal["workspace", "channel"]


@dataclass(frozen=True, slots=True)
class PlacePrompts:
    """How the bot is told to behave in a workspace, and in one of its channels; empty where it is not."""

    workspace: str = ""
    channel: str = ""


class Memories(Protocol):
    """Keeps summaries and pins. `clear` drops summary and pins."""

    async def load_memory(self, key: ThreadKey) -> Memory:
        """Read what a conversation has beside its messages. A conversation that is not there has nothing."""
        ...

    async def load_span(
        self, conversation_id: int, after: int, until: int, limit: int
    ) -> Sequence[Message]:
        """Read the oldest messages behind a position, at most to another one, without what failed."""
        ...

    async def claim_summary(self, conversation_id: int, duration: timedelta) -> bool:
        """Claim the making of a conversation's summary, or hold it for longer. False while another has it."""
        ...

    async def save_summary(self, conversation_id: int, old: Summary | None, new: Summary) -> bool:
        """Commit a longer summary in the old one's place.

        False, with nothing changed, where another one stands there by now or the conversation was
        cleared.
        """
        ...

    async def release_summary(self, conversation_id: int) -> None:
        """Let others make the summary longer, if this store has claimed it."""
        ...

    async def add_pin(
        self, key: ThreadKey, text: str, author: Author | None, at: datetime, limit: int
    ) -> int | None:
        """Pin a text, and give its number. None where there are as many as `limit` already.

        The same text once more gives the number that it has.
        """
        ...

    async def pin_message(
        self, key: ThreadKey, message_id: str | None, at: datetime, limit: int
    ) -> Pin | None:
        """Pin a message by the platform's id, an answer by any of its parts; None is the newest one.

        One pinned before stays as it is. Raises KeyError where there is no such message, or it is
        not sent any more; None where there are as many pins as `limit` already.
        """
        ...

    async def remove_pins(self, key: ThreadKey, number: int | None = None) -> int:
        """Remove a pin, or all. Returns how many."""
        ...

    async def load_place_prompts(self, key: ThreadKey) -> PlacePrompts:
        """Read how the bot is told to behave where a conversation is."""
        ...

    async def set_place_prompt(self, key: ThreadKey, scope: Scope, prompt: str | None) -> None:
        """Say how the bot is to behave in a conversation's workspace or channel; None takes it back."""
        ...
