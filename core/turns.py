"""Runs turns: one message to one reply, in order within a conversation, side by side across them.

Each conversation with something to do has a lane, a task that runs its turns one after another and
ends when none is left. The journal in the store says what is to be done; a lane holds nothing that
a crash could lose. Several processes may run turns of one store: each turn is held by one of them.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from core.beside import beside
from core.conversation import Incoming, Turn
from core.errors import LeaseLostError, StoreError
from core.gate import Gate
from core.intake import FileSource, Intake
from core.lease import Lease, read_clock
from core.memory.memory import Memory
from core.metrics import Metrics, NullMetrics, TurnEnded
from core.providers.base import Models
from core.run import Means, Run, TurnOptions
from core.signs import Sign, Signs
from core.sink import OpenSink
from core.store.base import Store

log = logging.getLogger("skein.turns")

FIRST_BACK_OFF = timedelta(seconds=1)
LONGEST_BACK_OFF = timedelta(seconds=10)
LOOK_INTERVAL = timedelta(seconds=2)
"""How often to look for what other processes left: the net below the words that they announce."""
_SHORTEST_LOOK_SECONDS = 0.05


@dataclass(slots=True)
class _Lane:
    """One conversation's worker."""

    task: asyncio.Task[None] | None = None
    run: Run | None = None
    lease: Lease | None = None
    was_woken: bool = False
    may_be_stuck: bool = False
    """Whether a turn may be under way that nobody runs: after a crash, or a failure of the store."""
    received: dict[int, float] = field(default_factory=dict[int, float])
    """When this process recorded a turn, by a clock that nobody sets."""
    fresh: set[int] = field(default_factory=set[int])
    """The turns that no earlier process knew, so that none may have left a sign on them."""

    @property
    def is_busy(self) -> bool:
        """Whether something is under way here, or waits."""
        return self.run is not None or bool(self.received)


