"""Runs turns: one message to one reply, in order within a conversation, side by side across them.

Each conversation with something to do has a lane, a task that runs its turns one after another and
ends when none is left. The journal in the store says what is to be done; a lane holds nothing that
a crash could lose.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from core.conversation import Incoming, ReplyMessage, Turn, TurnState
from core.errors import StoreError
from core.providers.base import Models
from core.run import Run, TurnOptions
from core.sink import OpenSink
from core.store.base import Store

log = logging.getLogger("skein.turns")

FIRST_BACK_OFF = timedelta(seconds=1)
LONGEST_BACK_OFF = timedelta(seconds=60)


@dataclass(slots=True)
class _Lane:
    """One conversation's worker. `resumed` are turns that an earlier process left half done."""

    task: asyncio.Task[None] | None = None
    run: Run | None = None
    resumed: deque[Turn] = field(default_factory=deque[Turn])
    was_woken: bool = False
    may_be_stuck: bool = False
    """Whether the store failed in the middle of a turn, which is then neither done nor queued."""
    received: dict[int, float] = field(default_factory=dict[int, float])
    """When this process recorded a turn, by the monotonic clock: the other one may be set."""


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
    ) -> None:
        self._store = store
        self._models = models
        self._options = options
        self._now = now
        self._open_sinks: dict[str, OpenSink] = {}
        self._lanes: dict[int, _Lane] = {}
        self._is_draining = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.halt()

    def attach(self, platform: str, open_sink: OpenSink) -> None:
        """Say how replies are shown on a platform. Its turns can run from now on."""
        self._open_sinks[platform] = open_sink

    async def submit(self, incoming: Incoming) -> bool:
        """Commit a message and queue its turn; durable when this returns. False if seen before.

        Raises StoreError; the message must then not be acknowledged.
        """
        recorded = await self._store.record(incoming)
        if not recorded.turn.state.is_final:  # one seen before may have lost its caller before this
            lane = self._wake(recorded.turn.conversation_id)
            lane.received.setdefault(recorded.turn.id, time.monotonic())
        return recorded.is_new

    async def resume(self, platform: str) -> int:
        """Take up what an earlier process left unfinished on a platform.

        To be called once after `attach`, before the platform's first message is submitted.
        """
        unfinished = [
            turn for turn in await self._store.load_unfinished() if turn.key.platform == platform
        ]
        for turn in unfinished:
            lane = self._lanes.setdefault(turn.conversation_id, _Lane())
            if turn.state is not TurnState.QUEUED:
                lane.resumed.append(turn)
        for conversation_id in {turn.conversation_id for turn in unfinished}:
            self._wake(conversation_id)
        return len(unfinished)

    def stop(self, turn_ids: Iterable[int]) -> None:
        """End these turns if they run here: what they have shown so far is closed with a word.

        One whose answer is whole already is left to deliver it.
        """
        ids = set(turn_ids)
        for lane in self._lanes.values():
            if lane.run and lane.run.turn.id in ids:
                lane.run.stop()

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
        """End all turns where they stand; the journal keeps them for the next `resume`."""
        self._is_draining = True
        tasks = [lane.task for lane in self._lanes.values() if lane.task]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    @property
    def running_count(self) -> int:
        """How many turns run now."""
        return sum(1 for lane in self._lanes.values() if lane.run)

    def _wake(self, conversation_id: int) -> _Lane:
        lane = self._lanes.setdefault(conversation_id, _Lane())
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
                    turn = await self._next_turn(conversation_id, lane)
                    if turn is not None:
                        await self._run_turn(turn, lane)
                    elif not lane.was_woken:
                        return
                    back_off = FIRST_BACK_OFF
                except Exception as error:  # noqa: BLE001 -- it is logged, and the lane goes on
                    _log_failure(conversation_id, error, back_off)
                    await asyncio.sleep(back_off.total_seconds())
                    back_off = min(back_off * 2, LONGEST_BACK_OFF)
                    lane.may_be_stuck = True
        finally:
            del self._lanes[conversation_id]

    async def _next_turn(self, conversation_id: int, lane: _Lane) -> Turn | None:
        """Start what comes next: first what was left half done, for it holds up the rest."""
        if lane.may_be_stuck:
            unfinished = await self._store.load_unfinished()
            lane.resumed.extend(
                turn
                for turn in unfinished
                if turn.conversation_id == conversation_id and turn.state is not TurnState.QUEUED
            )
            lane.may_be_stuck = False
        while lane.resumed:
            turn = await self._store.restart(lane.resumed.popleft().id)
            if turn is not None:
                return turn
        return await self._store.start_next(conversation_id)

    async def _run_turn(self, turn: Turn, lane: _Lane) -> None:
        """Run a turn. One for which no sink can be opened fails: it would hold up the lane for ever."""

        async def record(reply: ReplyMessage) -> None:
            await self._store.add_reply_message(turn.id, reply)

        try:
            sink = self._open_sinks[turn.key.platform](turn, record)
        except Exception as error:
            log.exception("turn %d (%s): there is no way to reply", turn.id, turn.key)
            await self._store.fail(turn.id, f"no way to reply: {error!r}")
            return
        age = self._find_age(turn, lane)
        lane.run = Run(turn, sink, self._store, self._models, self._options, age)
        try:
            await lane.run.run()
            lane.received.pop(turn.id, None)
        finally:
            lane.run = None
            await sink.aclose()

    def _find_age(self, turn: Turn, lane: _Lane) -> timedelta:
        recorded_at = lane.received.get(turn.id)
        if recorded_at is None:  # by an earlier process
            return self._now() - turn.received_at
        return timedelta(seconds=time.monotonic() - recorded_at)


def _log_failure(conversation_id: int, error: Exception, wait: timedelta) -> None:
    """A store that is full or away is no bug: it gets one line, anything else its traceback."""
    trace = None if isinstance(error, StoreError) else error
    log.error("conversation %d: %s; it goes on in %s", conversation_id, error, wait, exc_info=trace)
