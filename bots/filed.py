"""Delivery of an answer that may be too long for the chat: its beginning is shown, and a file has it all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Protocol

from bots.answer_file import AnswerFile, FiledAnswer, file_answer, find_beginning
from bots.outlet import SlowDownError, TransientError
from core.conversation import ReplyMessage, Turn
from core.errors import DeliveryError
from core.sink import RecordReply, ReplySink

log = logging.getLogger("skein.delivery")

_ATTEMPTS = 4
_FIRST_PAUSE = timedelta(seconds=0.5)
_LONGEST_WAIT = timedelta(seconds=30)


class FileOutlet(Protocol):
    """Attaches a file to a message of the reply. Doing it twice is the same as doing it once."""

    @property
    def may_attach(self) -> bool:
        """Whether the platform is not known to refuse files."""
        ...

    async def attach(self, reply: ReplyMessage, file: AnswerFile) -> None:
        """Attach it. Raises SlowDownError, TransientError and DeliveryError."""
        ...


class FiledReply:
    """A ReplySink over another one. The file goes to the reply's last message, so that it stays one reply.

    Where the platform takes no file, the whole text is shown after all.
    """

    def __init__(
        self,
        turn: Turn,
        outlet: FileOutlet,
        record: RecordReply,
        open_sink: Callable[[RecordReply], ReplySink],
        max_characters: int,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Take what opens the sink below, and what raises where no call may be made any more."""
        self._check = check
        self._outlet = outlet
        self._record = record
        self._max_characters = max_characters if outlet.may_attach else 0
        self._replies = {reply.message_id: reply for reply in turn.replies}
        self._sink = open_sink(self._note)

    async def start(self) -> None:
        """Let the person see that the question was noticed."""
        await self._sink.start()

    def update(self, text: str) -> None:
        """Show the text so far, up to where it gets too long."""
        self._sink.update(find_beginning(text, self._max_characters))

    def hold(self, notice: str) -> None:
        """Say, where the answer will stand, that it has to wait."""
        self._sink.hold(notice)

    async def finish(self, text: str) -> None:
        """Deliver the whole text, in a file where it is too long. Raises DeliveryError."""
        filed = file_answer(text, self._max_characters)
        if filed is None:
            await self._sink.finish(text)
        else:
            await self._sink.finish(filed.shown)
            await self._attach_or_go_on(filed)

    async def fail(self, notice: str, text: str = "") -> None:
        """End with a notice, below the text so far. Raises DeliveryError."""
        await self._sink.fail(notice, text)

    async def aclose(self) -> None:
        """Stop, wherever the reply stands."""
        await self._sink.aclose()

    async def _note(self, reply: ReplyMessage, /, *, is_gone: bool = False) -> None:
        """Record a message, and remember which is the last."""
        if is_gone:
            await self._record(reply, is_gone=True)
            self._replies.pop(reply.message_id, None)
        else:
            await self._record(reply)
            self._replies[reply.message_id] = reply

    async def _attach_or_go_on(self, filed: FiledAnswer) -> None:
        shown = [reply for reply in self._replies.values() if reply.kind in ("message", "stream")]
        last = max(shown, key=lambda reply: reply.part)
        try:
            await _insist(partial(self._attach, last, filed.file))
        except DeliveryError as error:
            log.warning("the file %s could not be sent, it is shown: %s", filed.file.name, error)
            await self._sink.finish(f"{filed.shown}\n\n{filed.rest}")

    async def _attach(self, reply: ReplyMessage, file: AnswerFile) -> None:
        self._check()
        await self._outlet.attach(reply, file)


async def _insist(call: Callable[[], Awaitable[None]]) -> None:
    """Make a call until it is taken, some times. Raises DeliveryError."""
    pause = _FIRST_PAUSE
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return await call()
        except SlowDownError as error:
            wait, reason = error.retry_after, error
        except TransientError as error:
            wait, reason = pause, error
        if attempt == _ATTEMPTS or wait > _LONGEST_WAIT:
            raise DeliveryError(f"gave up: {reason}") from reason
        await asyncio.sleep(wait.total_seconds())
        pause *= 2
    return None
