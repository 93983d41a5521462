"""One run of one turn, from the question to `done`, `failed` or `cancelled`."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from core.answer import Answer, Given, QuestionGoneError
from core.conversation import Turn, TurnState
from core.errors import DeliveryError, LeaseLostError, SkeinError, StoreError, render_for_people
from core.gate import Gate
from core.intake import Intake
from core.lease import Lease
from core.memory.memory import AnswerOptions, Memory
from core.meter import keep_expenses
from core.providers.base import Models
from core.sink import ReplySink
from core.store.base import Store
from core.words import find_words

log = logging.getLogger("skein.turns")

INTERRUPTED = "I was interrupted before I could answer this. Please ask again."
STORE_AWAY = "I can't reach my memory right now. I will answer as soon as it is back."
STOPPED = "Stopped: the conversation was cleared."
FIRST_PAUSE = timedelta(seconds=0.25)
LONGEST_PAUSE = timedelta(seconds=4)


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
        self._answer = Answer(turn, sink, means.models, means.memory, means.gate, means.intake)
        self._options = means.options
        self._age = age
        self._was_stopped = False
        self._asking: asyncio.Task[Given] | None = None

    async def run(self) -> None:
        """Answer, deliver, and say so in the journal."""
        await self._sink.start()
        try:
            await self._run()
        finally:
            spent = self._answer.list_expenses()
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
            await self._fail(self._word(error), str(error))
        except Exception as error:
            log.exception("%s: no answer", self._name)
            await self._fail(self._word(error), f"{type(error).__name__}: {error}")
        else:
            if text is not None:
                await self._deliver(text)
            self._answer.follow_up()

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
        given = await self._ask_stoppably()
        if not await self._save(given):
            raise _StoppedError
        if meter := self._answer.meter:
            meter.keep()
        return given.text

    async def _save(self, given: Given) -> bool:
        """Store the answer, once the store is there: to ask the model again would give another one."""
        deadline = time.monotonic() + self._options.store_patience.total_seconds()
        pause, was_cut_off = FIRST_PAUSE, False
        while True:
            try:
                is_saved = await self._store.save_reply(
                    self.turn, given.text, given.model, given.usage
                )
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

    async def _ask_stoppably(self) -> Given:
        """Ask in a task of its own: a stop ends that alone, any other cancellation the turn."""
        if self._was_stopped:
            raise _StoppedError
        self._asking = asyncio.create_task(self._answer.ask())
        try:
            return await self._asking
        except QuestionGoneError:
            raise _StoppedError from None
        except asyncio.CancelledError:
            this = asyncio.current_task()
            if not self._was_stopped or (this and this.cancelling()):
                raise
            raise _StoppedError from None
        finally:
            self._asking = None

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
            await self._fail(self._word(error), f"not delivered: {error!r}")
        else:
            await self._store.finish(self.turn)
            self.outcome = TurnState.DONE

    def _word(self, error: BaseException) -> str:
        """Word an error for the person who asked."""
        return render_for_people(error, find_words(self.turn.key.platform).sign)

    async def _fail(self, notice: str, reason: str) -> None:
        """Tell the person first: a crash in between asks again and takes over the notice."""
        await self._lease.confirm()
        await self._tell(notice)
        await self._keep_usage()
        await self._store.fail(self.turn, reason)
        self.outcome = TurnState.FAILED

    async def _is_refused(self) -> bool:
        """Tell whether people's limits refuse the question; then say so, and end the turn."""
        refusal = await self._means.gate.find_refusal(self.turn)
        if refusal is None:
            return False
        await self._lease.confirm()
        await self._tell(refusal)
        await self._store.reject(self.turn, refusal)
        self.outcome = TurnState.REJECTED
        return True

    async def _keep_usage(self) -> None:
        """Keep what an answer took that broke off, which is no reason to fail."""
        meter = self._answer.meter
        if meter is None or not meter.has_begun:
            return
        try:
            if await self._store.save_usage(self.turn, meter.model, meter.read()):
                meter.keep()
        except StoreError as error:
            log.warning("%s: what it took is not kept: %s", self._name, error)

    async def _tell(self, notice: str) -> None:
        """End the reply with a notice, if the platform takes it."""
        try:
            await self._sink.fail(notice, self._answer.shown)
        except StoreError:
            raise
        except DeliveryError as error:
            log.warning("%s: the notice could not be delivered: %s", self._name, error)
        except Exception:
            log.exception("%s: the notice could not be delivered", self._name)
