"""The sign on a message that has to wait: it was noticed. It goes when the message's turn begins or ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from core.beside import beside
from core.conversation import ThreadKey, Turn
from core.errors import SkeinError

log = logging.getLogger("skein.turns")

MAX_SIGNS = 1000
"""Signs shown at once; what waits beyond goes without."""
CALL_TIMEOUT = timedelta(minutes=10)
"""A burst of signs is shown and taken away at the platform's pace."""
LAST_CALLS = timedelta(seconds=2)


class Sign(Protocol):
    """How a platform shows on a person's message that it was noticed. Both may fail with any SkeinError."""

    async def show(self, key: ThreadKey, message_id: str) -> None:
        """Show the sign. Doing so again changes nothing."""
        ...

    async def remove(self, key: ThreadKey, message_id: str) -> None:
        """Take the sign away. It need not be there."""
        ...


@dataclass(frozen=True, slots=True)
class _Standing:
    """A sign that is shown, or about to be: `ended` says that the message waits no more."""

    ended: asyncio.Event
    task: asyncio.Task[None]


class Signs:
    """Shows signs, one task each, so that no reply waits for one or fails with it."""

    def __init__(self) -> None:
        self._signs: dict[str, Sign] = {}
        self._standing: dict[int, _Standing] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._told: set[str] = set()

    def attach(self, platform: str, sign: Sign) -> None:
        """Say how a platform shows signs."""
        self._signs[platform] = sign

    def show(self, turn: Turn) -> None:
        """Show that a turn was noticed, until it is cleared."""
        sign = self._signs.get(turn.key.platform)
        if sign is None or turn.id in self._standing or len(self._tasks) >= MAX_SIGNS:
            return
        ended = asyncio.Event()
        self._standing[turn.id] = _Standing(ended, self._start(self._keep(sign, turn, ended)))

    def clear(self, turn_ids: Iterable[int]) -> None:
        """Take away the signs of turns, as far as this process showed them."""
        for turn_id in turn_ids:
            if standing := self._standing.pop(turn_id, None):
                standing.ended.set()

    def forget(self, turn_ids: Iterable[int]) -> None:
        """Leave signs to the process that runs these turns."""
        for turn_id in turn_ids:
            if standing := self._standing.pop(turn_id, None):
                standing.task.cancel()

    def clear_old(self, turns: Iterable[Turn]) -> None:
        """Take away the signs that another process may have shown on the messages of turns."""
        for turn in turns:
            sign = self._signs.get(turn.key.platform)
            if sign is not None:
                self._start(self._try(sign.remove(turn.key, turn.message_id)))

    async def aclose(self) -> None:
        """Let calls under way end. Signs that stand are taken away by whoever runs their turns."""
        for standing in self._standing.values():
            standing.task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LAST_CALLS.total_seconds())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, sign: Sign, turn: Turn, ended: asyncio.Event) -> None:
        async with beside(self._try(sign.show(turn.key, turn.message_id))):
            await ended.wait()
        await self._try(sign.remove(turn.key, turn.message_id))

    async def _try(self, call: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(CALL_TIMEOUT.total_seconds()):
                await call
        except (SkeinError, TimeoutError) as error:
            self._tell(error)
        except Exception:
            log.exception("a sign that a message waits could not be shown, or taken away")

    def _tell(self, error: Exception) -> None:
        """Say each kind of trouble once, for it concerns each message that waits."""
        kind = type(error).__name__
        if kind not in self._told:
            self._told.add(kind)
            log.warning(
                "a sign that a message waits could not be shown, or taken away: %s", error or kind
            )

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
