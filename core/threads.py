"""What people do to a conversation, once for commands, command line and pages."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from core.conversation import Author, ThreadKey
from core.errors import UnknownModelError
from core.limits.quotas import Use
from core.memory.recall import Recall
from core.providers.base import ModelRef, Models
from core.store.base import ConversationInfo, Store, StoredMessage
from core.turns import Turns

SECOND_LOOK = timedelta(seconds=1)
"""When to look again for a thread that is not known: Slack waits 3 seconds for its acknowledgement."""
END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)


class Threads:
    """Clears conversations, chooses their model, and tells about them. Methods raise StoreError."""

    def __init__(self, store: Store, models: Models, turns: Turns) -> None:
        self._store = store
        self._models = models
        self._turns = turns
        self.recall = Recall(store, turns.memory)

    async def takes_part(self, key: ThreadKey, at: datetime | None = None) -> bool:
        """Tell whether Skein has spoken, or was spoken to, in a thread, and (`at`) before this time.

        What was said before that was not said to it.
        """
        if await self._was_begun(key, at):
            return True
        if not self._store.is_shared:
            return False
        # Another process may just be recording what began the thread.
        await asyncio.sleep(SECOND_LOOK.total_seconds())
        return await self._was_begun(key, at)

    async def _was_begun(self, key: ThreadKey, at: datetime | None) -> bool:
        # For each message in a thread: what `find_conversation` counts would grow with it.
        began_at = await self._store.find_beginning(key)
        return began_at is not None and (at is None or began_at < at)

    async def load_use(self, key: ThreadKey, author: Author) -> Use:
        """Sum up what somebody used, and what is left of their limits in a place."""
        return await self._turns.gate.load_use(key, author)

    async def known_replies(self, key: ThreadKey) -> frozenset[str]:
        """Give the ids of all platform messages of a conversation's replies."""
        info = await self._store.find_conversation(key)
        return await self._store.load_reply_ids(info.id) if info else frozenset()

    async def clear(self, key: ThreadKey, before: datetime | None = None) -> bool:
        """Start afresh: what was said until `before` (None: until now) is never sent again.

        Ends turns of that time that run or wait. False if there was nothing to clear.
        """
        info = await self._store.find_conversation(key)
        stopped = await self._store.clear(key, before or END_OF_TIME)
        self._turns.stop(stopped)
        return bool(stopped) or (info is not None and info.message_count > 0)

    async def get_model(self, key: ThreadKey) -> ModelRef:
        """Say which model answers in a thread. Raises UnknownModelError if it is configured no more."""
        info = await self._store.find_conversation(key)
        return self._models.get_model(info.model if info else None)

    async def choose_model(self, key: ThreadKey, name: str | None) -> ModelRef:
        """Choose the model that answers in a thread; None is the default. Raises UnknownModelError."""
        ref = await self._find_model(name)
        await self._store.set_model(key, None if name is None else str(ref))
        return ref

    async def _find_model(self, name: str | None) -> ModelRef:
        """Find a model, which its server may have only now. Raises UnknownModelError."""
        with suppress(UnknownModelError):
            return self._models.get_model(name)
        await self._models.look_again()
        return self._models.get_model(name)

    def list_models(self) -> tuple[str, ...]:
        """List the models that people may choose."""
        return self._models.list_models()

    async def recent(
        self,
        platform: str,
        workspace: str | None = None,
        channel: str | None = None,
        author_id: str | None = None,
        limit: int = 25,
    ) -> Sequence[ConversationInfo]:
        """Give conversations, the last used first; None matches all."""
        return await self._store.load_recent(platform, workspace, channel, author_id, limit)

    async def find(self, key: ThreadKey) -> ConversationInfo | None:
        """Look up a conversation."""
        return await self._store.find_conversation(key)

    async def history(self, key: ThreadKey, limit: int = 200) -> Sequence[StoredMessage]:
        """Give the newest messages of a conversation, oldest first, with those no longer sent."""
        return await self._store.load_history(key, limit)
