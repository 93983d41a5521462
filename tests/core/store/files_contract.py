"""What every store promises of files. Each backend runs this suite through the `store` fixture."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from core.conversation import Incoming, Turn, Usage
from core.files.values import Attachment, File, Reading, digest
from core.store.base import Store, WantedFile
from tests.core.store.values import KEY, OTHER, Calendar, ask, at, complete, queue, start

PHOTO = Attachment("F1", "photo.png", "https://files.test/F1", "image/png", 4)
NOTES = Attachment("F2", "nötes.txt", "", "text/plain", None)
PIXELS = File("image/png", content=b"\x89PNG\x00\xff")
TEXT = File("text/plain", text="a\x00b")


def send(seconds: float, *attachments: Attachment, **more: object) -> Incoming:
    return replace(ask(seconds, **more), attachments=attachments)  # pyright: ignore[reportArgumentType]


async def want(store: Store, turn: Turn) -> list[WantedFile]:
    return list(await store.load_wanted_files(turn))


async def load_attachments(store: Store) -> list[tuple[Attachment, ...]]:
    return [message.attachments for message in (await store.load(KEY)).messages]


class FilesContract:
    """What a platform told of a file is committed with its message, and a file is kept once."""

    async def test_files_are_told_with_their_message(self, store: Store) -> None:
        await complete(store, send(1, PHOTO, NOTES))
        await start(store, ask(2))
        assert await load_attachments(store) == [(PHOTO, NOTES), (), ()]

    async def test_message_that_comes_again_has_its_files_once(self, store: Store) -> None:
        turn = await queue(store, send(1, PHOTO))
        await store.record(send(1, PHOTO, NOTES))
        assert [wanted.attachment for wanted in await want(store, turn)] == [PHOTO]

    async def test_wanted_file_knows_its_message(self, store: Store) -> None:
        turn = await start(store, send(1, PHOTO, NOTES))
        assert await want(store, turn) == [
            WantedFile(turn.id, 0, KEY, "m1", PHOTO),
            WantedFile(turn.id, 1, KEY, "m1", NOTES),
        ]

    async def test_files_of_merged_questions_are_wanted_too(self, store: Store) -> None:
        await queue(store, send(1, PHOTO))
        last = await queue(store, send(2, NOTES))
        turn = await store.start_next(last.conversation_id, is_merging=True)
        assert turn is not None
        found = [(wanted.message_id, wanted.attachment) for wanted in await want(store, turn)]
        assert found == [("m1", PHOTO), ("m2", NOTES)]

    async def test_file_that_was_read_is_wanted_no_more(self, store: Store) -> None:
        turn = await start(store, send(1, PHOTO, NOTES))
        photo, notes = await want(store, turn)
        await store.save_file(photo, digest(b"1"), Reading(PIXELS))
        await store.refuse_file(notes, "it is gone")
        assert await want(store, turn) == []
        assert await store.find_file(digest(b"1")) == PIXELS
        assert await load_attachments(store) == [
            (replace(PHOTO, sha256=digest(b"1")), replace(NOTES, note="it is gone"))
        ]

    async def test_text_of_a_file_is_mended_as_any_text(self, store: Store) -> None:
        turn = await start(store, send(1, NOTES))
        [notes] = await want(store, turn)
        await store.save_file(notes, digest(b"2"), Reading(TEXT, "half of it"))
        assert await store.find_file(digest(b"2")) == File("text/plain", text="a\ufffdb")
        assert await store.find_file(digest(b"3")) is None

    async def test_file_is_kept_as_long_as_any_message_has_it(
        self, store: Store, calendar: Calendar
    ) -> None:
        for seconds, key in ((1, KEY), (2, OTHER)):
            turn = await start(store, send(seconds, PHOTO, key=key))
            [wanted] = await want(store, turn)
            await store.save_file(wanted, digest(b"1"), Reading(PIXELS))
            await store.save_reply(turn, "answer", "demo/echo", Usage())
            await store.finish(turn)
            calendar.advance(days=1)
        assert await store.prune(calendar.now() - timedelta(days=1.5), 10) == 1
        assert await store.find_file(digest(b"1")) == PIXELS
        assert await store.prune(calendar.now(), 10) == 1
        assert await store.find_file(digest(b"1")) is None

    async def test_history_tells_of_files_too(self, store: Store) -> None:
        await complete(store, send(1, PHOTO, NOTES))
        await complete(store, ask(2))
        await queue(store, send(3, PHOTO))
        history = await store.load_history(KEY)
        assert [each.message.attachments for each in history] == [
            *((PHOTO, NOTES), (), ()),
            *((), (PHOTO,)),
        ]

    async def test_file_of_a_cleared_message_is_not_told(self, store: Store) -> None:
        await complete(store, send(1, PHOTO))
        await store.clear(KEY, at(1))
        await start(store, ask(2))
        assert await load_attachments(store) == [()]
