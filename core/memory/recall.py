"""What people do to a conversation's memory, once for commands, command line and pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.conversation import Author, ThreadKey
from core.memory.memory import Memory
from core.memory.outlook import Outlook, look_ahead
from core.memory.prompts import Layer
from core.store.base import Pin, Store
from core.store.rooms.memories import Scope

MAX_PINS = 20
MAX_PIN_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True)
class Compaction:
    """What became of a conversation that was compacted."""

    messages: int
    before_tokens: int
    after_tokens: int


class Recall:
    """Shows what is remembered, compacts it, pins, and sets prompts. Methods raise StoreError."""

    def __init__(self, store: Store, memory: Memory) -> None:
        self._store = store
        self._memory = memory

    async def look_ahead(self, key: ThreadKey) -> Outlook | None:
        """Say what the next question would send. Raises UnknownModelError."""
        return await look_ahead(self._memory, key)

    async def compact(self, key: ThreadKey) -> Compaction | None:
        """Summarize all but the newest turn now. None where there is nothing to summarize.

        Raises ProviderError, and SummaryBusyError while somebody else does.
        """
        before = await look_ahead(self._memory, key)
        if before is None or (job := self._memory.plan_compaction(before.loaded)) is None:
            return None
        count = job.until - before.loaded.remembered.summarized_until
        await self._memory.summarize(job)
        after = await look_ahead(self._memory, key) or before
        return Compaction(
            count, before.count(before.fitted.tokens), after.count(after.fitted.tokens)
        )

    async def pin_text(
        self, key: ThreadKey, text: str, author: Author | None, at: datetime
    ) -> int | None:
        """Send a text along for good; gives its number. None where there are `MAX_PINS`."""
        return await self._store.add_pin(key, text, author, at, MAX_PINS)

    async def pin_message(self, key: ThreadKey, message_id: str | None, at: datetime) -> Pin | None:
        """Send a message along for good, by the platform's id; None is the newest one.

        Raises KeyError where there is none. None where there are `MAX_PINS`.
        """
        return await self._store.pin_message(key, message_id, at, MAX_PINS)

    async def load_pins(self, key: ThreadKey) -> Sequence[Pin]:
        """Read what is pinned."""
        return (await self._store.load_memory(key)).pins

    async def unpin(self, key: ThreadKey, number: int | None) -> int:
        """Remove a pin, or all. Returns how many."""
        return await self._store.remove_pins(key, number)

    async def load_layers(self, key: ThreadKey) -> Sequence[Layer]:
        """Give the layers of the system prompt."""
        remembered = await self._store.load_memory(key)
        return await self._memory.stack(key, remembered.system_prompt)

    async def set_place_prompt(
        self, key: ThreadKey, scope: Scope, prompt: str | None, author: Author | None
    ) -> bool:
        """Set what all conversations of a workspace or channel are told. False for all but admins."""
        if author is None or f"{key.platform}:{author.id}" not in self._memory.admins:
            return False
        await self._store.set_place_prompt(key, scope, prompt)
        return True

    async def set_prompt(self, key: ThreadKey, prompt: str | None) -> None:
        """Set what a conversation is told beside what all are; None is nothing."""
        await self._store.set_system_prompt(key, prompt)
