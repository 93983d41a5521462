"""Files are taken in before the model is asked: once, and again where that was cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

from aiohttp import web

from core.conversation import Incoming
from core.errors import FileError
from core.files.download import Address, open_downloader
from core.files.values import Attachment, FileLimits
from core.intake import MOST_OF_ONE_TURN, Intake
from core.run import TurnOptions
from core.store.base import Store, WantedFile
from core.turns import Turns
from tests.core.store.values import start
from tests.fakes import FakeModels, RecordingSinks, make_incoming

LIMITS = FileLimits(max_files=2, max_bytes=1_000)


@dataclass
class Shelf:
    """A platform's files, over a real socket. With `hold` they do not come until `release`."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    asked: list[str] = field(default_factory=list[str])
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)
    is_open: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.asked.append(name)
        self.was_asked.set()
        await self.is_open.wait()
        return web.Response(body=self.files[name])

    async def wait_asked(self, count: int) -> None:
        """Wait until so many files were asked for."""
        async with asyncio.timeout(20):
            while len(self.asked) < count:
                self.was_asked.clear()
                await self.was_asked.wait()

    def locate(self, attachment: Attachment) -> Address:
        return Address(self.url + attachment.url)

    async def renew(self, wanted: WantedFile) -> Attachment:
        raise FileError("it is gone")


@asynccontextmanager
async def open_shelf(**files: bytes) -> AsyncGenerator[Shelf]:
    shelf, app = Shelf(files=files), web.Application()
    shelf.is_open.set()
    app.router.add_get("/{name}", shelf.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        shelf.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        yield shelf
    finally:
        shelf.is_open.set()
        await runner.cleanup()


@asynccontextmanager
async def open_turns(
    store: Store, shelf: Shelf, at_once: int = 16
) -> AsyncGenerator[tuple[Turns, FakeModels, RecordingSinks]]:
    models, sinks = FakeModels(), RecordingSinks()
    async with open_downloader(LIMITS) as downloader:
        intake = Intake(store, downloader, LIMITS, at_once)
        async with Turns(store, models, TurnOptions(""), intake=intake) as turns:
            turns.attach("test", sinks.open_sink, shelf)
            yield turns, models, sinks


def send(text: str, *names: str, size_bytes: int | None = None, number: int = 0) -> Incoming:
    attachments = (Attachment(name, f"{name}.txt", name, "", size_bytes) for name in names)
    return replace(make_incoming(text, number=number), attachments=tuple(attachments))


async def test_file_is_in_what_the_model_is_asked(sqlite_store: Store) -> None:
    async with (
        open_shelf(a=b"swordfish") as shelf,
        open_turns(sqlite_store, shelf) as (turns, models, sinks),
    ):
        await turns.submit(send("what is the password?", "a"))
        await sinks.wait_for(1)
        assert models.requests[0].messages[0].text == (
            'what is the password?\n\n<file name="a.txt">\nswordfish\n</file>'
        )


async def test_file_is_fetched_once_for_all_questions(sqlite_store: Store) -> None:
    async with (
        open_shelf(a=b"swordfish") as shelf,
        open_turns(sqlite_store, shelf) as (turns, models, sinks),
    ):
        await turns.submit(send("read", "a"))
        await sinks.wait_for(1)
        await turns.submit(send("again?", number=1))
        await sinks.wait_for(2)
        assert shelf.asked == ["a"]
        assert "swordfish" in models.requests[1].messages[0].text


async def test_question_cut_off_while_its_file_came_is_answered_with_it(
    sqlite_store: Store,
) -> None:
    async with open_shelf(a=b"swordfish") as shelf:
        shelf.is_open.clear()
        async with open_turns(sqlite_store, shelf) as (turns, models, _), asyncio.timeout(20):
            await turns.submit(send("read", "a"))
            await shelf.was_asked.wait()
        assert models.requests == []
        shelf.is_open.set()
        async with open_turns(sqlite_store, shelf) as (turns, models, sinks):
            assert await turns.resume("test") == 1
            await sinks.wait_for(1)
            assert "swordfish" in models.requests[0].messages[0].text


async def test_what_is_too_much_is_not_fetched_and_told(sqlite_store: Store) -> None:
    async with (
        open_shelf(a=b"one", b=b"two", c=b"three") as shelf,
        open_turns(sqlite_store, shelf) as (turns, _, sinks),
    ):
        await turns.submit(send("read", "a", "b", "c"))
        [shown] = await sinks.wait_for(1)
        assert sorted(shelf.asked) == ["a", "b"]
        assert shown.text.endswith("📎 `c.txt`: no more than 2 files of a message are read.")
        await turns.submit(send("read", "a", size_bytes=1_001, number=1))
        shown = (await sinks.wait_for(2))[1]
        assert shown.text.endswith("📎 `a.txt`: it is larger than 1 kB.")


async def test_platform_without_files_says_so(sqlite_store: Store) -> None:
    models, sinks = FakeModels(), RecordingSinks()
    async with Turns(sqlite_store, models, TurnOptions("")) as turns:
        turns.attach("test", sinks.open_sink)
        await turns.submit(send("read", "a"))
        [shown] = await sinks.wait_for(1)
    assert shown.text.endswith("📎 `a.txt`: files are not read here.")


async def test_no_more_files_are_in_memory_at_once_than_allowed(sqlite_store: Store) -> None:
    async with open_shelf(a=b"one", b=b"two") as shelf:
        shelf.is_open.clear()
        async with open_turns(sqlite_store, shelf, at_once=1) as (turns, models, _):
            await turns.submit(send("look", "a", "b"))
            async with asyncio.timeout(20):
                await shelf.was_asked.wait()
            assert shelf.asked == ["a"]
            shelf.is_open.set()
            assert await turns.wait_idle(timedelta(seconds=20))
    assert shelf.asked == ["a", "b"]
    assert all(word in models.requests[0].messages[-1].text for word in ("one", "two"))


async def test_one_turn_leaves_room_for_the_files_of_others(sqlite_store: Store) -> None:
    async with open_shelf(a=b"one", b=b"two", c=b"three", d=b"four") as shelf:
        shelf.is_open.clear()
        limits = replace(LIMITS, max_files=5)
        async with open_downloader(limits) as downloader:
            intake = Intake(sqlite_store, downloader, limits, MOST_OF_ONE_TURN + 1)
            intake.attach("test", shelf)
            takings = list[asyncio.Task[None]]()
            for number, names in enumerate(("aaa", "d")):
                key = replace(make_incoming("").key, thread=names)
                sent = replace(send("look", *names, number=number), key=key)
                turn = await start(sqlite_store, sent)
                takings.append(asyncio.create_task(intake.take(turn)))
            await shelf.wait_asked(3)
            assert sorted(shelf.asked) == ["a", "a", "d"]
            shelf.is_open.set()
            await asyncio.wait_for(asyncio.gather(*takings), 10)


async def test_question_is_answered_whatever_goes_wrong_with_its_file(sqlite_store: Store) -> None:
    class Broken(Shelf):
        def locate(self, attachment: Attachment) -> Address:
            raise RuntimeError(attachment.name)

    async with open_turns(sqlite_store, Broken()) as (turns, _, sinks):
        await turns.submit(send("look", "a"))
        [shown] = await sinks.wait_for(1)
    assert shown.text.endswith("📎 `a.txt`: something went wrong as I read it.")
