"""What holds for the PostgreSQL backend alone, which many processes use at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest

from core.conversation import ReplyMessage, ThreadKey, TurnState, Usage
from core.errors import StoreError
from core.store import postgres as backend
from core.store.address import parse_postgres_url
from core.store.base import Store
from core.store.postgres import open_postgres
from core.store.runner import lock_postgres
from core.store.shared_limits import SharedLimiter
from tests.core.store.blocked import TIMEOUT, hold, wait_until_blocked
from tests.core.store.values import (
    KEY,
    Calendar,
    ask,
    at,
    complete,
    get_turn,
    load_texts,
    queue,
    start,
)
from tests.postgres import PostgresServer


@asynccontextmanager
async def open_two(url: str) -> AsyncGenerator[tuple[Store, Store]]:
    """Two processes have two pools; nothing else in a store is shared."""
    async with open_postgres(url) as one, open_postgres(url) as two:
        yield one, two


async def test_message_recorded_by_two_processes_at_once_is_one_turn(postgres_url: str) -> None:
    async with open_two(postgres_url) as stores:
        for seconds in range(20):
            recorded = await asyncio.gather(
                *(store.record(ask(seconds)) for store in stores for _ in range(2))
            )
            assert sum(one.is_new for one in recorded) == 1
            assert len({one.turn.id for one in recorded}) == 1


async def test_two_processes_start_each_turn_once_and_in_order(postgres_url: str) -> None:
    async with open_two(postgres_url) as (one, two):
        turns = [await queue(one, ask(seconds)) for seconds in range(10)]
        order: list[int] = []
        for _ in turns:
            started = await asyncio.gather(
                *(store.start_next(turns[0].conversation_id) for store in (one, two, one, two))
            )
            [turn] = [turn for turn in started if turn]
            order.append(turn.id)
            moved = await asyncio.gather(
                *(store.save_reply(turn, "a", "model", Usage()) for store in (one, two))
            )
            assert sorted(moved) == [False, True]
            finished = await asyncio.gather(*(store.finish(turn) for store in (one, two)))
            assert sorted(finished) == [False, True]
        assert order == [turn.id for turn in turns]
        assert {(await get_turn(one, turn.id)).attempts for turn in turns} == {1}


async def test_everything_at_once_leaves_a_conversation_whole(postgres_url: str) -> None:
    async with open_two(postgres_url) as (one, two):
        for round_number in range(15):
            first = await start(one, ask(round_number * 10))
            waiting = await queue(two, ask(round_number * 10 + 1))
            await asyncio.gather(
                one.save_reply(first, "answer", "model", Usage()),
                two.clear(KEY, at(round_number * 10)),
                two.cancel(waiting, "deleted"),
                one.record(ask(round_number * 10 + 2)),
                two.record(ask(round_number * 10 + 2)),
                one.add_reply_message(first, ReplyMessage(0, "r")),
                two.start_next(first.conversation_id),
            )
            # Cleared first, or answered first and then cleared: it is never half of both.
            assert (await get_turn(one, first.id)).state is TurnState.CANCELLED
            # Deleted first, or started first, and then whoever deletes it has an old one in hand.
            assert (await get_turn(one, waiting.id)).state in (
                TurnState.CANCELLED,
                TurnState.RUNNING,
            )
            for turn in await one.load_unfinished():
                await one.cancel(turn, "next round")
            assert await load_texts(one) == []
        history = await one.load_history(KEY)
        assert len({message.turn_id for message in history}) == 45


async def test_conversation_that_is_asked_in_while_it_is_pruned_stays(
    postgres_url: str, calendar: Calendar
) -> None:
    async with open_postgres(postgres_url, now=calendar.now) as store:
        await complete(store, ask(1))
        calendar.advance(days=100)
        used = "UPDATE conversations SET updated_at = $1"
        async with hold(postgres_url, used, calendar.now()):
            assert await store.prune(calendar.now() - timedelta(days=90), 10) == 0
        assert await store.prune(calendar.now() - timedelta(days=90), 10) == 0
        assert len(await store.load_history(KEY)) == 2


async def test_other_conversations_do_not_wait_for_one_that_is_locked(postgres_url: str) -> None:
    other = ask(2, key=ThreadKey("slack", "T", "C"))
    async with open_postgres(postgres_url) as store:
        turn = await queue(store, ask(1))
        lock = "SELECT id FROM conversations WHERE id = $1 FOR UPDATE"
        async with hold(postgres_url, lock, turn.conversation_id), asyncio.timeout(TIMEOUT):
            waiting = asyncio.create_task(store.start_next(turn.conversation_id))
            await wait_until_blocked(postgres_url)
            await complete(store, other)
            assert len(await store.load_history(KEY)) == 1
            assert not waiting.done()
        assert await waiting is not None


async def test_what_a_cancelled_caller_wrote_is_seen_by_the_next_call(postgres_url: str) -> None:
    async with open_postgres(postgres_url) as store:
        turn = await start(store, ask(1))
        async with hold(postgres_url, "LOCK TABLE replies"), asyncio.timeout(TIMEOUT):
            write = asyncio.create_task(store.add_reply_message(turn, ReplyMessage(0, "r0")))
            await wait_until_blocked(postgres_url)
            write.cancel()
            await asyncio.wait([write])
            later = asyncio.create_task(store.add_reply_message(turn, ReplyMessage(0, "r1")))
            found = asyncio.create_task(get_turn(store, turn.id))
            await asyncio.sleep(0)
        assert (await found).replies[0].message_id in ("r0", "r1")
        await later
        assert (await get_turn(store, turn.id)).replies == (ReplyMessage(0, "r1"),)


async def test_database_itself_refuses_two_turns_at_once(
    postgres_url: str, postgres: PostgresServer
) -> None:
    async with open_postgres(postgres_url) as store:
        await start(store, ask(1))
        await queue(store, ask(2))
    connection = await asyncpg.connect(postgres_url)
    try:
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute("UPDATE turns SET state = 'running'")
    finally:
        await connection.close()


async def test_commit_waits_for_the_disk_whatever_the_servers_default(
    postgres_url: str, postgres: PostgresServer
) -> None:
    postgres.run("ALTER ROLE ALL SET synchronous_commit = off")
    try:
        async with backend.connect(parse_postgres_url(postgres_url)) as connection:
            assert await connection.fetchval("SHOW synchronous_commit") == "on"
    finally:
        postgres.run("ALTER ROLE ALL RESET synchronous_commit")


async def test_role_that_may_not_change_tables_can_use_them(
    postgres_url: str, postgres: PostgresServer
) -> None:
    async with open_postgres(postgres_url):
        pass
    role = f"user_of_{postgres_url.partition('?')[0].rpartition('/')[2]}"
    postgres.run(
        f"""
        CREATE ROLE {role} LOGIN;
        GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};
        GRANT INSERT, UPDATE, DELETE ON
            conversations, turns, messages, replies, summaries, limits, admissions TO {role};
        """,
        postgres_url,
    )
    url = postgres_url.replace("postgres:@", f"{role}@")
    async with lock_postgres(url), open_postgres(url) as store:
        await store.free_the_deads()
        await complete(store, ask(1))
        assert len(await load_texts(store)) == 2
        async with SharedLimiter(store.database, "fake", 10) as limiter:
            (await limiter.admit("fake", 5)).correct(3)
            limiter.pause(timedelta(seconds=1))


async def test_two_schemas_of_one_database_know_nothing_of_each_other(
    postgres_url: str, postgres: PostgresServer
) -> None:
    postgres.run("CREATE SCHEMA one; CREATE SCHEMA two;", postgres_url)
    one, two = (f"{postgres_url}&search_path={name}" for name in ("one", "two"))
    async with lock_postgres(one), lock_postgres(two):
        async with open_postgres(one) as store:
            await queue(store, ask(1))
        async with open_postgres(two) as store:
            assert (await store.record(ask(1))).is_new


async def test_store_goes_on_when_a_newer_program_changes_the_schema(
    postgres_url: str, postgres: PostgresServer
) -> None:
    async with open_postgres(postgres_url) as store:
        turn = await start(store, ask(1))
        change = """
            ALTER TABLE messages ALTER COLUMN role TYPE VARCHAR(20);
            ALTER TABLE turns ADD COLUMN cost INTEGER;
        """
        views = "DROP VIEW turn_details; DROP VIEW conversation_details; DROP VIEW usage_details;"
        definitions = postgres.run(
            """
            SELECT 'CREATE VIEW ' || viewname || ' AS SELECT 1 AS cost, * FROM ('
                || trim(trailing ';' FROM definition) || ') AS before;'
            FROM pg_views WHERE schemaname = 'public'
            """,
            postgres_url,
        )
        postgres.run(f"BEGIN; {views} {change} {definitions} COMMIT;", postgres_url)
        restarted = await store.take_over(turn.conversation_id)
        assert restarted is not None
        assert await store.find_turn(turn.id) == restarted
        assert len(await load_texts(store)) == 1


async def test_error_says_no_more_than_one_line_and_nothing_of_what_was_said(
    postgres_url: str, postgres: PostgresServer
) -> None:
    async with open_postgres(postgres_url) as store:
        turn = await start(store, ask(1))
        postgres.run("ALTER TABLE replies ADD CHECK (message_id <> 'secret')", postgres_url)
        with pytest.raises(StoreError) as caught:
            await store.add_reply_message(turn, ReplyMessage(0, "secret"))
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)
