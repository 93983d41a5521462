"""What processes that run turns of one store must know of each other: who holds what, and until when."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Protocol

from core.conversation import Turn

LEASE = timedelta(seconds=20)
"""How long a turn is held without a word: longer than a process stalls, or a database restarts."""
HEARTBEAT = LEASE / 4
"""How often a lease is renewed: three may fail."""


class Together(Protocol):
    """Lets several processes share the turns of one store."""

    @property
    def is_shared(self) -> bool:
        """Whether several processes may run turns on it at once."""
        ...

    async def take_over(self, conversation_id: int) -> Turn | None:
        """Begin another attempt at the turn under way, if nobody else holds it. None otherwise.

        The attempt before counts as a crash, unless it was handed back.
        What this store itself holds is nobody else's: to be called where nothing of it runs here.
        """
        ...

    async def extend(self, turn: Turn) -> bool:
        """Hold a turn for another `LEASE`. False if it is not under way any more in this attempt."""
        ...

    async def hand_back(self) -> int:
        """Let go of all that this store holds, and let others know. Returns how many turns.

        The attempt that ends so was no crash.
        """
        ...

    async def load_waiting(self, platform: str) -> Sequence[int]:
        """Read the ids of conversations with an unfinished turn and none that somebody holds."""
        ...

    async def listen(self, on_word: Callable[[str], None]) -> None:
        """Hear what other processes announce, until cancelled; words may get lost.

        `waiting`: there may be something to start, and so after each (re)connection. `stopped N`:
        the turn with this id was cancelled.
        """
        ...

    async def run_alone(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do what only one process at a time may do, as soon as no other one does it.

        A store that is away does not end the work at once: the name is held again when it is back. Where
        somebody else has it by then, or 20 s have passed, the work is cancelled, and begun anew as soon
        as no other does it. Returns when the work does, and raises what it does.
        """
        ...
