"""What a process does that cannot reach the database: it cannot tell whether its turn is its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core import lane, lease
from core.conversation import Turn, TurnState
from core.errors import LeaseDoubtfulError, StoreError
from core.store.sql import SqlStore
from tests.core.replicas import END_LEASES, OPTIONS, Replica, open_replica, wait_until_done
from tests.fakes import Shown, make_incoming
from tests.postgres import PostgresServer

LEASE = timedelta(seconds=0.3)


@pytest.fixture(autouse=True)
def short_leases(short_waits: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LEASE", LEASE)


@pytest.fixture
async def one(postgres_url: str) -> AsyncIterator[Replica]:
    async with open_replica(postgres_url) as replica:
        yield replica


@asynccontextmanager
async def stopped(postgres: PostgresServer) -> AsyncGenerator[None]:
    """Have no database meanwhile."""
    await asyncio.to_thread(postgres.stop)
    try:
        yield
    finally:
        await asyncio.to_thread(postgres.start)


async def ask(replica: Replica) -> Shown:
    """Let a question be answered as far as the first word."""
    replica.models.hold()
    await replica.turns.submit(make_incoming("hi"))
    return await replica.sinks.wait_for_update()


async def wait_until_doubtful(replica: Replica, shown: Shown) -> None:
    async with asyncio.timeout(20):
        while not is_doubtful(replica, shown):  # noqa: ASYNC110 -- time alone brings it
            await asyncio.sleep(0.02)


def is_doubtful(replica: Replica, shown: Shown) -> bool:
    try:
        shown.hold.check()
    except LeaseDoubtfulError:
        return True
    return False


async def test_an_answer_outlives_a_database_that_is_away_for_longer_than_its_lease(
    one: Replica, postgres: PostgresServer
):
    shown = await ask(one)
    async with stopped(postgres):
        await wait_until_doubtful(one, shown)
        one.models.release()
    await one.sinks.wait_for(1)
    await wait_until_done(one.store)
    assert (shown.text, shown.notice, shown.turn.attempts) == ("Answer to hi", "", 1)
    assert len(one.models.requests) == 1


async def test_an_answer_that_is_doubtful_for_too_long_is_given_up_and_asked_for_again(
    postgres: PostgresServer, postgres_url: str
):
    options = replace(OPTIONS, store_patience=timedelta(0))
    async with open_replica(postgres_url, options) as one:
        shown = await ask(one)
        async with stopped(postgres), asyncio.timeout(20):
            while one.turns.running_count:  # noqa: ASYNC110 -- nothing tells
                await asyncio.sleep(0.02)
        one.models.release()
        again = (await one.sinks.wait_for(1))[-1]
        await wait_until_done(one.store)
    assert (shown.text, shown.notice) == ("", "")
    assert (again.text, again.turn.attempts) == ("Answer to hi", 2)


async def test_a_process_cut_off_from_the_database_says_no_more_of_what_another_took_over(
    one: Replica, postgres: PostgresServer, postgres_url: str, monkeypatch: pytest.MonkeyPatch
):
    async def fail(_: object) -> bool:
        raise StoreError("out of reach")

    shown = await ask(one)
    async with open_replica(postgres_url) as other:
        with monkeypatch.context() as cut:
            cut.setattr(one.store, "extend", fail)
            await asyncio.to_thread(postgres.run, END_LEASES, postgres_url)
            await wait_until_doubtful(one, shown)
            [taken] = await other.sinks.wait_for(1)
        assert await one.turns.wait_idle(timedelta(seconds=20))
        assert (taken.text, taken.turn.attempts) == ("Answer to hi", 2)
        assert (shown.text, shown.notice) == ("", "")
        await expect_done(other.store, shown.turn.id)


async def test_a_turn_that_nobody_took_over_goes_on_after_a_standstill(
    one: Replica, monkeypatch: pytest.MonkeyPatch
):
    shown = await ask(one)
    clock = lease.read_clock
    monkeypatch.setattr(lease, "read_clock", lambda: clock() + 60)
    assert is_doubtful(one, shown)
    one.models.release()
    await one.sinks.wait_for(1)
    await expect_done(one.store, shown.turn.id)
    assert len(one.models.requests) == 1


async def test_a_standstill_while_a_turn_is_started_counts(
    one: Replica, monkeypatch: pytest.MonkeyPatch
):
    clock, start_next = lease.read_clock, one.store.start_next
    late = 0.0

    async def start_and_stall(*of: Any, **more: Any) -> Turn | None:
        nonlocal late
        turn = await start_next(*of, **more)
        late = 60.0
        return turn

    for module in (lane, lease):
        monkeypatch.setattr(module, "read_clock", lambda: clock() + late)
    monkeypatch.setattr(lease, "HEARTBEAT", timedelta(seconds=60))
    monkeypatch.setattr(one.store, "start_next", start_and_stall)
    assert is_doubtful(one, await ask(one))


async def expect_done(store: SqlStore, turn_id: int) -> None:
    await wait_until_done(store)
    turn = await store.find_turn(turn_id)
    assert turn
    assert turn.state is TurnState.DONE
