"""One conversation's turns, one after another, as the journal in the store says.

A lane holds nothing that a crash could lose.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.beside import beside
from core.conversation import Turn
from core.errors import LeaseLostError, StoreError
from core.lease import Lease, read_clock
from core.metrics import Metrics, TurnEnded
from core.run import Means, Run
from core.signs import Signs
from core.sink import OpenSink

log = logging.getLogger("skein.turns")

FIRST_BACK_OFF = timedelta(seconds=1)
LONGEST_BACK_OFF = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all lanes share: how replies are shown, by platform, and who hears of what happens."""

    means: Means
    open_sinks: Mapping[str, OpenSink]
    signs: Signs
    metrics: Metrics
    now: Callable[[], datetime]


class Lane:
    """Runs what there is to do in one conversation, and ends when nothing is left."""

    def __init__(
        self, conversation_id: int, surroundings: Surroundings, *, may_be_stuck: bool = False
    ) -> None:
        self._conversation_id = conversation_id
        self._around = surroundings
        self._store = surroundings.means.store
        self._signs = surroundings.signs
        self._run: Run | None = None
        self._may_be_stuck = may_be_stuck
        """Whether a turn may be under way that nobody runs: after a crash, or a failure of the store."""
        self._was_woken = False
        self._is_draining = False
        self._received: dict[int, float] = {}
        """When this process recorded a turn, by a clock that nobody sets."""
        self._fresh: set[int] = set()
        """The turns that no earlier process knew, so that none may have left a sign on them."""

    def wake(self) -> None:
        """Look once more for something to do before the end."""
        self._was_woken = True

    def receive(self, turn: Turn, *, is_new: bool) -> None:
        """Take note of a turn that this process recorded; who has to wait for another one is shown a sign."""
        if is_new:
            self._fresh.add(turn.id)
            if self._run is not None or self._received:
                self._signs.show(turn)
        self._received.setdefault(turn.id, read_clock())

    def stop(self, turn_ids: Collection[int]) -> None:
        """End the turn that runs, if it is one of these."""
        if self._run is not None and self._run.turn.id in turn_ids:
            self._run.stop()

    def drain(self) -> None:
        """Begin no further turn."""
        self._is_draining = True

    @property
    def is_running(self) -> bool:
        """Whether a turn runs now."""
        return self._run is not None

    @property
    def waiting_ids(self) -> set[int]:
        """The turns that this process recorded and that have not yet begun."""
        return set(self._received) - ({self._run.turn.id} if self._run else set())

    async def work(self) -> None:
        """Run turns until none is left. A failure is logged, and what it left is tried again."""
        back_off = FIRST_BACK_OFF
        try:
            while not self._is_draining:
                self._was_woken = False
                try:
                    lease = await self._take_next()
                    if lease is not None:
                        await self._run_turn(lease)
                    elif not self._was_woken:
                        return
                    back_off = FIRST_BACK_OFF
                except LeaseLostError as error:
                    log.warning("conversation %d: %s", self._conversation_id, error)
                    self._may_be_stuck = True
                except Exception as error:  # noqa: BLE001 -- it is logged, and the lane goes on
                    self._log_failure(error, back_off)
                    await asyncio.sleep(back_off.total_seconds())
                    back_off = min(back_off * 2, LONGEST_BACK_OFF)
                    self._may_be_stuck = True
        finally:
            self._signs.forget(self._received)

    async def _take_next(self) -> Lease | None:
        """Start what comes next: first what was left half done, for it holds up the rest."""
        means, began_at = self._around.means, read_clock()
        turn = None
        if self._may_be_stuck:
            turn = await self._store.take_over(self._conversation_id)
            self._may_be_stuck = False
        if turn is None:
            turn = await self._store.start_next(
                self._conversation_id,
                is_merging=means.options.waiting == "merge",
                is_admitted=means.gate.is_open,
            )
        if turn is None:
            return None
        return Lease(self._store, turn, began_at, means.options.store_patience)

    async def _run_turn(self, lease: Lease) -> None:
        """Run a turn. One for which no sink can be opened fails: it would hold up the lane for ever."""
        turn = lease.turn
        await self._note_begin(turn)
        try:
            sink = self._around.open_sinks[turn.key.platform](turn, lease)
        except Exception as error:
            log.exception("turn %d (%s): there is no way to reply", turn.id, turn.key)
            await self._store.fail(turn, f"no way to reply: {error!r}")
            return
        self._run = run = Run(turn, lease, sink, self._around.means, self._find_age(turn))
        try:
            async with beside(lease.keep(run.stop)):
                await run.run()
            self._note_end(run)
        finally:
            self._run = None
            await sink.aclose()

    async def _note_begin(self, turn: Turn) -> None:
        """Note that a turn waits no more, nor do those that its reply answers, too."""
        answered = await self._load_answered(turn)
        ids = {each.id for each in answered}
        self._signs.clear_old(each for each in answered if each.id not in self._fresh)
        self._signs.clear(ids)
        self._fresh -= ids
        for each in ids - {turn.id}:
            self._received.pop(each, None)

    def _note_end(self, run: Run) -> None:
        """Tell the metrics what became of a turn."""
        turn = run.turn
        if run.outcome is not None:
            ended = TurnEnded(turn.key.platform, run.outcome, self._find_age(turn))
            self._around.metrics.note(ended)
        self._received.pop(turn.id, None)

    async def _load_answered(self, turn: Turn) -> Sequence[Turn]:
        """Read which turns a turn's reply answers; no more than itself where that cannot be told."""
        if self._around.means.options.waiting != "merge" and turn.attempts == 1:
            return [turn]
        try:
            return [turn, *await self._store.load_merged(turn)]
        except StoreError as error:
            log.debug("turn %d: what was merged into it cannot be read: %s", turn.id, error)
            return [turn]

    def _find_age(self, turn: Turn) -> timedelta:
        recorded_at = self._received.get(turn.id)
        if recorded_at is None:  # by an earlier process
            return self._around.now() - turn.received_at
        return timedelta(seconds=read_clock() - recorded_at)

    def _log_failure(self, error: Exception, wait: timedelta) -> None:
        """Log one line for a store that is full or away, which is no bug; for all else the traceback."""
        trace = None if isinstance(error, StoreError) else error
        name = f"conversation {self._conversation_id}"
        log.error("%s: %s; it goes on in %s", name, error, wait, exc_info=trace)
