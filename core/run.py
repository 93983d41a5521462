"""One run of one turn, from the question to `done`, `failed` or `cancelled`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.context import fit_answer, fit_messages
from core.conversation import Turn, TurnState, Usage
from core.errors import DeliveryError, EmptyAnswerError, SkeinError, render_for_people
from core.providers.base import ModelRef, Models, Request
from core.sink import ReplySink
from core.store.base import Store

log = logging.getLogger("skein.turns")

INTERRUPTED = "I was interrupted before I could answer this. Please ask again."
STOPPED = "Stopped: the conversation was cleared."
LENGTH_NOTE = "\n\n_(This answer reached its length limit. Say “go on” for the rest.)_"


@dataclass(frozen=True, slots=True)
class TurnOptions:
    """What an installation sets for all turns."""

    system_prompt: str
    max_new_tokens: int = 4096
    temperature: float | None = None
    max_context_tokens: int | None = None
    max_attempts: int = 3
    """How often a turn is begun, counting those that a crash ended."""
    max_age: timedelta = timedelta(minutes=15)
    """A question older than this is not answered by surprise after a restart."""


class Run:
    """Takes one started turn to its end. A failure is told in the thread and kept in the journal."""

    def __init__(
        self,
        turn: Turn,
        sink: ReplySink,
        store: Store,
        models: Models,
        options: TurnOptions,
        now: Callable[[], datetime],
    ) -> None:
        self.turn = turn
        self.is_asking = False
        """Whether the model is being asked: until then, and after, a stop has nothing to end."""
        self.was_stopped = False
        self._sink = sink
        self._store = store
        self._models = models
        self._options = options
        self._now = now
        self._shown = ""

    async def run(self) -> None:
        """Answer, deliver, and say so in the journal."""
        await self._sink.start()
        try:
            text = await self._find_text()
            if text is not None:
                await self._sink.finish(text)
                await self._store.finish(self.turn.id)
        except DeliveryError as error:
            log.warning("%s: the reply could not be delivered: %s", self._name, error)
            await self._store.fail(self.turn.id, f"not delivered: {error}")
        except SkeinError as error:
            log.warning("%s: no answer: %s", self._name, error)
            await self._fail(render_for_people(error), str(error))
        except Exception as error:
            log.exception("%s: no answer", self._name)
            await self._fail(render_for_people(error), f"{type(error).__name__}: {error}")

    async def close_stopped(self) -> None:
        """Close what a stopped run has shown so far with a word."""
        await self._fail(STOPPED, "stopped")

    @property
    def _name(self) -> str:
        return f"turn {self.turn.id} ({self.turn.key})"

    async def _find_text(self) -> str | None:
        """Give the answer to deliver: the stored one, or a new one. None where the turn was ended."""
        if self.turn.state is TurnState.DELIVERING and self.turn.reply_text is not None:
            return self.turn.reply_text
        if self._is_given_up():
            await self._fail(INTERRUPTED, f"interrupted; attempt {self.turn.attempts}")
            return None
        ref, text, usage = await self._ask()
        saved = await self._store.save_reply(self.turn.id, text, str(ref), usage)
        return text if saved else None

    def _is_given_up(self) -> bool:
        """Tell whether an answer would come too late, or a crash ended this turn once too often."""
        is_late = self._now() - self.turn.received_at > self._options.max_age
        return self.turn.attempts > self._options.max_attempts or is_late

    async def _ask(self) -> tuple[ModelRef, str, Usage]:
        conversation = await self._store.load(self.turn.key)
        ref = self._models.get_model(conversation.model)
        system = conversation.system_prompt or self._options.system_prompt
        window = min(ref.window_tokens, self._options.max_context_tokens or ref.window_tokens)
        answer_tokens = fit_answer(self._options.max_new_tokens, window)
        request = Request(
            model=ref.model,
            messages=fit_messages(conversation.messages, system, window, answer_tokens),
            system=system,
            max_new_tokens=answer_tokens,
            temperature=self._options.temperature,
        )
        self.is_asking = True
        try:
            return ref, *await self._stream(ref, request)
        finally:
            self.is_asking = False

    async def _stream(self, ref: ModelRef, request: Request) -> tuple[str, Usage]:
        usage, reason = Usage(), None
        async with self._models.stream(ref, request) as chunks:
            async for chunk in chunks:
                usage, reason = chunk.usage or usage, chunk.finish_reason or reason
                if chunk.text:
                    self._shown += chunk.text
                    self._sink.update(self._shown)
        text = self._shown.strip()
        if not text:
            raise EmptyAnswerError(str(ref), "the answer has no text")
        return text + LENGTH_NOTE if reason == "length" else text, usage

    async def _fail(self, notice: str, reason: str) -> None:
        """Tell the person first: a crash in between asks again and takes over the notice."""
        with suppress(DeliveryError):
            await self._sink.fail(notice, self._shown)
        await self._store.fail(self.turn.id, reason)
