"""`skein migrate` and `skein copy` as an operator meets them."""

from __future__ import annotations

import asyncio
import io
import os
import pty
from pathlib import Path

import pytest

from bots.cli.copy import Progress
from core.app import find_backend
from core.store.copy import TABLES
from core.store.migrate import load_migrations
from tests.core.store.values import KEY, ask, complete
from tests.processes import SKEIN, clean_environment, run_program


async def skein(folder: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    environment = clean_environment(**variables)
    async with run_program((*SKEIN, *arguments), cwd=folder, environment=environment) as program:
        return await program.wait(), program.output


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    return (
        "sqlite:///skein.db"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_url")
    )


async def test_migrate_says_what_is_missing_then_applies_it_then_is_done(
    tmp_path: Path, url: str
) -> None:
    status, output = await skein(tmp_path, "migrate", "--check", DATABASE_URL=url)
    backend = "sqlite" if url.startswith("sqlite") else "postgres"
    migrations = await asyncio.to_thread(load_migrations, backend)
    assert (status, output.splitlines()) == (1, [f"missing: {each}" for each in migrations])
    status, output = await skein(tmp_path, "migrate", DATABASE_URL=url)
    assert (status, output.splitlines()) == (0, [f"applied: {each}" for each in migrations])
    for arguments in (["migrate"], ["migrate", "--check"]):
        status, output = await skein(tmp_path, *arguments, DATABASE_URL=url)
        assert status == 0
        assert "is up to date" in output


async def test_copy_moves_everything_there_and_back(tmp_path: Path, postgres_url: str) -> None:
    first, last = f"sqlite:///{tmp_path}/first.db", f"sqlite:///{tmp_path}/last.db"
    async with find_backend(first).open_store(first) as store:
        await complete(store, ask(1), "answer 1")
        expected = await store.load(KEY)
    for source, target in ((first, postgres_url), (postgres_url, last)):
        status, output = await skein(tmp_path, "copy", "--from", source, "--to", target)
        assert status == 0, output
        told = dict(line.split(": ") for line in output.splitlines())
        assert list(told) == [table.name for table in TABLES]
        assert (told["conversations"], told["turns"], told["messages"]) == ("1", "1", "2")
    async with find_backend(last).open_store(last) as store:
        assert await store.load(KEY) == expected
    status, output = await skein(tmp_path, "copy", "--from", first, "--to", last)
    assert status == 1
    assert "is not empty" in output


@pytest.mark.parametrize("is_held", ["source", "target"])
async def test_copy_is_refused_while_a_runner_holds_either(
    tmp_path: Path, postgres_url: str, is_held: str
) -> None:
    url = f"sqlite:///{tmp_path}/skein.db"
    async with find_backend(url).open_store(url) as store:
        await complete(store, ask(1))
    held = url if is_held == "source" else postgres_url
    async with find_backend(held).lock_runner(held):
        status, output = await skein(tmp_path, "copy", "--from", url, "--to", postgres_url)
    assert status == 1
    assert "already uses" in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    "arguments",
    [
        ("--from", "sqlite:///a.db", "--to", "mysql://skein:secret@db/skein"),
        ("--from", "postgresql://skein:secret@db:five/skein", "--to", "sqlite:///a.db"),
        ("--from", "sqlite:///a.db", "--to", "sqlite:///a.db"),
    ],
)
async def test_copy_between_wrong_addresses_stops_with_2(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    status, output = await skein(tmp_path, "copy", *arguments)
    assert status == 2
    assert "secret" not in output
    assert "Traceback" not in output


def test_progress_is_shown_on_a_terminal_only() -> None:
    reader, writer = pty.openpty()
    with os.fdopen(writer, "w") as terminal:
        progress = Progress(terminal)
        progress.show("turns", 500, 700)
        progress.show("turns", 700, 700)
        shown = ""
        # A terminal gives what it has, in as many pieces as it likes.
        while not shown.endswith("\n"):
            shown += os.read(reader, 1000).decode()
    os.close(reader)
    assert shown == "\rturns: 500 of 700\rturns: 700 of 700\r\n"
    file = io.StringIO()
    Progress(file).show("turns", 1, 1)
    assert file.getvalue() == ""
