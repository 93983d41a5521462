"""Runs turns: one message to one reply, in order within a conversation, side by side across them.

Each conversation with something to do has a lane, a task that runs its turns one after another and
ends when none is left. The journal in the store says what is to be done; a lane holds nothing that
a crash could lose. Several processes may run turns of one store: each turn is held by one of them.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Self

from core.beside import beside
from core.conversation import Incoming
from core.errors import StoreError
from core.gate import Gate
from core.intake import FileSource, Intake
from core.lane import Lane, Surroundings
from core.memory.memory import Memory
from core.metrics import Metrics, NullMetrics
from core.providers.base import Models
from core.run import Means, TurnOptions
from core.signs import Sign, Signs
from core.sink import OpenSink
from core.store.base import Store

log = logging.getLogger("skein.turns")

LOOK_INTERVAL = timedelta(seconds=2)
"""How often to look for what other processes left: the net below the words that they announce."""
_SHORTEST_LOOK_SECONDS = 0.05


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
        self.metrics = metrics or NullMetrics()
        self._store = store
        self._open_sinks: dict[str, OpenSink] = {}
        self._signs = Signs()
        self._surroundings = Surroundings(
            Means(store, models, options, self._intake, self.memory, self.gate),
            self._open_sinks,
            self._signs,
            self.metrics,
            now,
        )
        self._lanes: dict[int, Lane] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
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
            lane.receive(recorded.turn, is_new=recorded.is_new)
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
            lane.stop(ids)

    async def drain(self, grace: timedelta) -> None:
        """Begin no further turn, and give those that run so long to end.

        What is not done by then stays in the journal and is taken up by the next `resume`.
        """
        self._begin_no_more()
        await self.wait_idle(grace)

    async def wait_idle(self, timeout: timedelta) -> bool:
        """Wait until the conversations that have something to do now are done. False if they are not."""
        if not self._tasks:
            return True
        tasks = self._tasks.values()
        _, late = await asyncio.wait(tasks, timeout=timeout.total_seconds())
        return not late

    async def halt(self) -> None:
        """End all turns where they stand; the journal keeps them for whoever takes them up."""
        self._begin_no_more()
        await self.memory.aclose()
        tasks = tuple(self._tasks.values())
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
        return sum(lane.is_running for lane in self._lanes.values())

    @property
    def waiting_count(self) -> int:
        """How many turns that this process recorded have not yet begun."""
        return sum(len(lane.waiting_ids) for lane in self._lanes.values())

    def _hear(self, word: str) -> None:
        """Heed what another process announced."""
        kind, _, turn_id = word.partition(" ")
        if kind == "waiting":
            self._should_look.set()
        elif kind == "stopped" and turn_id.isdecimal():
            self.stop([int(turn_id)])

    def _begin_no_more(self) -> None:
        self._is_draining = True
        for lane in self._lanes.values():
            lane.drain()

    def _wake(self, conversation_id: int, *, may_be_stuck: bool = False) -> Lane:
        """Have a conversation's lane look for something to do; one that is not there is begun."""
        lane = self._lanes.get(conversation_id)
        if lane is None:
            lane = Lane(conversation_id, self._surroundings, may_be_stuck=may_be_stuck)
            self._lanes[conversation_id] = lane
        lane.wake()
        if conversation_id not in self._tasks and not self._is_draining:
            self._tasks[conversation_id] = asyncio.create_task(self._work(conversation_id, lane))
        return lane

    async def _work(self, conversation_id: int, lane: Lane) -> None:
        try:
            await lane.work()
        finally:
            del self._lanes[conversation_id], self._tasks[conversation_id]
