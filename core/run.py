"""One run of one turn, from the question to `done`, `failed` or `cancelled`."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from core.beside import beside
from core.conversation import Turn, TurnState, Usage
from core.errors import (
    BadRequestError,
    ContextTooLongError,
    DeliveryError,
    EmptyAnswerError,
    LeaseLostError,
    ProviderError,
    SkeinError,
    StoreError,
    render_for_people,
)
from core.fences import close_fence
from core.gate import Gate, name_asker
from core.intake import Intake
from core.lease import Lease
from core.memory.enclose import render_unseen
from core.memory.memory import AnswerOptions, Loaded, Memory, Prepared
from core.meter import Meter, keep_expenses
from core.providers.base import ModelRef, Models, Request
from core.queue_notice import QueueNotice
from core.sink import ReplySink
from core.store.base import Store

log = logging.getLogger("skein.turns")

INTERRUPTED = "I was interrupted before I could answer this. Please ask again."
STORE_AWAY = "I can't reach my memory right now. I will answer as soon as it is back."
STOPPED = "Stopped: the conversation was cleared."
BREAK_NOTE = "\n\n_(The answer broke off here. Say “go on” for the rest.)_"
FIRST_PAUSE = timedelta(seconds=0.25)
LONGEST_PAUSE = timedelta(seconds=4)
LENGTH_NOTE = "\n\n_(This answer reached its length limit. Say “go on” for the rest.)_"


@dataclass(frozen=True, slots=True)
class TurnOptions(AnswerOptions):
    """What an installation sets for all turns."""

    max_attempts: int = 5
    """How often a turn is begun, not counting what was handed back by a process told to stop."""
    waiting: Literal["queue", "merge"] = "queue"
    """Whether what waits in a conversation is answered one by one, or by one reply to all of it."""
    max_age: timedelta = timedelta(minutes=15)
    """A question older than this is not answered by surprise after a restart."""
    store_patience: timedelta = timedelta(seconds=30)
    """How long an answer waits for a store that is away, before the person is told."""


@dataclass(frozen=True, slots=True)
class Means:
    """What all runs work with."""

    store: Store
    models: Models
    options: TurnOptions
    intake: Intake
    memory: Memory
    gate: Gate


class _StoppedError(Exception):
    """The turn was ended from outside: nobody waits for its answer any more."""


class Run:
    """Takes one started turn to its end. A failure is told in the thread and kept in the journal.

    Where the store fails, StoreError goes up: the turn is then taken up again. It delivers what is
    stored, or asks again. Where another process took the turn over, LeaseLostError goes up, and no
    word of this run is said.
    """

    def __init__(
        self, turn: Turn, lease: Lease, sink: ReplySink, means: Means, age: timedelta
    ) -> None:
        self.turn = turn
        self.outcome: TurnState | None = None
        """How it ended, once it has."""
        self._lease = lease
        self._sink = sink
        self._means = means
        self._store = means.store
        self._memory = means.memory
        self._gate = means.gate
        self._options = means.options
        self._age = age
        self._meters: list[Meter] = []
        self._prepared: Prepared | None = None
        self._shown = ""
        self._was_stopped = False
        self._asking: asyncio.Task[tuple[str, str, Usage]] | None = None

    async def run(self) -> None:
        """Answer, deliver, and say so in the journal."""
        await self._sink.start()
        try:
            await self._run()
        finally:
            author = self.turn.author
            spent = [e for meter in self._meters for e in meter.list_expenses("attempt", author)]
            await keep_expenses(self._store, self.turn.conversation_id, spent)

    async def _run(self) -> None:
        try:
            text = await self._find_text()
        except _StoppedError:
            await self._fail(STOPPED, "stopped")
            self.outcome = TurnState.CANCELLED
        except LeaseLostError:
            raise
        except StoreError:
            self._lease.check()
            await self._tell(STORE_AWAY)
            raise
        except SkeinError as error:
            log.warning("%s: no answer: %s", self._name, error)
            await self._fail(render_for_people(error), str(error))
        except Exception as error:
            log.exception("%s: no answer", self._name)
            await self._fail(render_for_people(error), f"{type(error).__name__}: {error}")
        else:
            if text is not None:
                await self._deliver(text)
            if self._prepared is not None:
                self._memory.follow_up(self._prepared)

    def stop(self) -> None:
        """Ask the model no further. What is shown so far is closed with a word.

        An answer that is whole already is delivered all the same.
        """
        self._was_stopped = True
        if self._asking is not None:
            self._asking.cancel()

    @property
    def _name(self) -> str:
        return f"turn {self.turn.id} ({self.turn.key})"

    async def _find_text(self) -> str | None:
        """Give the answer to deliver: the stored one, or a new one. None where the turn was ended."""
        if self.turn.state is TurnState.DELIVERING and self.turn.reply_text is not None:
            return self.turn.reply_text
        if self._is_given_up():
            await self._fail(
                INTERRUPTED,
                f"interrupted; attempt {self.turn.attempts}, {self.turn.crashes} crashes",
            )
            return None
        if await self._is_refused():
            return None
        model, text, usage = await self._ask_stoppably()
        if not await self._save(text, model, usage):
            raise _StoppedError
        self._meters[-1].keep()
        return text

    async def _save(self, text: str, model: str, usage: Usage) -> bool:
        """Store the answer, once the store is there: to ask the model again would give another one."""
        deadline = time.monotonic() + self._options.store_patience.total_seconds()
        pause, was_cut_off = FIRST_PAUSE, False
        while True:
            try:
                is_saved = await self._store.save_reply(self.turn, text, model, usage)
                return is_saved or (was_cut_off and await self._was_saved())
            except StoreError as error:
                if time.monotonic() >= deadline:
                    raise
                log.warning("%s: the answer cannot be stored yet: %s", self._name, error)
            was_cut_off = True
            await asyncio.sleep(pause.total_seconds())
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _was_saved(self) -> bool:
        """Tell whether a save that seemed to fail was committed: a connection may break after that."""
        turn = await self._store.find_turn(self.turn.id)
        if turn is None or turn.attempts != self.turn.attempts:
            return False
        return turn.state is TurnState.DELIVERING

    def _is_given_up(self) -> bool:
        """Tell whether an answer would come too late, or a crash ended this turn once too often."""
        is_late = self._age > self._options.max_age
        return self.turn.crashes >= self._options.max_attempts or is_late

    async def _ask_stoppably(self) -> tuple[str, str, Usage]:
        """Ask in a task of its own: a stop ends that alone, any other cancellation the turn."""
        if self._was_stopped:
            raise _StoppedError
        self._asking = asyncio.create_task(self._ask())
        try:
            return await self._asking
        except asyncio.CancelledError:
            this = asyncio.current_task()
            if not self._was_stopped or (this and this.cancelling()):
                raise
            raise _StoppedError from None
        finally:
            self._asking = None

    async def _ask(self) -> tuple[str, str, Usage]:
        """Ask, and give who answered, the answer, and what it took."""
        loaded = await self._load()
        if not loaded.has_question:
            raise _StoppedError  # it was taken out of the conversation meanwhile
        author = self.turn.author
        prepared = await self._memory.prepare(loaded, author)
        try:
            model, text, usage = await self._stream(prepared.ref, prepared.request)
        except ContextTooLongError as error:
            log.warning("%s: asking again with less: %s", self._name, error)
            prepared = await self._memory.shrink(loaded, prepared, author, error)
            model, text, usage = await self._stream(prepared.ref, prepared.request)
        if not usage.is_estimated and model == str(prepared.ref):
            self._memory.learn(prepared, usage)
        self._prepared = prepared
        return model, prepared.annotate(text), usage

    async def _load(self) -> Loaded:
        """Load the conversation, once the files of what is asked now are taken in."""
        loaded = await self._memory.load(self.turn.key)
        if not loaded.has_wanted_files:
            return loaded
        await self._means.intake.take(self.turn)
        return await self._memory.load(self.turn.key)

    async def _stream(self, ref: ModelRef, request: Request) -> tuple[str, str, Usage]:
        meter = self._gate.measure(ref, request)
        self._meters.append(meter)
        notice = QueueNotice(self._sink.hold, self._gate.notice_after)
        request = replace(request, asker=name_asker(self.turn, notice.on_place, meter))
        note, unseen, was_declined = "", "", False
        try:
            async with beside(notice.run()), self._means.models.stream(ref, request) as chunks:
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
            if not self._shown.strip():
                raise
            log.warning("%s: the answer broke off: %s", self._name, error)
            note = BREAK_NOTE
        text = self._shown.rstrip()
        if not text:
            raise EmptyAnswerError(str(ref), "the answer has no text")
        if was_declined:  # Claude declines all that follows, where such an exchange is sent again
            raise BadRequestError(meter.model, "the model declined to go on")
        note += f"\n\n{unseen}" if unseen else ""
        return meter.model, close_fence(text) + note if note else text, meter.read()

    def _show_restart(self, model: str) -> None:
        """Say below an answer that broke off who answers anew."""
        broken = close_fence(self._shown.rstrip())
        self._shown = f"{broken}\n\n_(The answer broke off here. {model} answers anew:)_\n\n"

    def _show(self, text: str) -> None:
        """Show more of the answer. The whole answer will begin so: it has no white space around it."""
        self._shown += text if self._shown else text.lstrip()
        if text.strip():
            self._sink.update(self._shown.rstrip())

    async def _deliver(self, text: str) -> None:
        try:
            await self._sink.finish(text)
        except StoreError:
            raise
        except DeliveryError as error:
            log.warning("%s: the reply could not be delivered: %s", self._name, error)
            await self._store.fail(self.turn, f"not delivered: {error}")
            self.outcome = TurnState.FAILED
        except Exception as error:
            log.exception("%s: the reply could not be delivered", self._name)
            await self._fail(render_for_people(error), f"not delivered: {error!r}")
        else:
            await self._store.finish(self.turn)
            self.outcome = TurnState.DONE

    async def _fail(self, notice: str, reason: str) -> None:
        """Tell the person first: a crash in between asks again and takes over the notice."""
        await self._lease.confirm()
        await self._tell(notice)
        await self._keep_usage()
        await self._store.fail(self.turn, reason)
        self.outcome = TurnState.FAILED

    async def _is_refused(self) -> bool:
        """Tell whether people's limits refuse the question; then say so, and end the turn."""
        refusal = await self._gate.find_refusal(self.turn)
        if refusal is None:
            return False
        await self._lease.confirm()
        await self._tell(refusal)
        await self._store.reject(self.turn, refusal)
        self.outcome = TurnState.REJECTED
        return True

    async def _keep_usage(self) -> None:
        """Keep what an answer took that broke off, which is no reason to fail."""
        if not self._meters or not self._meters[-1].has_begun:
            return
        meter = self._meters[-1]
        try:
            if await self._store.save_usage(self.turn, meter.model, meter.read()):
                meter.keep()
        except StoreError as error:
            log.warning("%s: what it took is not kept: %s", self._name, error)

    async def _tell(self, notice: str) -> None:
        """End the reply with a notice, if the platform takes it."""
        try:
            await self._sink.fail(notice, self._shown)
        except StoreError:
            raise
        except DeliveryError as error:
            log.warning("%s: the notice could not be delivered: %s", self._name, error)
        except Exception:
            log.exception("%s: the notice could not be delivered", self._name)
