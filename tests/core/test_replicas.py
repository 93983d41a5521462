"""Two runners over one PostgreSQL database do the work of one: in order, once, whoever dies or stalls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from core import lease, turns
from core.beside import beside
from core.conversation import TurnState
from core.run import STOPPED, TurnOptions
from core.store import sessions
from core.store.postgres import open_postgres
from core.store.sql import SqlStore
from core.threads import Threads
from core.turns import Turns
from tests.fakes import FakeModels, RecordingSinks, make_incoming
from tests.postgres import PostgresServer

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
async def open_replica(url: str) -> AsyncIterator[Replica]:
    models, sinks = FakeModels(), RecordingSinks()
    async with open_postgres(url) as store, Turns(store, models, OPTIONS) as turns:
        turns.attach("test", sinks.open_sink)
        async with beside(turns.share()):
            yield Replica(store, models, sinks, turns, Threads(store, models, turns))


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "LOOK_INTERVAL", timedelta(milliseconds=100))
    monkeypatch.setattr(lease, "HEARTBEAT", timedelta(milliseconds=100))
    monkeypatch.setattr(sessions, "TRY_INTERVAL", timedelta(milliseconds=100))


@pytest.fixture
async def two(postgres_url: str) -> AsyncIterator[tuple[Replica, Replica]]:
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(open_replica(postgres_url))
        yield one, await stack.enter_async_context(open_replica(postgres_url))


async def wait_until_done(store: SqlStore) -> None:
    async with asyncio.timeout(10):
        while await store.load_unfinished():  # noqa: ASYNC110 -- another process would do it
            await asyncio.sleep(0.02)


async def test_a_conversation_is_in_order_whichever_replica_heard_the_messages(
    two: tuple[Replica, Replica],
):
    one, other = two
    one.models.hold()
    await one.turns.submit(make_incoming("n0"))
    await one.sinks.wait_for_update()
    for number in (3, 1, 2):
        await (other if number % 2 else one).turns.submit(
            make_incoming(f"n{number}", number=number)
        )
    one.models.release()
    await wait_until_done(one.store)
    messages = [message.text for message in (await one.store.load(make_incoming("").key)).messages]
    assert messages == [text for n in range(4) for text in (f"n{n}", f"Answer to n{n}")]
    shown = [each.text for each in (*one.sinks.shown, *other.sinks.shown)]
    assert sorted(shown) == [f"Answer to n{n}" for n in range(4)]


async def test_many_messages_heard_twice_get_one_reply_each(two: tuple[Replica, Replica]):
    incoming = [make_incoming(f"q{n}", thread=f"t{n % 5}", number=n) for n in range(30)]
    await asyncio.gather(*(each.turns.submit(one) for one in incoming for each in two))
    await wait_until_done(two[0].store)
    texts = [shown.text for each in two for shown in each.sinks.shown]
    assert sorted(texts) == sorted(f"Answer to q{n}" for n in range(30))


async def test_a_turn_whose_lease_ran_out_is_taken_over_and_its_first_runner_says_nothing_more(
    two: tuple[Replica, Replica],
    postgres: PostgresServer,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
):
    one, other = two
    one.models.hold()
    monkeypatch.setattr(lease, "HEARTBEAT", timedelta(seconds=60))  # the first one stalls
    await one.turns.submit(make_incoming("hi"))
    shown = await one.sinks.wait_for_update()
    monkeypatch.setattr(lease, "HEARTBEAT", timedelta(milliseconds=100))
    await asyncio.to_thread(postgres.run, END_LEASES, postgres_url)
    [taken] = await other.sinks.wait_for(1)
    assert (taken.text, taken.turn.attempts) == ("Answer to hi", 2)
    one.models.release()
    assert await one.turns.wait_idle(timedelta(seconds=10))
    assert (shown.text, shown.notice) == ("", "")
    await wait_until_done(one.store)
    assert len((await one.store.load(shown.turn.key)).messages) == 2


async def test_a_runner_that_is_taken_over_in_the_middle_ends_at_the_next_heartbeat(
    two: tuple[Replica, Replica], postgres: PostgresServer, postgres_url: str
):
    one, other = two
    one.models.hold()
    other.models.hold()
    await one.turns.submit(make_incoming("hi"))
    shown = await one.sinks.wait_for_update()
    # Nobody renews in between: both statements are one transaction.
    taken = f"{END_LEASES}, holder = 'gone', attempts = attempts + 1"
    await asyncio.to_thread(postgres.run, taken, postgres_url)
    await other.sinks.wait_for_update()
    assert await one.turns.wait_idle(timedelta(seconds=10))
    assert (shown.text, shown.notice) == ("", "")
    other.models.release()
    await other.sinks.wait_for(1)


async def test_a_lease_that_is_renewed_keeps_others_off(
    two: tuple[Replica, Replica], postgres_url: str
):
    one, other = two
    one.models.hold()
    await one.turns.submit(make_incoming("hi"))
    shown = await one.sinks.wait_for_update()
    for _ in range(3):
        assert await one.store.extend(shown.turn)
        assert await other.turns.resume("test") == 0
    assert await other.store.take_over(shown.turn.conversation_id) is None
    one.models.release()
    await one.sinks.wait_for(1)


async def test_a_clear_ends_the_turn_that_runs_in_another_replica(two: tuple[Replica, Replica]):
    one, other = two
    one.models.hold()
    await one.turns.submit(make_incoming("never mind"))
    shown = await one.sinks.wait_for_update()
    assert await other.threads.clear(shown.turn.key)
    await one.sinks.wait_for(1)
    assert (shown.text, shown.notice) == ("Answer", STOPPED)
    turn = await other.store.find_turn(shown.turn.id)
    assert turn
    assert turn.state is TurnState.CANCELLED


async def test_a_turn_that_was_cancelled_without_a_word_ends_at_the_next_heartbeat(
    two: tuple[Replica, Replica], postgres: PostgresServer, postgres_url: str
):
    one = two[0]
    one.models.hold()
    await one.turns.submit(make_incoming("never mind"))
    shown = await one.sinks.wait_for_update()
    cancel = "UPDATE turns SET state = 'cancelled', finished_at = now()"
    await asyncio.to_thread(postgres.run, cancel, postgres_url)
    await one.sinks.wait_for(1)
    assert shown.notice == STOPPED


async def test_what_a_halted_replica_had_under_way_is_taken_over_at_once(postgres_url: str):
    async with open_replica(postgres_url) as other:
        async with open_replica(postgres_url) as one:
            one.models.hold()
            await one.turns.submit(make_incoming("half done"))
            await one.sinks.wait_for_update()
            await other.turns.submit(make_incoming("never begun", number=1))
        shown = await other.sinks.wait_for(2)
        assert [each.text for each in shown] == ["Answer to half done", "Answer to never begun"]
        assert shown[0].turn.attempts == 2


async def test_one_replica_does_what_only_one_may_until_its_connection_is_lost(
    two: tuple[Replica, Replica], postgres: PostgresServer, postgres_url: str
):
    began: asyncio.Queue[str] = asyncio.Queue()
    under_way: set[str] = set()
    most: list[int] = []

    async def run(replica: Replica, name: str) -> None:
        async def work() -> None:
            under_way.add(name)
            most.append(len(under_way))
            began.put_nowait(name)
            try:
                await asyncio.Event().wait()
            finally:
                under_way.discard(name)

        await replica.store.run_alone("work", work)

    tasks = {
        name: asyncio.create_task(run(each, name)) for each, name in zip(two, "ab", strict=True)
    }
    async with asyncio.timeout(15):
        first = await began.get()
        tasks[first].cancel()
        second = await began.get()
        assert second != first
        key = f"classid = {sessions.HOLD_LOCK}"
        kill = (
            f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND {key}"  # noqa: S608
        )
        await asyncio.to_thread(postgres.run, kill, postgres_url)
        assert await began.get() == second
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    assert set(most) == {1}


async def test_a_failure_of_what_only_one_may_do_is_raised(two: tuple[Replica, Replica]):
    async def work() -> None:
        raise ConnectionError("of the work")

    async with asyncio.timeout(10):
        with pytest.raises(ConnectionError, match="of the work"):
            await two[0].store.run_alone("work", work)
        with pytest.raises(ConnectionError, match="of the work"):
            await two[1].store.run_alone("work", work)
