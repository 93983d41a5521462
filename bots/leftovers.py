"""What earlier attempts at a reply left on the platform: put to use, or removed without a trace."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from bots.outlet import Outlet, SlowDownError, TransientError
from core.conversation import ReplyMessage
from core.errors import DeliveryError, StoreError
from core.sink import RecordReply

log = logging.getLogger("skein.delivery")

_MAX_LOOKS = 3
_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 5.0  # a platform that asks for more is not asked again
_LONGEST_LOOK_SECONDS = 10.0
_MAX_STRAYS = 10


class LeftOvers:
    """The messages of earlier attempts that the reply has not put to use.

    A removal takes three steps: the journal marks the message as leaving, the platform deletes it,
    the journal forgets it. So one that a kill cut off is gone on with, and a message that may be
    gone is never taken for a part of a later text. The mark is fenced: where another process took
    the turn over, it raises, and nothing is deleted.
    """

    def __init__(
        self, outlet: Outlet, record: RecordReply, replies: Sequence[ReplyMessage]
    ) -> None:
        self._outlet = outlet
        self._record = record
        self._leaving = deque(reply for reply in replies if reply.kind == "leaving")
        self._kept = deque(reply for reply in replies if reply.kind not in ("leaving", "notice"))
        self._ours = {reply.message_id for reply in replies}
        self._strays: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self._leaving) + len(self._kept)

    @property
    def first(self) -> ReplyMessage | None:
        """The message that the next part can take over."""
        return self._kept[0] if self._kept else None

    def put(self, reply: ReplyMessage) -> None:
        """Put a message to the front that has no part of the answer yet."""
        self._kept.appendleft(reply)
        self._ours.add(reply.message_id)

    def take(self) -> ReplyMessage:
        """Take the first one: it is a part of the reply again."""
        return self._kept.popleft()

    def note_use(self, reply: ReplyMessage) -> None:
        """Take note of a message of the reply: it is no stray, whoever made it."""
        self._ours.add(reply.message_id)

    async def look(self, hurry: asyncio.Event) -> None:
        """Look for messages that nobody recorded, before this attempt makes any. Never raises.

        What is there by now was made by a process that is dead, or fenced off. Where looking fails,
        they are let be: the reply does not wait for them. `hurry` cuts the pauses short.
        """
        try:
            async with asyncio.timeout(_LONGEST_LOOK_SECONDS):
                self._strays = await self._look_patiently(hurry)
        except Exception as error:  # noqa: BLE001 -- the reply goes on without
            log.warning("messages that nobody recorded are not looked for: %r", error)

    async def _look_patiently(self, hurry: asyncio.Event) -> Sequence[str]:
        for _ in range(_MAX_LOOKS - 1):
            try:
                return await self._outlet.find_strays()
            except (SlowDownError, TransientError, StoreError) as error:
                is_told = isinstance(error, SlowDownError)
                pause = error.retry_after.total_seconds() if is_told else _PAUSE_SECONDS
                if pause > _LONGEST_PAUSE_SECONDS:
                    raise
            with suppress(asyncio.TimeoutError):
                async with asyncio.timeout(pause):
                    await hurry.wait()
        return await self._outlet.find_strays()

    def add_strays(self, next_part: int) -> None:
        """Let go, too, of what nobody recorded and the reply did not take over."""
        strays = [stray for stray in self._strays if stray not in self._ours][:_MAX_STRAYS]
        self._strays = ()
        if strays:
            log.info("unrecorded messages of an earlier attempt are removed: %s", strays)
        # One after another they stand for the same part, until they are gone.
        self._kept.extend(ReplyMessage(next_part, stray, "stream") for stray in strays)

    async def remove_leaving(self, check_wanted: Callable[[], None]) -> None:
        """Go on with removals that were cut off."""
        while self._leaving:
            check_wanted()
            await self._remove(self._leaving[0])
            self._leaving.popleft()

    async def remove_first(self) -> None:
        """Remove the first one."""
        await self._remove(self._kept[0])
        self._kept.popleft()

    async def remove_all(self, check_wanted: Callable[[], None]) -> None:
        """Remove whatever the reply did not take over."""
        while self._kept:
            check_wanted()
            await self.remove_first()

    async def _remove(self, reply: ReplyMessage) -> None:
        """Mark, delete, forget. One that the platform keeps for good stays, and is forgotten."""
        await self._record(replace(reply, kind="leaving"))
        try:
            await self._outlet.remove(reply)
        except DeliveryError as error:
            log.warning("a message that the reply no longer needs stays: %s", error)
        await self._record(reply, is_gone=True)
