"""A core as a test has it: a real store, models and sinks that work, and what runs turns."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from core.conversation import TurnState
from core.metrics import Metrics
from core.run import TurnOptions
from core.store.base import Store
from core.threads import Threads
from core.turns import Turns
from tests.fakes import FakeModels, RecordingSinks

OPTIONS = TurnOptions(system_prompt="Be kind.")


@dataclass
class Core:
    """A runner, what it works with, and what people do to its conversations."""

    store: Store
    models: FakeModels
    sinks: RecordingSinks
    turns: Turns
    threads: Threads

    async def settled(self, turn_id: int) -> TurnState:
        """Give a turn's state once no lane works on anything."""
        assert await self.turns.wait_idle(timedelta(seconds=20))
        turn = await self.store.find_turn(turn_id)
        assert turn
        return turn.state


@asynccontextmanager
async def open_core(
    store: Store, options: TurnOptions = OPTIONS, metrics: Metrics | None = None
) -> AsyncGenerator[Core]:
    """Begin a runner on a store."""
    models, sinks = FakeModels(), RecordingSinks()
    async with Turns(store, models, options, metrics=metrics) as turns:
        turns.attach("test", sinks.open_sink)
        yield Core(store, models, sinks, turns, Threads(store, models, turns))
