"""The store's protocol. Every backend passes the same contract suite, tests/core/store/contract.py.

It is made of rooms, one for each kind of thing that is kept: a protocol in rooms/, its SQL in
queries/shared/ and what runs that in sql/, each in a file of the room's name.

A state only moves forward, and each move is one statement that cannot be applied twice: a method
that moves a turn says whether it did. Whoever starts a turn holds it for `LEASE` at a time; after
that, another process may take it over, which counts an attempt. A method that is given a `Turn`
applies to that attempt alone, so that who was taken over changes nothing any more.
"""

from __future__ import annotations

from typing import Protocol

from core.store.rooms.accounts import Accounts, Expense, Grouping, Totals, UsageLine, add_totals
from core.store.rooms.attachments import Attachments, WantedFile
from core.store.rooms.conversations import ConversationInfo, Conversations, StoredMessage
from core.store.rooms.journal import Journal, Recorded
from core.store.rooms.memories import Memories, Memory, Pin, Summary
from core.store.rooms.replies import Replies
from core.store.rooms.together import HEARTBEAT, LEASE, Together

__all__ = [
    "HEARTBEAT",
    "LEASE",
    "ConversationInfo",
    "Expense",
    "Grouping",
    "Memory",
    "Pin",
    "Recorded",
    "Store",
    "StoredMessage",
    "Summary",
    "Totals",
    "UsageLine",
    "WantedFile",
    "add_totals",
]


class Store(Journal, Replies, Conversations, Attachments, Memories, Accounts, Together, Protocol):
    """All that is kept. Every method raises StoreError where the store cannot serve."""

    async def ping(self) -> None:
        """Return if the store can serve now, which costs next to nothing to ask."""
        ...

    async def aclose(self) -> None:
        """Close the store. It must not be used afterwards; a second call does nothing."""
        ...
