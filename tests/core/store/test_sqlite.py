"""What holds for the SQLite backend alone."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

from core.conversation import ThreadKey, Usage
from core.errors import StoreError
from core.store import database, files, sqlite
from core.store.files import parse_sqlite_url
from core.store.rows import render_text
from core.store.sqlite import open_sqlite
from tests.core.store.values import KEY, Calendar, ask, complete, queue, start

QUERIES = database.load_queries("sqlite3", "sqlite")

OF_EVERY_TURN = [
    "touch_conversation", "touch_conversation_by_id", "find_conversation", "load_conversation", "find_model",
    "find_beginning",
    "insert_turn", "load_turn", "load_turn_of_message", "load_unfinished", "load_queued", "start", "merge",
    "take_over",
    "extend", "load_waiting",
    "deliver", "finish", "fail", "cancel", "reject", "cancel_until", "raise_watermark",
    "add_question", "place_question", "add_answer", "mark_unsent", "mark_unanswered", "put_reply",
    "find_admission", "admit_turn", "save_usage", "add_expense", "sum_user", "sum_channel", "sum_workspace",
    "load_times_user", "load_times_channel", "load_times_workspace",
    "load_memory", "load_span", "claim_summary", "extend_summary", "release_summary", "load_place_prompts",
    "load_wanted_files", "link_file", "put_file", "find_file", "prune", "prune_files",
]  # fmt: skip

KNOWN_ROWS = ("SCAN asked", "SCAN walked", "SCAN usage_details")
"""What a query itself just found."""
ALL_OF_A_PLACE = re.compile(r"\(platform=\?( AND workspace=\?( AND channel=\?)?)?\)")
"""An index that leads to all rows of a platform, a workspace or a channel, of whatever time."""


@pytest.fixture
async def plans(sqlite_url: str) -> dict[str, list[str]]:
    """How SQLite would run each query."""
    async with open_sqlite(sqlite_url):
        pass
    plans: dict[str, list[str]] = {}
    with closing(sqlite3.connect(parse_sqlite_url(sqlite_url))) as connection:
        for name, query in QUERIES.items():
            sql = query.sql
            values = dict.fromkeys(re.findall(r":(\w+)", sql), 1)
            steps = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
            plans[name] = [step[3] for step in steps]
    return plans


async def test_no_query_of_a_turn_reads_a_whole_table(plans: dict[str, list[str]]) -> None:
    for name in OF_EVERY_TURN:
        whole = [step for step in plans[name] if "SCAN" in step or "AUTOMATIC" in step]
        known = [step for step in whole if step in KNOWN_ROWS or "turns_unfinished" in step]
        assert whole == known, name
        assert not [step for step in plans[name] if ALL_OF_A_PLACE.search(step)], name


async def test_next_turn_is_found_in_the_order_of_its_index(plans: dict[str, list[str]]) -> None:
    assert not any("TEMP B-TREE" in step for step in plans["load_queued"])


async def test_prune_finds_the_untouched_by_index(plans: dict[str, list[str]]) -> None:
    assert any("conversations_by_use" in step for step in plans["prune"])


async def test_write_is_synced_to_disk_before_it_returns(sqlite_url: str) -> None:
    found: dict[str, object] = {}
    async with sqlite.open_sqlite_migrator(sqlite_url) as migrator:
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout"):
            [row] = await migrator.connection.execute_fetchall(f"PRAGMA {name}")
            found[name] = row[0]
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "foreign_keys": 1,
        "busy_timeout": sqlite.BUSY_TIMEOUT / timedelta(milliseconds=1),
    }


async def test_reads_do_not_wait_for_a_write(sqlite_url: str) -> None:
    """A write of another connection is open all the while."""
    async with open_sqlite(sqlite_url) as store:
        await complete(store, ask(1))
        with closing(sqlite3.connect(parse_sqlite_url(sqlite_url))) as other:
            other.execute("UPDATE turns SET error = 'not committed'")
            async with asyncio.timeout(2):
                assert len((await store.load(KEY)).messages) == 2
                assert len(await store.load_history(KEY)) == 2
                assert not (await store.record(ask(1))).is_new


async def test_write_that_waits_too_long_is_a_store_error(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", timedelta(milliseconds=50))
    async with open_sqlite(sqlite_url) as store:
        turn = await queue(store, ask(1))
        with closing(sqlite3.connect(parse_sqlite_url(sqlite_url))) as other:
            other.execute("UPDATE turns SET error = 'not committed'")
            with pytest.raises(StoreError, match="locked"):
                await store.start_next(turn.conversation_id)
        assert await store.start_next(turn.conversation_id) is not None


async def test_damaged_file_is_a_store_error(sqlite_url: str) -> None:
    async with open_sqlite(sqlite_url) as store:
        for number in range(50):
            await complete(store, ask(number, key=ThreadKey("slack", "T", "C", str(number))))
    path = parse_sqlite_url(sqlite_url)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        async with open_sqlite(sqlite_url) as store:
            await store.load_unfinished()


@pytest.fixture
def looks_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have it looked at each statement whether the file is there."""
    monkeypatch.setattr(files, "LOOK_SECONDS", 0)


@pytest.mark.usefixtures("looks_always")
@pytest.mark.parametrize("gone", ["", "-wal"])
async def test_nothing_is_taken_into_a_file_that_was_removed(sqlite_url: str, gone: str) -> None:
    path = parse_sqlite_url(sqlite_url)
    async with open_sqlite(sqlite_url) as store:
        await queue(store, ask(1))
        path.with_name(path.name + gone).unlink()
        with pytest.raises(StoreError, match="removed while it was in use"):
            await queue(store, ask(2))
        with pytest.raises(StoreError, match="Stop Skein"):
            await store.ping()


@pytest.mark.usefixtures("looks_always")
async def test_nothing_is_taken_where_another_file_lies_in_the_place(sqlite_url: str) -> None:
    path = parse_sqlite_url(sqlite_url)
    async with open_sqlite(sqlite_url) as store:
        await queue(store, ask(1))
        moved = path.rename(path.with_name("moved.db"))
        path.touch()
        with pytest.raises(StoreError, match="replaced"):
            await queue(store, ask(2))
        moved.replace(path)
        await queue(store, ask(2))


async def test_database_itself_refuses_two_turns_at_once(sqlite_url: str) -> None:
    async with open_sqlite(sqlite_url) as store:
        await start(store, ask(1))
        await queue(store, ask(2))
    with (
        closing(sqlite3.connect(parse_sqlite_url(sqlite_url))) as connection,
        pytest.raises(sqlite3.IntegrityError),
    ):
        connection.execute("UPDATE turns SET state = 'running'")


async def test_usage_is_kept_with_the_turn(sqlite_url: str, calendar: Calendar) -> None:
    async with open_sqlite(sqlite_url, now=calendar.now) as store:
        turn = await start(store, ask(1))
        await store.save_reply(turn, "answer", "demo/echo", Usage(3, 5, 1))
        calendar.advance(seconds=2)
        await store.finish(turn)
    with closing(sqlite3.connect(parse_sqlite_url(sqlite_url))) as connection:
        columns = "model, input_tokens, output_tokens, cached_tokens, finished_at - started_at"
        kept = connection.execute(f"SELECT {columns} FROM turns").fetchone()  # noqa: S608
    assert kept == ("demo/echo", 3, 5, 1, 2_000_000)


def test_lone_halves_of_pairs_are_replaced_and_whole_pairs_kept() -> None:
    assert render_text("\ud83e\uddf6") == "\U0001f9f6"
    assert render_text("a\ud83eb") == "a\ufffdb"
    assert render_text("plain") == "plain"
