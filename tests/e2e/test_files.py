"""Files, the whole way: sent on a platform, fetched, read, kept, and in what the model is asked."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from bots.playground.base import SentFile
from tests.bots.playground.discord_kit import ADA_DM
from tests.core.files.samples import make_image, make_pdf, make_scan
from tests.core.providers.scripted_server import Answer, Json, Refuse
from tests.e2e.conftest import World

pytestmark = pytest.mark.parametrize("platform", ["slack", "discord"])

PHOTO = SentFile("photo.png", "image/png", make_image())
NOTES = SentFile("notes.txt", "text/plain", b"the password is swordfish")
REPORT = SentFile("report.pdf", "application/pdf", make_pdf("Profits rose."))
SCAN = SentFile("scan.pdf", "application/pdf", make_scan(2))
SONG = SentFile("song.mp3", "audio/mpeg", b"ID3\x04\x00" + bytes(100))


def user_parts(payload: Json) -> list[list[Json]]:
    """Give what each person's message is made of."""
    contents: list[Any] = [m["content"] for m in payload["messages"] if m["role"] == "user"]
    return [
        content if isinstance(content, list) else [{"type": "text", "text": content}]
        for content in contents
    ]


def images_in(payload: Json) -> list[bytes]:
    """Give the images of all messages."""
    urls = [
        part["image_url"]["url"]
        for parts in user_parts(payload)
        for part in parts
        if part["type"] == "image_url"
    ]
    return [base64.b64decode(url.partition("base64,")[2]) for url in urls]


@pytest.fixture(autouse=True)
def counting(world: World):
    def count(payload: Json) -> Answer:
        return Answer(f"question {len(user_parts(payload))}, images {len(images_in(payload))}.")

    world.model.default = count


def last_text(world: World) -> str:
    return user_parts(world.model.requests[-1].payload)[-1][-1]["text"]


async def test_image_is_seen_and_remembered(world: World, platform: str):
    async with world.skein(platform):
        place = world.place(platform)
        await place.ask("what is this?", PHOTO)
        await place.wait_for("question 1, images 1.")
        assert images_in(world.model.requests[-1].payload) == [PHOTO.content]
        assert last_text(world) == "what is this?\n\n[image photo.png]"
        await place.ask("and its colour?")
        await place.wait_for("question 2, images 1.")


async def test_text_and_documents_are_read(world: World, platform: str):
    async with world.skein(platform):
        place = world.place(platform)
        await place.ask("sum up", NOTES, REPORT)
        await place.wait_for("question 1")
        text = last_text(world)
        assert '<file name="notes.txt">\nthe password is swordfish\n</file>' in text
        assert '<file name="report.pdf">\n[page 1]\nProfits rose.\n</file>' in text


async def test_pages_of_a_scan_are_seen(world: World, platform: str):
    async with world.skein(platform):
        place = world.place(platform)
        await place.ask("what is due?", SCAN)
        await place.wait_for("question 1, images 2.")
        assert "(a picture)\n</file>\n[image: of scan.pdf page 1, 2]" in last_text(world)
        await place.ask("and when?")
        await place.wait_for("question 2, images 2.")


async def test_scan_that_a_model_cannot_see_is_told(world: World, platform: str):
    async with world.skein(platform, MODEL="openai/gpt-3.5-turbo"):
        place = world.place(platform)
        await place.ask("what is due?", SCAN)
        await place.wait_for("2 pages that are only pictures: gpt-3.5-turbo cannot see images")


async def test_file_without_a_word_is_a_question(world: World, platform: str):
    async with world.skein(platform):
        place = world.place(platform)
        await place.ask("hello")
        await place.wait_for("question 1")
        await place.ask("", NOTES)
        await place.wait_for("question 2")
        assert "swordfish" in last_text(world)


async def test_what_is_not_read_is_told(world: World, platform: str):
    async with world.skein(platform, MAX_FILES_PER_MESSAGE="2", MAX_FILE_CHARACTERS="1000"):
        place = world.place(platform)
        long = SentFile("long.txt", "text/plain", b"a" * 1001)
        await place.ask("read these", SONG, long, PHOTO)
        reply = await place.wait_for("no more than 2 files of a message are read.")
        assert "question 1, images 0." in reply["text"]
        assert "`song.mp3`: audio is not read." in reply["text"]
        assert "`long.txt`: only the first 1,000 characters were read." in reply["text"]
        assert "`photo.png`: no more than 2 files" in reply["text"]


async def test_model_that_cannot_see_is_told_of_the_image(world: World, platform: str):
    async with world.skein(platform, MODEL="openai/gpt-3.5-turbo"):
        place = world.place(platform)
        await place.ask("what is this?", PHOTO)
        await place.wait_for("gpt-3.5-turbo cannot see images")
        assert "[image photo.png: this model cannot see images]" in last_text(world)


async def test_question_whose_image_is_refused_is_answered_without(world: World, platform: str):
    def refuse(payload: Json) -> Answer | Refuse:
        return Refuse(400, "not a multimodal model") if images_in(payload) else Answer("Who knows?")

    world.model.default = refuse
    async with world.skein(platform):
        place = world.place(platform)
        await place.ask("what is this?", PHOTO)
        reply = await place.wait_for("`photo.png`: not seen")
        assert "Who knows?" in reply["text"]
        assert (
            last_text(world)
            == "what is this?\n\n[image photo.png]\n\n[not shown to you: photo.png]"
        )


async def test_file_outlives_a_restart_and_is_fetched_once(world: World, platform: str):
    place = world.place(platform)
    async with world.skein(platform):
        await place.ask("what is this?", PHOTO)
        await place.wait_for("question 1, images 1.")
    world.forget_files()
    async with world.skein(platform):
        await place.ask("once more?")
        await place.wait_for("question 2, images 1.")


async def test_file_of_a_forwarded_message_is_read(world: World, platform: str):
    async with world.skein(platform):
        server = world.slack if platform == "slack" else world.discord
        direct = world.slack.dm("ada") if platform == "slack" else ADA_DM
        told = await server.say("Grace", "general", "minutes of today", files=[NOTES])
        await server.forward("Ada", told, direct)
        await server.wait_for_reply(direct, contains="question 1")
        assert "minutes of today" in last_text(world)
        assert "swordfish" in last_text(world)


async def test_deleted_file_of_a_forwarded_message_is_told(world: World, platform: str):
    if platform == "discord":
        pytest.skip("Discord deletes no file apart from its message")
    async with world.skein(platform):
        told = await world.slack.say("Grace", "general", "minutes of today", files=[NOTES])
        await world.slack.delete_file(world.slack.state.messages[told].files[0])
        direct = world.slack.dm("ada")
        await world.slack.forward("Ada", told, direct)
        await world.slack.wait_for_reply(direct, contains="it was deleted")
        assert "swordfish" not in last_text(world)
