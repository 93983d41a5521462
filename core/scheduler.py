"""Work by the clock, on APScheduler: prune conversations that nobody touched for long."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler  # pyright: ignore[reportMissingTypeStubs]

from core.errors import StoreError
from core.store.base import Store

log = logging.getLogger("skein.scheduler")

PRUNE_EVERY = timedelta(hours=1)
BATCH = 50
BREATH = timedelta(milliseconds=50)


async def prune(store: Store, retention: timedelta, now: datetime) -> int:
    """Delete conversations untouched for `retention`, in small batches with a breath in between.

    A batch is one short transaction, so that a turn never waits for more than one. It bears
    cancellation at any point: what is left goes next time.
    """
    pruned = 0
    while count := await store.prune(now - retention, BATCH):
        pruned += count
        await asyncio.sleep(BREATH.total_seconds())
    if pruned:
        log.info("pruned %d conversations untouched for %d days", pruned, retention.days)
    return pruned


async def run_scheduler(store: Store, retention: timedelta | None) -> None:
    """Run the jobs until cancelled, in one of the processes that share the store."""

    async def work() -> None:
        async with open_scheduler(store, retention):
            await asyncio.Event().wait()

    await store.run_alone("scheduler", work)


@asynccontextmanager
async def open_scheduler(
    store: Store,
    retention: timedelta | None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AsyncGenerator[AsyncIOScheduler]:
    """Run the jobs until the context ends. Without a retention nothing is pruned."""
    scheduler = AsyncIOScheduler(timezone=UTC)

    async def prune_job() -> None:
        if retention is None:
            return
        try:
            await prune(store, retention, now())
        except StoreError as error:
            log.warning("nothing is pruned this time: %s", error)

    if retention is not None:
        scheduler.add_job(  # pyright: ignore[reportUnknownMemberType]
            prune_job,
            "interval",
            seconds=PRUNE_EVERY.total_seconds(),
            next_run_time=datetime.now(UTC) + timedelta(seconds=10),
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )
    scheduler.start()
    try:
        yield scheduler
    finally:
        scheduler.shutdown(wait=False)
