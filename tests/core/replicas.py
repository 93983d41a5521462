"""Runners over one PostgreSQL database, each as it is in a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from core.beside import beside
from core.run import TurnOptions
from core.store.postgres import open_postgres
from core.store.sql import SqlStore
from core.threads import Threads
from core.turns import Turns
from tests.fakes import FakeModels, RecordingSinks

OPTIONS = TurnOptions(system_prompt="Be kind.")
END_LEASES = "UPDATE turns SET lease_until = now() - interval '1 second'"


@dataclass
class Replica:
    """What one process has."""

    store: SqlStore
    models: FakeModels
    sinks: RecordingSinks
    turns: Turns
    threads: Threads


@asynccontextmanager
async def open_replica(url: str, options: TurnOptions = OPTIONS) -> AsyncGenerator[Replica]:
    """Begin a runner that shares turns with others."""
    models, sinks = FakeModels(), RecordingSinks()
    async with open_postgres(url) as store, Turns(store, models, options) as turns:
        turns.attach("test", sinks.open_sink)
        async with beside(turns.share()):
            yield Replica(store, models, sinks, turns, Threads(store, models, turns))


async def wait_until_done(store: SqlStore) -> None:
    """Wait until no turn is left, whoever runs it."""
    async with asyncio.timeout(20):
        while await store.load_unfinished():  # noqa: ASYNC110 -- another process would do it
            await asyncio.sleep(0.02)
