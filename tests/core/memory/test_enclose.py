"""What of a conversation's files goes to the model, and what is said of the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.conversation import Message
from core.files.values import Attachment, File, Image, Picture, pack_pictures
from core.memory.enclose import MAX_IMAGES, Enclosed, clean_name, enclose
from core.providers.base import ModelRef
from core.tokens import estimate_message_tokens

SEEING = ModelRef("fake", "eye", 100_000, image_tokens=1_000)
BLIND = ModelRef("fake", "mole", 100_000)
PAGES = tuple(Picture(page, "image/jpeg", b"page %d" % page) for page in range(1, 31))
FILES = {
    "image": File("image/png", content=b"pixels"),
    "text": File("text/plain", text="word " * 1_000),
    "short": File("text/plain", text="brief"),
    "scan": File("application/pdf", pack_pictures(PAGES), "[page 1]\n(a picture)"),
}


async def find(sha256: str) -> File | None:
    return FILES.get(sha256)


def said(text: str, *attachments: Attachment) -> Message:
    return replace(Message.user(text), attachments=attachments)


def stored(sha256: str, note: str = "") -> Attachment:
    return Attachment("F1", f"{sha256}.x", sha256=sha256, note=note)


async def test_conversation_without_files_goes_as_it_is() -> None:
    messages = (Message.user("a"), Message.ai("b"), Message.user("c"))
    assert await enclose(messages, SEEING, 1_000, find) == Enclosed(messages, ())


async def test_image_goes_to_a_model_that_sees() -> None:
    enclosed = await enclose([said("look", stored("image"))], SEEING, 10_000, find)
    [message] = enclosed.messages
    assert message.text == "look\n\n[image image.x]"
    assert [(image.content, image.tokens) for image in message.images] == [(b"pixels", 1_000)]
    assert enclosed.notes == ()


async def test_model_that_cannot_see_is_told_and_so_are_people() -> None:
    enclosed = await enclose([said("look", stored("image"))], BLIND, 10_000, find)
    assert "[image image.x: this model cannot see images]" in enclosed.messages[0].text
    assert enclosed.messages[0].images == ()
    assert enclosed.annotate("Well.") == (
        "Well.\n\n📎 `image.x`: mole cannot see images, as far as I know."
    )


async def test_scan_goes_as_its_text_and_pictures_of_its_pages() -> None:
    enclosed = await enclose([said("sum up", stored("scan"))], SEEING, 100_000, find)
    [message] = enclosed.messages
    assert message.images[0] == Image("scan.x, page 1", "image/jpeg", b"page 1", 1_000)
    assert len(message.images) == MAX_IMAGES
    assert "(a picture)\n</file>\n[image: of scan.x page 1, 2, 3" in message.text
    assert enclosed.notes == (
        "📎 `scan.x`: 10 pages that are only pictures: left out, for there is no more room.",
    )


async def test_as_many_pages_go_as_there_is_room_for() -> None:
    messages = [said("old", stored("scan")), Message.ai("Well."), said("new", stored("image"))]
    enclosed = await enclose(messages, SEEING, 6_000, find)
    assert [len(message.images) for message in enclosed.messages] == [3, 0, 1]
    assert "27 pages that are only pictures: left out" in enclosed.messages[0].text
    assert enclosed.notes == ()


async def test_scan_is_told_to_a_model_that_cannot_see_and_to_people() -> None:
    enclosed = await enclose([said("sum up", stored("scan"))], BLIND, 100_000, find)
    assert "30 pages that are only pictures: this model cannot see" in enclosed.messages[0].text
    assert enclosed.notes == (
        "📎 `scan.x`: 30 pages that are only pictures: mole cannot see images, as far as I know.",
    )


async def test_note_of_what_was_read_reaches_both() -> None:
    attachment = stored("short", "only the first 3 of 5 pages were read")
    enclosed = await enclose([said("sum up", attachment)], BLIND, 10_000, find)
    assert "note='only the first 3 of 5 pages were read'>\nbrief\n</file>" in (
        enclosed.messages[0].text
    )
    assert enclosed.notes == ("📎 `short.x`: only the first 3 of 5 pages were read.",)


async def test_notes_of_earlier_files_are_not_said_again() -> None:
    lost = replace(stored("x"), sha256=None, note="it is gone")
    messages = [said("a", lost), Message.ai("Well."), said("b")]
    enclosed = await enclose(messages, SEEING, 10_000, find)
    assert "[file x.x, not read: it is gone]" in enclosed.messages[0].text
    assert enclosed.notes == ()


async def test_notes_of_all_that_is_answered_together_are_said() -> None:
    lost = Attachment("F1", "a.mp3", note="audio is not read")
    late = Attachment("F2", "b.zip", note="archives are not opened")
    messages = [said("old", lost), Message.ai("Yes."), said("one", lost), said("two", late)]
    enclosed = await enclose(messages, SEEING, 10_000, find)
    assert enclosed.notes == (
        "📎 `a.mp3`: audio is not read.",
        "📎 `b.zip`: archives are not opened.",
    )


async def test_question_whose_document_is_too_long_gets_its_beginning() -> None:
    enclosed = await enclose([said("sum up", stored("text"))], SEEING, 1_000, find)
    assert estimate_message_tokens(enclosed.messages[0]) < 1_000
    assert "characters fit the model" in enclosed.notes[0]


async def test_newest_files_win_and_earlier_ones_are_whole_or_left_out() -> None:
    messages = [said("old", stored("text")), Message.ai("Well."), said("new", stored("text"))]
    enclosed = await enclose(messages, SEEING, 2_500, find)
    assert "left out" in enclosed.messages[0].text
    assert enclosed.messages[2].text.count("word") == 1_000


@pytest.mark.parametrize(("model", "most"), [(SEEING, MAX_IMAGES + 3), (BLIND, 4)])
async def test_no_more_files_are_read_in_a_long_talk_of_pictures(
    model: ModelRef, most: int
) -> None:
    read = list[str]()

    async def count(sha256: str) -> File | None:
        read.append(sha256)
        return await find(sha256)

    talk = [each for _ in range(200) for each in (said("a", stored("image")), Message.ai("b"))]
    enclosed = await enclose([*talk, said("c", stored("image"))], model, 100_000, count)
    assert len(read) <= most
    assert enclosed.messages[0].text == "a\n\n[file image.x, left out, for it was sent long ago]"


async def test_all_files_of_a_question_are_read() -> None:
    enclosed = await enclose([said("see", *[stored("image")] * 5)], BLIND, 100_000, find)
    assert enclosed.messages[0].text.count("cannot see images") == 5


async def test_file_that_the_store_lost_is_told() -> None:
    enclosed = await enclose([said("look", stored("lost"))], SEEING, 10_000, find)
    assert "no longer kept" in enclosed.messages[0].text


@given(
    st.lists(
        st.lists(st.sampled_from(["image", "text", "short", "lost", "scan"]), max_size=4),
        max_size=6,
    ),
    st.integers(500, 20_000),
)
async def test_files_never_take_more_than_their_share(sent: list[list[str]], room: int) -> None:
    messages = [said("x", *map(stored, names)) for names in sent]
    enclosed = await enclose(messages, SEEING, room, find)
    frames = sum(60 + 70 * len(names) for names in sent)
    taken = sum(estimate_message_tokens(message) for message in enclosed.messages)
    assert taken <= room * 0.75 + frames
    assert len(enclosed.messages) == len(messages)


def test_names_end_no_line_tag_or_code_span() -> None:
    assert clean_name('a`b"c<d>\n[e].txt') == "a_b_c_d___e_.txt"
    assert len(clean_name("x" * 300 + ".py")) == 80
