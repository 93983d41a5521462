"""Migrations: applied once, on any file that is ours, by no program that is too old."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.conversation import ReplyMessage, ThreadKey
from core.errors import NewerDatabaseError, StoreError
from core.limits.quotas import Scope
from core.store.base import Grouping
from core.store.files import parse_sqlite_url
from core.store.migrate import (
    Migration,
    find_pending,
    get_program_version,
    load_migrations,
    migrate,
    parse_release,
)
from core.store.sqlite import split_statements
from tests.core.store.values import RunSql, ask, open_migrator, open_url

ADDITION = Migration(9999, "addition", "0.0.1", "ALTER TABLE turns ADD COLUMN cost INTEGER;\n")
BREAKAGE = Migration(
    9999, "breakage", "0.0.1", "CREATE TABLE half (id INTEGER);\nINSERT INTO nowhere VALUES (1);\n"
)
END = datetime(2027, 1, 1, tzinfo=UTC)


async def migrate_with(
    url: str, migrations: list[Migration], program: str = "1.0"
) -> list[Migration]:
    async with open_migrator(url) as migrator:
        return await migrate(migrator, program, migrations)


@pytest.fixture
def migrations(url: str) -> list[Migration]:
    return load_migrations("sqlite" if url.startswith("sqlite") else "postgres")


def test_migrations_are_numbered_without_gaps_and_need_no_newer_program(
    migrations: list[Migration],
) -> None:
    assert [one.number for one in migrations] == list(range(1, len(migrations) + 1))
    for one in migrations:
        assert parse_release(one.needs) <= parse_release(get_program_version())


async def test_new_database_gets_all_migrations_once(
    url: str, migrations: list[Migration], run_sql: RunSql
) -> None:
    applied = [(str(one.number), one.name, one.needs) for one in migrations]
    for _ in range(2):
        async with open_url(url):
            pass
        assert run_sql("SELECT number, name, needs FROM skein_migrations") == applied


async def test_migrate_says_what_it_applied_and_what_is_missing(
    url: str, migrations: list[Migration]
) -> None:
    async with open_migrator(url) as migrator:
        assert await find_pending(migrator, "1.0", migrations) == migrations
        assert await migrate(migrator, "1.0", migrations) == migrations
        assert await find_pending(migrator, "1.0", [*migrations, ADDITION]) == [ADDITION]
        assert await migrate(migrator, "1.0", migrations) == []


async def test_programs_that_migrate_at_once_apply_each_migration_once(
    url: str, migrations: list[Migration]
) -> None:
    applied = await asyncio.gather(*(migrate_with(url, migrations) for _ in range(5)))
    everything = [one for some in applied for one in some]
    assert sorted(everything, key=lambda one: one.number) == migrations


async def test_empty_file_counts_as_new(sqlite_url: str) -> None:
    parse_sqlite_url(sqlite_url).touch()
    async with open_url(sqlite_url) as store:
        assert (await store.record(ask(1))).is_new


async def test_later_migration_keeps_what_is_there(
    url: str, migrations: list[Migration], run_sql: RunSql
) -> None:
    async with open_url(url) as store:
        await store.record(ask(1))
    assert await migrate_with(url, [*migrations, ADDITION]) == [ADDITION]
    assert run_sql("SELECT message_id, cost FROM turns") == [("m1", "")]
    async with open_url(url) as store:
        assert not (await store.record(ask(1))).is_new


async def test_what_the_first_version_left_under_way_is_taken_up(
    url: str, migrations: list[Migration], run_sql: RunSql
) -> None:
    await migrate_with(url, migrations[:1])
    time = "1767268800000000" if url.startswith("sqlite") else "'2026-01-01 12:00:00+00'"
    run_sql(
        "INSERT INTO conversations (platform, workspace, channel, thread, created_at, updated_at) "  # noqa: S608
        f"VALUES ('slack', 'T1', 'C1', '', {time}, {time})"
    )
    for number, state, attempts in ((1, "running", 1), (2, "queued", 0)):
        run_sql(
            "INSERT INTO turns (conversation_id, platform, workspace, channel, message_id, "  # noqa: S608
            "author_id, author_name, state, attempts, sent_at, received_at) VALUES (1, 'slack', "
            f"'T1', 'C1', 'm{number}', 'U1', 'Ann', '{state}', {attempts}, {time}, {time})"
        )
    async with open_url(url) as store:
        assert await store.load_waiting("slack") == [1]
        taken = await store.take_over(1)
        assert taken is not None
        assert (taken.message_id, taken.attempts, taken.crashes) == ("m1", 2, 1)
        assert await store.extend(taken)
        assert await store.fail(taken, "no answer")
        started = await store.start_next(1)
        assert started is not None
        assert started.message_id == "m2"


async def test_what_the_second_version_left_is_taken_up_with_its_notices_and_crashes(
    url: str, migrations: list[Migration], run_sql: RunSql
) -> None:
    await migrate_with(url, migrations[:2])
    time = "1767268800000000" if url.startswith("sqlite") else "'2026-01-01 12:00:00+00'"
    run_sql(
        "INSERT INTO conversations (platform, workspace, channel, thread, created_at, updated_at) "  # noqa: S608
        f"VALUES ('slack', 'T1', 'C1', '', {time}, {time})"
    )
    run_sql(
        "INSERT INTO turns (conversation_id, platform, workspace, channel, message_id, "  # noqa: S608
        "author_id, author_name, state, attempts, sent_at, received_at, holder, lease_until) VALUES "
        f"(1, 'slack', 'T1', 'C1', 'm1', 'U1', 'Ann', 'running', 3, {time}, {time}, 'x', {time})"
    )
    run_sql("INSERT INTO replies VALUES (1, 0, 'r0', 'message'), (1, 1, 'n0', 'notice')")
    async with open_url(url) as store:
        taken = await store.take_over(1)
        assert taken is not None
        assert (taken.attempts, taken.crashes, taken.merged_into) == (4, 3, None)
        assert taken.replies == (ReplyMessage(-2, "n0", "notice"), ReplyMessage(0, "r0"))


@pytest.mark.parametrize("version", range(1, 8))
async def test_what_an_earlier_version_kept_is_there_and_counts(
    url: str, migrations: list[Migration], run_sql: RunSql, version: int
) -> None:
    await migrate_with(url, migrations[:version])
    time = "1767268800000000" if url.startswith("sqlite") else "'2026-01-01 12:00:00+00'"
    run_sql(
        "INSERT INTO conversations (platform, workspace, channel, thread, created_at, updated_at) "  # noqa: S608
        f"VALUES ('slack', 'T1', 'C1', '', {time}, {time})"
    )
    run_sql(
        "INSERT INTO turns (conversation_id, platform, workspace, channel, message_id, author_id, "  # noqa: S608
        "author_name, state, attempts, model, input_tokens, output_tokens, sent_at, received_at, "
        "started_at, finished_at) VALUES (1, 'slack', 'T1', 'C1', 'm1', 'U1', 'Ann', 'done', 1, "
        f"'demo/echo', 30, 12, {time}, {time}, {time}, {time})"
    )
    run_sql(
        "INSERT INTO messages (conversation_id, turn_id, position, role, text, sent_at) VALUES "  # noqa: S608
        f"(1, 1, 1, 'user', 'hello', {time}), (1, 1, 2, 'assistant', 'hi', {time})"
    )
    if version >= 6:
        run_sql(
            "INSERT INTO background_requests (conversation_id, number, purpose, model, "  # noqa: S608
            f"input_tokens, output_tokens, made_at) VALUES (1, 1, 'summary', 'm', 5, 3, {time})"
        )
    key, since = ThreadKey("slack", "T1", "C1", ""), datetime(2026, 1, 1, tzinfo=UTC)
    async with open_url(url) as store:
        assert [each.text for each in (await store.load(key)).messages] == ["hello", "hi"]
        used = await store.load_used(Scope.USER, key, "U1", since)
        assert (used.messages, used.tokens, used.unknown_costs) == (1, 42, 1)
        used = await store.load_used(Scope.CHANNEL, key, "", since)
        assert (used.messages, used.tokens) == (1, 50 if version >= 6 else 42)
        kinds = [line.kind for line in await store.load_usage(Grouping.USER, since, END, UTC)]
        assert kinds == ["summary", "answer"] if version >= 6 else ["answer"]
        assert await store.load_token_ratios() == {}


async def test_broken_migration_leaves_nothing_of_itself(
    url: str, migrations: list[Migration], run_sql: RunSql
) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        await migrate_with(url, [*migrations, BREAKAGE])
    run_sql("CREATE TABLE half (id INTEGER)")
    async with open_url(url):
        pass


@pytest.mark.parametrize(
    ("program", "is_refused"),
    [("1.9", True), ("1.10.0", False), ("1.10rc1", False), ("1.10.1", False), ("2", False)],
)
async def test_program_older_than_the_database_needs_is_refused(
    url: str, migrations: list[Migration], program: str, is_refused: bool
) -> None:
    needy = Migration(9999, "needy", "1.10", "CREATE TABLE extra (id INTEGER);\n")
    await migrate_with(url, [*migrations, needy], program="1.10")
    if is_refused:
        with pytest.raises(NewerDatabaseError, match=r"needs Skein 1\.10") as caught:
            await migrate_with(url, migrations, program)
        assert caught.value.needs == "1.10"
    else:
        await migrate_with(url, migrations, program)


async def test_open_refuses_a_newer_database(url: str, run_sql: RunSql) -> None:
    async with open_url(url):
        pass
    run_sql(
        "INSERT INTO skein_migrations "
        "SELECT 9999, 'future', '99.1', applied_at FROM skein_migrations WHERE number = 1"
    )
    with pytest.raises(NewerDatabaseError, match=r"99\.1"):
        async with open_url(url):
            pass


async def test_database_of_another_program_is_refused_untouched(url: str, run_sql: RunSql) -> None:
    run_sql("CREATE TABLE recipes (id INTEGER)")
    with pytest.raises(StoreError, match="another program"):
        async with open_url(url):
            pass
    run_sql("CREATE TABLE turns (id INTEGER)")


async def test_file_that_is_no_database_is_refused_untouched(sqlite_url: str) -> None:
    path = parse_sqlite_url(sqlite_url)
    path.write_text("Dear diary, " * 1000)
    with pytest.raises(StoreError, match="not a SQLite database"):
        async with open_url(sqlite_url):
            pass
    assert path.read_text() == "Dear diary, " * 1000


def test_migration_must_say_what_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "0002_more.sql"
    path.write_text("CREATE TABLE more (id INTEGER);\n")
    with pytest.raises(ValueError, match="-- needs"):
        Migration.read(path)
    path.write_text("-- needs 1.2\nCREATE TABLE more (id INTEGER);\n")
    assert Migration.read(path) == Migration(2, "more", "1.2", path.read_text())


def test_script_is_split_at_the_end_of_statements() -> None:
    script = """-- One; two.
CREATE TABLE a (b TEXT DEFAULT ';');
CREATE TRIGGER t AFTER INSERT ON a BEGIN
    DELETE FROM a;
END;
"""
    statements = list(split_statements(script))
    assert len(statements) == 2
    assert "".join(statements) == script


@pytest.mark.parametrize(
    ("older", "newer"), [("0.9", "0.10"), ("1", "1.0.1"), ("1.2.3", "2"), ("", "0.1")]
)
def test_releases_are_compared_by_number(older: str, newer: str) -> None:
    assert parse_release(older) < parse_release(newer)
    assert parse_release("1.0") == parse_release("1")
