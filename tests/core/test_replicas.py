"""Two runners over one PostgreSQL database do the work of one: in order, once, whoever dies or stalls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from core import lease
from core.conversation import TurnState
from core.run import STOPPED
from core.store import sessions
from tests.core.replicas import END_LEASES, Replica, open_replica, wait_until_done
from tests.fakes import make_incoming
from tests.postgres import PostgresServer

pytestmark = pytest.mark.usefixtures("short_waits")


@pytest.fixture
async def two(postgres_url: str) -> AsyncIterator[tuple[Replica, Replica]]:
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(open_replica(postgres_url))
        yield one, await stack.enter_async_context(open_replica(postgres_url))


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
    assert await one.turns.wait_idle(timedelta(seconds=20))
    assert (shown.text, shown.notice) == ("", "")
    await wait_until_done(one.store)
    assert len((await one.store.load(shown.turn.key)).messages) == 2


async def test_a_runner_that_is_taken_over_in_the_middle_ends_at_the_next_heartbeat(
    two: tuple[Replica, Replica], postgres: PostgresServer, postgres_url: str
):
    one = two[0]
    one.models.hold()
    await one.turns.submit(make_incoming("hi"))
    shown = await one.sinks.wait_for_update()
    # The holder keeps it: either of the two could take over what nobody holds.
    taken = "UPDATE turns SET holder = 'another', attempts = attempts + 1"
    await asyncio.to_thread(postgres.run, taken, postgres_url)
    assert await one.turns.wait_idle(timedelta(seconds=20))
    assert (shown.text, shown.notice) == ("", "")
    one.models.release()
    await asyncio.to_thread(postgres.run, END_LEASES, postgres_url)
    await wait_until_done(one.store)
    ended = [each for replica in two for each in replica.sinks.shown if each.text]
    assert [(each.text, each.turn.attempts) for each in ended] == [("Answer to hi", 3)]


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


class Alone:
    """Work that only one may do, and who is at it."""

    def __init__(self) -> None:
        self.began: asyncio.Queue[str] = asyncio.Queue()
        self.under_way: set[str] = set()
        self.most = 0

    async def run(self, replica: Replica, name: str) -> None:
        """Wait for the work, and be at it until cancelled."""

        async def work() -> None:
            self.under_way.add(name)
            self.most = max(self.most, len(self.under_way))
            self.began.put_nowait(name)
            try:
                await asyncio.Event().wait()
            finally:
                self.under_way.discard(name)

        await replica.store.run_alone("work", work)

    @asynccontextmanager
    async def running(
        self, replicas: Sequence[Replica]
    ) -> AsyncGenerator[dict[str, asyncio.Task[None]]]:
        """Let these replicas be at it, named a, b, ..., or wait for it."""
        names = "ab"[: len(replicas)]
        tasks = {
            name: asyncio.create_task(self.run(each, name))
            for each, name in zip(replicas, names, strict=True)
        }
        try:
            async with asyncio.timeout(20):
                yield tasks
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)


_HOLDERS = f"FROM pg_locks WHERE locktype = 'advisory' AND classid = {sessions.HOLD_LOCK}"


async def _cut_holders(postgres: PostgresServer, url: str) -> None:
    await asyncio.to_thread(postgres.run, f"SELECT pg_terminate_backend(pid) {_HOLDERS}", url)


async def test_one_replica_does_what_only_one_may(two: tuple[Replica, Replica]):
    alone = Alone()
    async with alone.running(two) as tasks:
        first = await alone.began.get()
        tasks[first].cancel()
        assert await alone.began.get() != first
    assert alone.most == 1


async def test_work_goes_on_while_its_name_is_held_anew(
    two: tuple[Replica, Replica],
    postgres: PostgresServer,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
):
    held: asyncio.Queue[bool] = asyncio.Queue()
    try_hold = sessions.Sessions._try_hold  # pyright: ignore[reportPrivateUsage]

    async def notice(self: sessions.Sessions, *of: Any) -> bool:
        held.put_nowait(await try_hold(self, *of))
        return True

    monkeypatch.setattr(sessions.Sessions, "_try_hold", notice)
    alone, rival = Alone(), Alone()
    async with alone.running(two[:1]):
        assert await held.get()
        await alone.began.get()
        await _cut_holders(postgres, postgres_url)
        assert await held.get()
        monkeypatch.undo()
        async with rival.running(two[1:]):
            await asyncio.sleep(0.5)
        assert alone.under_way == {"a"}
    assert alone.began.empty()
    assert rival.began.empty()


async def test_work_is_left_where_its_name_is_not_held_anew_in_time(
    two: tuple[Replica, Replica],
    postgres: PostgresServer,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(sessions, "GOES_ON", timedelta())
    alone = Alone()
    async with alone.running(two):
        await alone.began.get()
        await _cut_holders(postgres, postgres_url)
        await alone.began.get()
    assert alone.most == 1


async def test_a_failure_of_what_only_one_may_do_is_raised(two: tuple[Replica, Replica]):
    async def work() -> None:
        raise ConnectionError("of the work")

    async with asyncio.timeout(20):
        with pytest.raises(ConnectionError, match="of the work"):
            await two[0].store.run_alone("work", work)
        with pytest.raises(ConnectionError, match="of the work"):
            await two[1].store.run_alone("work", work)
