"""The making of one answer: the question is put to the model, and what comes is shown and measured."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.beside import beside
from core.conversation import Turn, Usage
from core.errors import (
    BadRequestError,
    ContextTooLongError,
    EmptyAnswerError,
    ProviderError,
)
from core.fences import close_fence
from core.gate import Gate, name_asker
from core.intake import Intake
from core.memory.enclose import render_unseen
from core.memory.memory import Loaded, Memory, Prepared
from core.meter import Meter
from core.providers.base import Models
from core.queue_notice import QueueNotice
from core.sink import ReplySink
from core.store.base import Expense

log = logging.getLogger("skein.turns")

BREAK_NOTE = "\n\n_(The answer broke off here. Say “go on” for the rest.)_"
LENGTH_NOTE = "\n\n_(This answer reached its length limit. Say “go on” for the rest.)_"


class QuestionGoneError(Exception):
    """What was asked is not in the conversation any more."""


@dataclass(frozen=True, slots=True)
class Given:
    """A whole answer: who gave it, its text with what is noted below it, and what it took."""

    model: str
    text: str
    usage: Usage


class Answer:
    """Asks for the answer to one turn. What was shown and spent can be read after a failure, too."""

    def __init__(
        self,
        turn: Turn,
        sink: ReplySink,
        models: Models,
        memory: Memory,
        gate: Gate,
        intake: Intake,
    ) -> None:
        self.shown = ""
        """The text so far, as people see it."""
        self._turn = turn
        self._sink = sink
        self._models = models
        self._memory = memory
        self._gate = gate
        self._intake = intake
        self._meters: list[Meter] = []
        self._prepared: Prepared | None = None

    @property
    def meter(self) -> Meter | None:
        """What measures the latest question to a model, once there is one."""
        return self._meters[-1] if self._meters else None

    def list_expenses(self) -> Sequence[Expense]:
        """Give what was paid for and is not kept with the turn."""
        author = self._turn.author
        return [each for m in self._meters for each in m.list_expenses("attempt", author)]

    def follow_up(self) -> None:
        """Have what this question left out summarized, now that the answer is delivered."""
        if self._prepared is not None:
            self._memory.follow_up(self._prepared)

    async def ask(self) -> Given:
        """Ask, and once more with less where the model finds it too long.

        Raises ProviderError, StoreError, QuestionGoneError.
        """
        loaded = await self._load()
        if not loaded.has_question:
            raise QuestionGoneError
        author = self._turn.author
        prepared = await self._memory.prepare(loaded, author)
        try:
            given = await self._stream(prepared)
        except ContextTooLongError as error:
            log.warning("turn %d: asking again with less: %s", self._turn.id, error)
            prepared = await self._memory.shrink(loaded, prepared, author, error)
            given = await self._stream(prepared)
        if not given.usage.is_estimated and given.model == str(prepared.ref):
            self._memory.learn(prepared, given.usage)
        self._prepared = prepared
        return replace(given, text=prepared.annotate(given.text))

    async def _load(self) -> Loaded:
        """Load the conversation, once the files of what is asked now are taken in."""
        loaded = await self._memory.load(self._turn.key)
        if not loaded.has_wanted_files:
            return loaded
        await self._intake.take(self._turn)
        return await self._memory.load(self._turn.key)

    async def _stream(self, prepared: Prepared) -> Given:
        """Ask once, and show what comes until it ends or breaks off."""
        ref, request = prepared.ref, prepared.request
        meter = self._gate.measure(ref, request)
        self._meters.append(meter)
        notice = QueueNotice(self._sink.hold, self._gate.notice_after)
        request = replace(request, asker=name_asker(self._turn, notice.on_place, meter))
        note, unseen, was_declined = "", "", False
        try:
            async with beside(notice.run()), self._models.stream(ref, request) as chunks:
                async for chunk in chunks:
                    meter.heed(chunk)
                    if chunk.is_restart:
                        unseen = ""
                        self._show_restart(meter.model)
                    if chunk.unseen:
                        unseen = render_unseen(chunk.unseen, meter.model)
                    note = LENGTH_NOTE if chunk.finish_reason == "length" else note
                    was_declined = chunk.finish_reason == "refusal"
                    self._show(chunk.text)
        except ProviderError as error:
            if not self.shown.strip():
                raise
            log.warning("turn %d: the answer broke off: %s", self._turn.id, error)
            note = BREAK_NOTE
        text = self.shown.rstrip()
        if not text:
            raise EmptyAnswerError(str(ref), "the answer has no text")
        if was_declined:  # Claude declines all that follows, where such an exchange is sent again
            raise BadRequestError(meter.model, "the model declined to go on")
        note += f"\n\n{unseen}" if unseen else ""
        return Given(meter.model, close_fence(text) + note if note else text, meter.read())

    def _show_restart(self, model: str) -> None:
        """Say below an answer that broke off who answers anew."""
        broken = close_fence(self.shown.rstrip())
        self.shown = f"{broken}\n\n_(The answer broke off here. {model} answers anew:)_\n\n"

    def _show(self, text: str) -> None:
        """Show more of the answer. The whole answer will begin so: it has no white space around it."""
        self.shown += text if self.shown else text.lstrip()
        if text.strip():
            self._sink.update(self.shown.rstrip())
