"""Everything moves from one database into another, or nothing does."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from core.conversation import Author, ReplyMessage, ThreadKey, TurnState, Usage
from core.errors import StoreError
from core.files.values import Reading, digest
from core.store import copy as copying
from core.store.base import Expense, Store, Summary
from core.store.copy import copy
from core.store.sql import SqlStore
from tests.core.store.files_contract import NOTES, PHOTO, PIXELS, send
from tests.core.store.values import (
    KEY,
    OTHER,
    RunSql,
    answer,
    ask,
    at,
    complete,
    open_url,
    queue,
    start,
)

KEPT = ThreadKey("discord", "G", "C3")


def ignore(_table: str, _done: int, _total: int) -> None:
    pass


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "PAGE_ROWS", 3)


@pytest.fixture
def target_url(url: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A new database of the other kind."""
    if url.startswith("sqlite"):
        return request.getfixturevalue("postgres_url")
    return f"sqlite:///{tmp_path}/target.db"


async def fill(store: Store) -> None:
    for seconds in range(5):
        turn = await complete(store, ask(seconds, text=f"ä\U0001f9f6\n{seconds}"))
        for part in range(seconds):
            await store.add_reply_message(turn, ReplyMessage(part, f"r{part}"))
    await store.clear(KEY, at(1))
    failed = await start(store, ask(5))
    await store.fail(failed, "no")
    await answer(store, ask(6), "to be delivered")
    await queue(store, ask(7))
    running = await start(store, ask(8, key=OTHER))
    await store.add_reply_message(running, ReplyMessage(0, "stream", "stream"))
    await store.record_command(ask(9, key=ThreadKey("discord", "G", "C")))
    await fill_files(store)
    await fill_memories(store)
    await store.set_model(OTHER, "demo/echo")
    await store.set_system_prompt(OTHER, "Be brief.")


async def fill_files(store: Store) -> None:
    key = ThreadKey("discord", "G", "C2")
    for seconds in (10, 11):
        turn = await start(store, send(seconds, PHOTO, NOTES, key=key))
        photo, notes = await store.load_wanted_files(turn)
        await store.save_file(photo, digest(str(seconds).encode()), Reading(PIXELS))
        await store.refuse_file(notes, "gone")
        await store.fail(turn, "no")


async def fill_memories(store: Store) -> None:
    turn = await complete(store, ask(12, key=KEPT))
    for number in range(5):
        await store.add_pin(KEPT, f"text {number}", Author("U9", "Kim"), at(13), 9)
    await store.pin_message(KEPT, "m12", at(13), 9)
    await store.set_place_prompt(KEPT, "channel", "Be brief.")
    await store.claim_summary(turn.conversation_id, timedelta(minutes=1))
    await store.save_summary(turn.conversation_id, None, Summary(0, 1, "short", "m"))
    usage = Usage(1, None, 2, 3, is_estimated=True, cost=Decimal("0.02"))
    expense = Expense("attempt", "m", usage, Author("U9", "Kim"))
    await store.add_expenses(turn.conversation_id, [expense])
    await store.save_token_ratios({"m": 1.25})


async def look(store: Store) -> list[object]:
    """All that a store tells."""
    return [
        await store.load_recent("slack"),
        await store.load_unfinished(),
        [(await store.load(key), await store.load_history(key)) for key in (KEY, OTHER)],
        [await store.find_turn(turn_id) for turn_id in range(1, 20)],
        [await store.find_file(digest(name)) for name in (b"10", b"11")],
        await store.load_memory(KEPT),
        await store.load_expenses(KEPT),
        await store.load_token_ratios(),
        await store.load_place_prompts(KEPT),
    ]


async def test_target_tells_what_the_source_told(url: str, target_url: str) -> None:
    told: list[tuple[str, int, int]] = []
    async with open_url(url) as source, open_url(target_url) as target:
        await fill(source)
        counts = await copy(
            source.database, target.database, lambda *progress: told.append(progress)
        )
        assert await look(target) == await look(source)
    assert counts == {
        "conversations": 5,
        "turns": 13,
        "messages": 19,
        "replies": 11,
        "files": 2,
        "attachments": 4,
        "summaries": 1,
        "pins": 6,
        "background_requests": 1,
        "place_prompts": 1,
        "token_ratios": 1,
    }
    assert told[0] == ("conversations", 0, 5)
    assert told[-1] == ("token_ratios", 1, 1)
    assert ("turns", 6, 13) in told


async def test_copy_goes_on_where_the_source_stood(url: str, target_url: str) -> None:
    async with open_url(url) as source, open_url(target_url) as target:
        await fill(source)
        before = {turn.id for turn in await source.load_unfinished()}
        await copy(source.database, target.database, ignore)
        recorded = await target.record(ask(100))
        assert recorded.is_new
        assert recorded.turn.id > max(before)
        assert not (await target.record(ask(3))).is_new
        [delivering] = [
            turn for turn in await target.load_unfinished() if turn.state is TurnState.DELIVERING
        ]
        assert await target.finish(delivering)
        assert await target.start_next(delivering.conversation_id) is not None


async def test_target_that_is_not_empty_is_refused_untouched(url: str, target_url: str) -> None:
    async with open_url(url) as source, open_url(target_url) as target:
        await fill(source)
        await queue(target, ask(1))
        before = await target.load_unfinished()
        with pytest.raises(StoreError, match="is not empty"):
            await copy(source.database, target.database, ignore)
        assert await target.load_unfinished() == before


async def test_source_without_anything_is_refused(url: str, target_url: str) -> None:
    async with open_url(url) as source, open_url(target_url) as target:
        with pytest.raises(StoreError, match="nothing to copy"):
            await copy(source.database, target.database, ignore)


async def assert_empty(store: SqlStore) -> None:
    row = await store.database.find("count_rows")
    assert row is not None
    assert [row[table.name] for table in copying.TABLES] == [0] * len(copying.TABLES)


async def test_source_that_changes_meanwhile_leaves_nothing(
    url: str, target_url: str, run_sql: RunSql, no_blocking_calls: BlockBuster
) -> None:
    no_blocking_calls.deactivate()

    def change(table: str, done: int, _total: int) -> None:
        if (table, done) == ("turns", 0):
            run_sql("DELETE FROM messages WHERE position IS NULL")

    async with open_url(url) as source, open_url(target_url) as target:
        await fill(source)
        with pytest.raises(StoreError, match="changed while it was copied"):
            await copy(source.database, target.database, change)
        await assert_empty(target)


async def test_copy_that_is_broken_off_leaves_nothing(url: str, target_url: str) -> None:
    is_under_way = asyncio.Event()

    def notice(table: str, done: int, _total: int) -> None:
        if table == "messages" and done:
            is_under_way.set()

    async with open_url(url) as source, open_url(target_url) as target:
        await fill(source)
        task = asyncio.create_task(copy(source.database, target.database, notice))
        await is_under_way.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await assert_empty(target)
        await copy(source.database, target.database, ignore)