class Turns:
    """The runner. Enter it before use; leaving it ends all lanes where they stand.

    It owns the lanes' tasks itself: a task group would wrap whatever error ends the program.
    """

    def __init__(
        self,
        store: Store,
        models: Models,
        options: TurnOptions,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        intake: Intake | None = None,
        memory: Memory | None = None,
        gate: Gate | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.memory = memory or Memory(store, models, options)
        self.gate = gate or Gate(store)
        self._intake = intake or Intake(store)
        self._means = Means(store, models, options, self._intake, self.memory, self.gate)
        self._store = store
        self._options = options
        self.metrics = metrics or NullMetrics()
        self._now = now
        self._open_sinks: dict[str, OpenSink] = {}
        self._signs = Signs()
        self._lanes: dict[int, _Lane] = {}
        self._is_draining = False
        self._should_look = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.halt()

    def attach(
        self,
        platform: str,
        open_sink: OpenSink,
        files: FileSource | None = None,
        sign: Sign | None = None,
    ) -> None:
        """Say how a platform shows replies, where its files are, and how it shows that a message waits.

        Its turns can run from now on.
        """
        if sign is not None:
            self._signs.attach(platform, sign)
        if files is not None:
            self._intake.attach(platform, files)
        self._open_sinks[platform] = open_sink

    async def submit(self, incoming: Incoming) -> bool:
        """Commit a message and queue its turn; durable when this returns. False if seen before.

        Raises StoreError; the message must then not be acknowledged.
        """
        recorded = await self._store.record(incoming)
        if not recorded.turn.state.is_final:  # one seen before may have lost its caller before this
            lane = self._wake(recorded.turn.conversation_id)
            if recorded.is_new:
                lane.fresh.add(recorded.turn.id)
                if lane.is_busy:
                    self._signs.show(recorded.turn)
            lane.received.setdefault(recorded.turn.id, read_clock())
        return recorded.is_new

    async def resume(self, platform: str) -> int:
        """Take up conversations of a platform that wait for somebody, and say how many there are."""
        waiting = await self._store.load_waiting(platform)
        for conversation_id in waiting:
            self._wake(conversation_id, may_be_stuck=True)
        return len(waiting)

    async def share(self) -> None:
        """Take up what other processes leave, and end what they stop, until cancelled."""
        async with beside(self._store.listen(self._hear)):
            while True:
                self._should_look.clear()
                for platform in tuple(self._open_sinks):
                    try:
                        await self.resume(platform)
                    except StoreError as error:
                        log.debug("cannot look for waiting turns: %s", error)
                await asyncio.sleep(_SHORTEST_LOOK_SECONDS)
                wait = LOOK_INTERVAL.total_seconds() * random.uniform(0.75, 1.25)  # noqa: S311
                with suppress(asyncio.TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._should_look.wait()

    async def run_alone(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do what only one of the processes that share the store may do; see Store.run_alone."""
        await self._store.run_alone(name, work)

    def stop(self, turn_ids: Iterable[int]) -> None:
        """End these turns if they run here: what they have shown so far is closed with a word.

        One whose answer is whole already is left to deliver it.
        """
        ids = set(turn_ids)
        self._signs.clear(ids)
        for lane in self._lanes.values():
            if lane.run and lane.run.turn.id in ids:
                lane.run.stop()

    def check_hold(self, turn: Turn) -> None:
        """Raise LeaseLostError or LeaseDoubtfulError if another process may run a turn that was started here.

        To be asked right before each call to a platform: it costs no more than a look at the clock.
        """
        lane = self._lanes.get(turn.conversation_id)
        if lane and lane.lease and lane.lease.turn.id == turn.id:
            lane.lease.check()

    async def drain(self, grace: timedelta) -> None:
        """Begin no further turn, and give those that run so long to end.

        What is not done by then stays in the journal and is taken up by the next `resume`.
        """
        self._is_draining = True
        await self.wait_idle(grace)

    async def wait_idle(self, timeout: timedelta) -> bool:
        """Wait until the conversations that have something to do now are done. False if they are not."""
        tasks = [lane.task for lane in self._lanes.values() if lane.task]
        if not tasks:
            return True
        _, late = await asyncio.wait(tasks, timeout=timeout.total_seconds())
        return not late

    async def halt(self) -> None:
        """End all turns where they stand; the journal keeps them for whoever takes them up."""
        self._is_draining = True
        await self.memory.aclose()
        tasks = [lane.task for lane in self._lanes.values() if lane.task]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
            try:
                await self._store.hand_back()
            except StoreError as error:
                log.warning("turns could not be handed back at once: %s", error)
        await self._signs.aclose()

    @property
    def running_count(self) -> int:
        """How many turns run now."""
        return sum(1 for lane in self._lanes.values() if lane.run)

    @property
    def waiting_count(self) -> int:
        """How many turns that this process recorded have not yet begun."""
        running = {lane.run.turn.id for lane in self._lanes.values() if lane.run}
        return len({each for lane in self._lanes.values() for each in lane.received} - running)

    def _hear(self, word: str) -> None:
        """Heed what another process announced."""
        kind, _, turn_id = word.partition(" ")
        if kind == "waiting":
            self._should_look.set()
        elif kind == "stopped" and turn_id.isdecimal():
            self.stop([int(turn_id)])

    def _wake(self, conversation_id: int, *, may_be_stuck: bool = False) -> _Lane:
        lane = self._lanes.setdefault(conversation_id, _Lane(may_be_stuck=may_be_stuck))
        lane.was_woken = True
        if lane.task is None and not self._is_draining:
            lane.task = asyncio.create_task(self._run_lane(conversation_id, lane))
        return lane

    async def _run_lane(self, conversation_id: int, lane: _Lane) -> None:
        back_off = FIRST_BACK_OFF
        try:
            while not self._is_draining:
                lane.was_woken = False
                try:
                    lease = await self._take_next(conversation_id, lane)
                    if lease is not None:
                        await self._run_turn(lease, lane)
                    elif not lane.was_woken:
                        return
                    back_off = FIRST_BACK_OFF
                except LeaseLostError as error:
                    log.warning("conversation %d: %s", conversation_id, error)
                    lane.may_be_stuck = True
                except Exception as error:  # noqa: BLE001 -- it is logged, and the lane goes on
                    _log_failure(conversation_id, error, back_off)
                    await asyncio.sleep(back_off.total_seconds())
                    back_off = min(back_off * 2, LONGEST_BACK_OFF)
                    lane.may_be_stuck = True
        finally:
            self._signs.forget(lane.received)
            del self._lanes[conversation_id]

    async def _take_next(self, conversation_id: int, lane: _Lane) -> Lease | None:
        """Start what comes next: first what was left half done, for it holds up the rest."""
        began_at = read_clock()
        turn = None
        if lane.may_be_stuck:
            turn = await self._store.take_over(conversation_id)
            lane.may_be_stuck = False
        if turn is None:
            turn = await self._store.start_next(
                conversation_id,
                is_merging=self._options.waiting == "merge",
                is_admitted=self.gate.is_open,
            )
        if turn is None:
            return None
        return Lease(self._store, turn, began_at, self._options.store_patience)

    async def _run_turn(self, lease: Lease, lane: _Lane) -> None:
        """Run a turn. One for which no sink can be opened fails: it would hold up the lane for ever."""
        lane.lease, turn = lease, lease.turn
        await self._note_begin(turn, lane)
        try:
            sink = self._open_sinks[turn.key.platform](turn, lease.record)
        except Exception as error:
            log.exception("turn %d (%s): there is no way to reply", turn.id, turn.key)
            await self._store.fail(turn, f"no way to reply: {error!r}")
            return
        age = self._find_age(turn, lane)
        lane.run = run = Run(turn, lease, sink, self._means, age)
        try:
            async with beside(lease.keep(run.stop)):
                await run.run()
            self._note_end(run, lane)
            lane.received.pop(turn.id, None)
        finally:
            lane.run = None
            await sink.aclose()

    def _note_end(self, run: Run, lane: _Lane) -> None:
        """Tell the metrics what became of a turn."""
        if run.outcome is not None:
            took = self._find_age(run.turn, lane)
            self.metrics.note(TurnEnded(run.turn.key.platform, run.outcome, took))

    async def _note_begin(self, turn: Turn, lane: _Lane) -> None:
        """Note that a turn waits no more, nor do those that its reply answers, too."""
        answered = await self._load_answered(turn)
        ids = {each.id for each in answered}
        self._signs.clear_old(each for each in answered if each.id not in lane.fresh)
        self._signs.clear(ids)
        lane.fresh -= ids
        for each in ids - {turn.id}:
            lane.received.pop(each, None)

    async def _load_answered(self, turn: Turn) -> Sequence[Turn]:
        """Read which turns a turn's reply answers; no more than itself where that cannot be told."""
        if self._options.waiting != "merge" and turn.attempts == 1:
            return [turn]
        try:
            return [turn, *await self._store.load_merged(turn)]
        except StoreError as error:
            log.debug("turn %d: what was merged into it cannot be read: %s", turn.id, error)
            return [turn]

    def _find_age(self, turn: Turn, lane: _Lane) -> timedelta:
        recorded_at = lane.received.get(turn.id)
        if recorded_at is None:  # by an earlier process
            return self._now() - turn.received_at
        return timedelta(seconds=read_clock() - recorded_at)


def _log_failure(conversation_id: int, error: Exception, wait: timedelta) -> None:
    """A store that is full or away is no bug: it gets one line, anything else its traceback."""
    trace = None if isinstance(error, StoreError) else error
    log.error("conversation %d: %s; it goes on in %s", conversation_id, error, wait, exc_info=trace)
