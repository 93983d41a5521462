"""`skein backup` beside a process that writes all the time."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from pathlib import Path

import pytest

from core.app import find_backend
from core.store import backup
from tests.bots.test_database_commands import skein
from tests.core.store.values import KEY, ask, complete


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/skein.db"


async def test_a_backup_has_what_was_there_when_it_began(tmp_path: Path, url: str) -> None:
    async with find_backend(url).open_store(url) as store:
        await complete(store, ask(1), "answer 1")
        status, output = await skein(tmp_path, "backup", "saved.db", DATABASE_URL=url)
        assert status == 0, output
        assert output.startswith("saved.db: 0.")
        await complete(store, ask(2), "answer 2")
    saved = f"sqlite:///{tmp_path}/saved.db"
    assert (tmp_path / "saved.db").stat().st_mode & 0o777 == 0o600
    async with find_backend(saved).open_store(saved) as store:
        assert [each.text for each in (await store.load(KEY)).messages] == [
            "question 1",
            "answer 1",
        ]


async def test_writes_go_on_during_a_backup_and_are_not_in_it(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "PAGES", 1)
    loop, began, may_go_on = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    def hold(done: int, total: int) -> None:
        if not began.is_set():
            loop.call_soon_threadsafe(began.set)
            asyncio.run_coroutine_threadsafe(may_go_on.wait(), loop).result(timeout=20)

    async with find_backend(url).open_store(url) as store:
        await complete(store, ask(1), "answer 1")
        target = tmp_path / "saved.db"
        copying = asyncio.create_task(asyncio.to_thread(backup.back_up, url, target, hold))
        async with asyncio.timeout(20):
            await began.wait()
            await complete(store, ask(2), "answer 2")
            may_go_on.set()
            await copying
    assert await asyncio.to_thread(read_texts, target) == ["question 1", "answer 1"]


def read_texts(path: Path) -> list[str]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT text FROM messages ORDER BY position").fetchall()
    return [text for (text,) in rows]


async def test_what_cannot_be_backed_up_is_said(tmp_path: Path, url: str) -> None:
    status, output = await skein(tmp_path, "backup", "saved.db", DATABASE_URL=url)
    assert (status, "there is no" in output) == (2, True)
    async with find_backend(url).open_store(url):
        pass
    (tmp_path / "there.db").write_text("mine")
    for target, told in (("there.db", "is there already"), ("no/where.db", "mkdir -p no")):
        status, output = await skein(tmp_path, "backup", target, DATABASE_URL=url)
        assert (status, told in output) == (2, True), output
    assert (tmp_path / "there.db").read_text() == "mine"
    status, output = await skein(
        tmp_path, "backup", "saved.db", DATABASE_URL="postgresql://u:secret@127.0.0.1:1/x"
    )
    assert (status, "pg_dump" in output, "secret" in output) == (2, True, False)


async def test_a_damaged_database_is_no_backup(tmp_path: Path, url: str) -> None:
    (tmp_path / "skein.db").write_bytes(b"no database" * 1000)
    status, output = await skein(tmp_path, "backup", "saved.db", DATABASE_URL=url)
    assert (status, "is not a SQLite database" in output) == (1, True), output
    assert await asyncio.to_thread(os.listdir, tmp_path) == ["skein.db"]
