"""Who runs on a PostgreSQL database: any number of runners, or one command alone."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from core.errors import StoreBusyError
from core.store import runner
from core.store.database import RUNNER_LOCK
from core.store.postgres import open_postgres
from core.store.runner import lock_postgres
from tests.core.store.blocked import TIMEOUT, wait_until_blocked
from tests.core.store.values import (
    ask,
    start,
)
from tests.postgres import PostgresServer

TAKE_LOCK = f"SELECT pg_advisory_lock({RUNNER_LOCK}, hashtext(current_schema()))"


END_THE_RUNNER = """
    SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
"""


async def test_runner_takes_its_lock_again_when_the_server_is_back(
    postgres_url: str,
    postgres: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(runner, "GRACE", timedelta(milliseconds=50))
    monkeypatch.setattr(runner, "RETRY_INTERVAL", timedelta(milliseconds=20))
    async with lock_postgres(postgres_url):
        await asyncio.to_thread(postgres.stop)
        await asyncio.to_thread(postgres.start)
        async with asyncio.timeout(TIMEOUT):
            while "held again" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        with pytest.raises(StoreBusyError):
            async with lock_postgres(postgres_url, is_alone=True):
                pass
    async with lock_postgres(postgres_url, is_alone=True):
        pass


async def test_a_lone_runner_waits_for_no_lease_of_a_dead_one(postgres_url: str) -> None:
    async with open_postgres(postgres_url) as dead:
        turn = await start(dead, ask(1))
        assert await dead.claim_summary(turn.conversation_id, timedelta(minutes=5))
    async with open_postgres(postgres_url) as store:
        async with lock_postgres(postgres_url), lock_postgres(postgres_url):
            await store.free_the_deads()
            assert await store.take_over(turn.conversation_id) is None
            assert not await store.claim_summary(turn.conversation_id, timedelta(minutes=5))
        async with lock_postgres(postgres_url):
            await store.free_the_deads()
            assert await store.take_over(turn.conversation_id) is not None


async def test_runner_that_lost_its_lock_to_another_is_stopped(
    postgres_url: str, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "GRACE", timedelta(milliseconds=300))
    other = await asyncpg.connect(postgres_url)

    async def lose_the_lock() -> None:
        async with lock_postgres(postgres_url):
            taking = asyncio.create_task(other.execute(TAKE_LOCK))
            await wait_until_blocked(postgres_url)
            await asyncio.to_thread(postgres.run, END_THE_RUNNER)
            await taking
            await asyncio.Event().wait()

    try:
        async with asyncio.timeout(TIMEOUT):
            with pytest.raises(StoreBusyError):
                await lose_the_lock()
    finally:
        await other.close()


async def test_failure_under_the_runners_lock_is_raised_as_it_is(postgres_url: str) -> None:
    with pytest.raises(ValueError, match="of the body"):
        async with lock_postgres(postgres_url):
            raise ValueError("of the body")
