"""Pruning: what nobody touched goes, what is busy or fresh stays."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from apscheduler.events import EVENT_JOB_EXECUTED

from core.conversation import Usage
from core.scheduler import BATCH, open_scheduler, prune
from core.store.base import Store
from core.store.sqlite import open_sqlite
from tests.fakes import make_incoming

NOW = datetime(2026, 6, 1, tzinfo=UTC)
RETENTION = timedelta(days=90)


async def answer(store: Store, thread: str) -> None:
    """Let a conversation have a question and its answer, and nothing more to do."""
    turn = (await store.record(make_incoming("question", thread=thread))).turn
    started = await store.start_next(turn.conversation_id)
    assert started
    await store.save_reply(started, "answer", "m", Usage())
    await store.finish(started)


async def test_old_conversations_are_pruned_in_batches(tmp_path: Path):
    clock = [NOW - timedelta(days=100)]
    async with open_sqlite(f"sqlite:///{tmp_path / 'skein.db'}", now=lambda: clock[0]) as store:
        for number in range(BATCH + 5):
            await answer(store, f"old{number}")
        await store.record(make_incoming("still waiting", thread="busy"))
        clock[0] = NOW
        await answer(store, "fresh")
        assert await prune(store, RETENTION, NOW) == BATCH + 5
        left = {info.key.thread for info in await store.load_recent("test")}
        assert left == {"busy", "fresh"}


async def test_the_schedule_prunes_what_is_old_by_then(tmp_path: Path):
    was_run = asyncio.Event()
    async with open_sqlite(f"sqlite:///{tmp_path / 'skein.db'}", now=lambda: NOW) as store:
        await answer(store, "old")
        then = NOW + RETENTION + timedelta(days=1)
        async with open_scheduler(store, RETENTION, lambda: then) as scheduler:
            scheduler.add_listener(lambda _: was_run.set(), EVENT_JOB_EXECUTED)
            [job] = scheduler.get_jobs()
            job.modify(next_run_time=datetime.now(UTC))
            async with asyncio.timeout(20):
                await was_run.wait()
        assert await store.load_recent("test") == []


async def test_the_schedule_prunes_only_with_a_retention(tmp_path: Path):
    async with open_sqlite(f"sqlite:///{tmp_path / 'skein.db'}") as store:
        async with open_scheduler(store, None) as scheduler:
            assert scheduler.get_jobs() == []
        async with open_scheduler(store, RETENTION) as scheduler:
            assert len(scheduler.get_jobs()) == 1
