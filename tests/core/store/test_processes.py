"""What holds between processes, with real ones that are really killed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from core.conversation import TurnState
from core.errors import StoreBusyError
from core.store.files import lock_runner
from tests.core.store.values import ask, open_url

ROOT = Path(__file__).parents[3]
TIMEOUT = 30


class Worker:
    """A process that runs worker.py."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def hear(self) -> str:
        assert self._process.stdout
        async with asyncio.timeout(TIMEOUT):
            return (await self._process.stdout.readline()).decode().strip()

    async def go(self) -> None:
        assert self._process.stdin
        self._process.stdin.write(b"go\n")
        await self._process.stdin.drain()

    async def kill(self) -> None:
        self._process.kill()
        async with asyncio.timeout(TIMEOUT):
            await self._process.wait()


@asynccontextmanager
async def spawn(action: str, url: str) -> AsyncGenerator[Worker]:
    """Start a worker and wait until it is ready."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.core.store.worker", action, url,
        stdin=pipe, stdout=pipe, cwd=ROOT,
    )  # fmt: skip
    try:
        worker = Worker(process)
        assert await worker.hear() == "ready"
        yield worker
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_recorded_message_outlives_a_killed_process(url: str) -> None:
    async with spawn("record", url) as worker:
        await worker.go()
        assert await worker.hear() == "new"
        await worker.kill()
    async with open_url(url) as store:
        [turn] = await store.load_unfinished()
        assert (turn.message_id, turn.state) == (ask(1).message_id, TurnState.QUEUED)
        assert not (await store.record(ask(1))).is_new


async def test_processes_that_make_a_new_database_at_once_all_open_it(url: str) -> None:
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(spawn("record", url)) for _ in range(4)]
        await asyncio.gather(*(worker.go() for worker in workers))
        words = await asyncio.gather(*(worker.hear() for worker in workers))
    assert sorted(words) == ["known", "known", "known", "new"]
    async with open_url(url) as store:
        assert len(await store.load_unfinished()) == 1


async def test_turn_is_started_once_by_many_processes(url: str) -> None:
    async with open_url(url) as store, AsyncExitStack() as stack:
        await store.record(ask(2))
        workers = [await stack.enter_async_context(spawn("start", url)) for _ in range(4)]
        for word in ("opened", "started"):
            await asyncio.gather(*(worker.go() for worker in workers))
            words = await asyncio.gather(*(worker.hear() for worker in workers))
            assert word in words
        assert sorted(words) == ["nothing", "nothing", "nothing", "started"]
        turns = await store.load_unfinished()
    assert [(turn.state, turn.attempts) for turn in turns] == [
        (TurnState.RUNNING, 1),
        (TurnState.QUEUED, 0),
    ]


async def test_second_runner_on_a_file_is_refused_until_the_first_is_gone(sqlite_url: str) -> None:
    await assert_refused_beside_a_runner("lock", sqlite_url)


async def test_what_wants_a_database_alone_is_refused_until_the_runner_is_gone(url: str) -> None:
    await assert_refused_beside_a_runner("lock_alone", url)


async def assert_refused_beside_a_runner(action: str, url: str) -> None:
    async with spawn("lock", url) as first:
        await first.go()
        assert await first.hear() == "locked"
        async with spawn(action, url) as second:
            await second.go()
            assert await second.hear() == "busy"
        await first.kill()
    async with spawn(action, url) as third:
        await third.go()
        assert await third.hear() == "locked"


async def test_runners_share_a_postgres_database(postgres_url: str) -> None:
    async with spawn("lock", postgres_url) as first, spawn("lock", postgres_url) as second:
        for runner in (first, second):
            await runner.go()
            assert await runner.hear() == "locked"


async def test_others_use_the_store_beside_the_runner(url: str) -> None:
    async with spawn("lock", url) as runner:
        await runner.go()
        assert await runner.hear() == "locked"
        async with open_url(url) as store:
            assert (await store.record(ask(1))).is_new


def test_lock_can_be_taken_again_after_it_was_left(sqlite_url: str) -> None:
    with (
        lock_runner(sqlite_url),
        pytest.raises(StoreBusyError, match=r"skein\.db"),
        lock_runner(sqlite_url),
    ):
        pass
    with lock_runner(sqlite_url):
        pass


def test_lock_is_on_the_file_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "real.db").touch()
    (tmp_path / "link.db").symlink_to("real.db")
    with (
        lock_runner(f"sqlite:///{tmp_path}/real.db"),
        pytest.raises(StoreBusyError),
        lock_runner(f"sqlite:///{tmp_path}/link.db"),
    ):
        pass
