"""What is read of a file, within limits, and what is said of the rest."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import docx
import pptx
import pytest
from PIL import Image
from pptx.util import Emu

from core.errors import FileError
from core.files.extract import extract
from core.files.image import MAX_BYTES, MAX_EDGE
from core.files.read import Reader
from core.files.values import FileLimits, Reading
from tests.core.files.samples import (
    MAIL,
    NOTEBOOK,
    RTF,
    make_bomb,
    make_docx,
    make_epub,
    make_image,
    make_locked_pdf,
    make_odt,
    make_pdf,
    make_plain_image,
    make_pptx,
    make_scan,
    make_xlsx,
    make_zip,
)

LIMITS = FileLimits(max_characters=2_000, max_pages=3)


async def read(content: bytes, **changes: object) -> Reading:
    return await Reader(replace(LIMITS, **changes)).read(content)  # pyright: ignore[reportArgumentType]


async def test_text_is_read_whole() -> None:
    reading = await read("Grüße\n".encode())
    assert (reading.file.media_type, reading.file.text, reading.note) == (
        "text/plain",
        "Grüße\n",
        "",
    )


async def test_long_text_is_cut_with_a_word() -> None:
    reading = await read(("ä" * 2_001).encode())
    assert reading.file.text == "ä" * 2_000
    assert reading.note == "only the first 2,000 characters were read"


async def test_pdf_is_read_page_by_page() -> None:
    reading = await read(make_pdf("Hello from one", "and two"))
    assert reading.file.text == "[page 1]\nHello from one\n\n[page 2]\nand two"
    assert reading.note == ""


async def test_long_pdf_is_read_as_far_as_allowed() -> None:
    reading = await read(make_pdf(*map(str, range(5))))
    assert "[page 3]" in reading.file.text
    assert "[page 4]" not in reading.file.text
    assert reading.note == "only the first 3 of 5 pages were read"


async def test_empty_pdf_says_so() -> None:
    with pytest.raises(FileError, match="nothing to read"):
        await read(make_pdf("", ""))


async def test_scan_is_read_as_pictures_of_its_pages() -> None:
    reading = await read(make_scan(2, blank=1))
    assert reading.file.text == "[page 1]\n(a picture)\n\n[page 2]\n(a picture)"
    assert [picture.page for picture in reading.file.pictures] == [1, 2]
    with Image.open(io.BytesIO(reading.file.pictures[0].content)) as image:
        assert (image.format, max(image.size)) == ("JPEG", MAX_EDGE)
    assert reading.note == ""


async def test_page_that_says_something_has_no_picture() -> None:
    assert (await read(make_pdf("Hello"))).file.pictures == ()


async def test_long_scan_is_read_as_far_as_allowed() -> None:
    reading = await read(make_scan(3), max_scanned_pages=2)
    assert len(reading.file.pictures) == 2
    assert reading.note == "only the first 2 of 3 scanned pages were taken"
    with pytest.raises(FileError, match="not looked at here"):
        await read(make_scan(1), max_scanned_pages=0)


def test_pages_are_drawn_until_the_deadline() -> None:
    with pytest.raises(FileError, match="takes too long"):
        extract("pdf", make_scan(1), LIMITS, deadline=time.monotonic())


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (make_odt("First", "Second"), "First\nSecond"),
        (make_epub("One.", "Two."), "One.\n\nTwo."),
        (RTF, "Grüße, 🙀!\nbold 5 €"),
        (
            MAIL,
            "From: Ada <ada@example.org>\nTo: fig@example.org\nSubject: Grüße\n\n"
            "The meeting is off.\n[attached: plan.pdf, not read]",
        ),
        (
            NOTEBOOK,
            "[markdown cell 1]\n# Sums\n\n\n[code cell 2]\nprint(1 + 1)\n[output]\n2",
        ),
    ],
)
async def test_text_is_taken_out_of_what_wraps_it(content: bytes, text: str) -> None:
    assert (await read(content)).file.text == text


async def test_docx_is_read_with_its_tables() -> None:
    reading = await read(make_docx("First", "Second"))
    assert reading.file.text == "First\nSecond\nleft | right"


async def test_pptx_is_read_slide_by_slide() -> None:
    reading = await read(make_pptx("One", "Two", "Three", "Four"))
    assert reading.file.text.startswith("[slide 1]\nOne")
    assert reading.note == "only the first 3 of 4 slides were read"


async def test_model_is_told_of_pictures_in_documents() -> None:
    photo, document, slides = io.BytesIO(make_image()), io.BytesIO(), io.BytesIO()
    written = docx.Document()
    written.add_paragraph("Look:")
    written.add_picture(photo)
    written.save(document)
    shown = pptx.Presentation()
    shown.slides.add_slide(shown.slide_layouts[6]).shapes.add_picture(photo, Emu(0), Emu(0))
    shown.save(slides)
    unseen = "(a picture, not seen)"
    assert (await read(document.getvalue())).file.text == f"Look:\n\n{unseen}"
    assert (await read(slides.getvalue())).file.text == f"[slide 1]\n{unseen}"
    printed = await read(make_pdf("Hello " * 30, picture=True))
    assert printed.file.text.endswith(f"\n{unseen}")


async def test_sheet_is_read_row_by_row() -> None:
    reading = await read(make_xlsx(("name", "count"), ("Fig", 3), ("Ada", 2.5)))
    assert reading.file.text == "[sheet Sheet1]\nname | count\nFig | 3\nAda | 2.5"


async def test_long_sheet_is_cut_with_a_word() -> None:
    reading = await read(make_xlsx(*((number, "x" * 50) for number in range(100)), sheets=2))
    assert len(reading.file.text) <= 2_000
    assert "only the first 1 of 2 sheets were read" in reading.note
    assert "only the first 2,000 characters were read" in reading.note


async def test_empty_rows_of_a_sheet_take_no_room() -> None:
    reading = await read(make_xlsx(*[()] * 3_000, ("far", 1.0), sheets=1))
    assert (reading.file.text, reading.note) == ("[sheet Sheet1]\nfar | 1", "")


@pytest.mark.parametrize("content", [b"{\\rtf1 \\bin5 abc", b'{"cells": [{}], "nbformat": 4'])
async def test_text_that_wraps_nothing_is_read_as_it_is(content: bytes) -> None:
    assert (await read(content)).file.text == content.decode()


async def test_small_image_is_left_as_it_is() -> None:
    content = make_image("PNG")
    reading = await read(content)
    assert (reading.file.media_type, reading.file.content) == ("image/png", content)


async def test_large_image_is_made_smaller() -> None:
    reading = await read(make_image("PNG", (3_000, 1_000)))
    assert len(reading.file.content) <= MAX_BYTES
    with Image.open(io.BytesIO(reading.file.content)) as image:
        assert image.size == (MAX_EDGE, 523)


async def test_image_of_most_pixels_is_read() -> None:
    content = make_plain_image((9_900, 9_900))
    with Image.open(io.BytesIO((await read(content)).file.content)) as image:
        assert image.size == (MAX_EDGE, MAX_EDGE)


async def test_image_stands_upright_and_tells_no_place() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 0.0)}
    reading = await read(make_image("JPEG", (40, 30), exif=exif))
    with Image.open(io.BytesIO(reading.file.content)) as image:
        assert image.size == (30, 40)
        assert not image.getexif()


async def test_image_in_another_form_is_drawn_anew() -> None:
    assert (await read(make_image("BMP"))).file.media_type == "image/png"
    assert (await read(make_image("TIFF"))).file.media_type == "image/jpeg"


async def test_image_for_print_is_drawn_anew() -> None:
    reading = await read(make_image("JPEG", mode="CMYK"))
    with Image.open(io.BytesIO(reading.file.content)) as image:
        assert image.mode == "RGB"


async def test_image_of_many_shades_keeps_them_apart() -> None:
    drawn, data = Image.new("I;16", (256, 1)), io.BytesIO()
    drawn.putdata([shade * 256 for shade in range(256)])
    drawn.save(data, "TIFF")
    reading = await read(data.getvalue())
    with Image.open(io.BytesIO(reading.file.content)) as image:
        assert 120 <= image.convert("L").getpixel((128, 0)) <= 136  # pyright: ignore[reportOperatorIssue]


async def test_moving_image_gives_its_first_picture() -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    data = io.BytesIO()
    frames[0].save(data, "GIF", save_all=True, append_images=frames[1:])
    reading = await read(data.getvalue())
    assert reading.file.media_type == "image/png"
    assert reading.note == "only the first picture of it was looked at"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (make_image("PNG")[:60], "damaged"),
        (make_image("JPEG", (900, 900))[:3_000], "damaged"),
        (make_docx("Hello")[:-300], "damaged"),
        (b"GIF89a\x01", "damaged"),
        (b"%PDF-1.7 nothing", "damaged"),
        (make_locked_pdf(), "locked with a password"),
        (b"ID3\x04", "audio is not read"),
        (make_zip(("inner.docx", make_docx("Hello").decode("latin-1"))), "archives are not opened"),
        (b"\x00\x01\x02", "this kind of file is not read"),
    ],
)
async def test_what_cannot_be_read_says_why(content: bytes, says: str) -> None:
    with pytest.raises(FileError, match=says):
        await read(content)


async def test_bomb_is_not_unpacked() -> None:
    with pytest.raises(FileError, match="unpacks to too much"):
        await read(make_bomb())


async def test_reading_that_takes_too_long_is_ended() -> None:
    with pytest.raises(FileError, match="takes too long"):
        await read(make_pdf("x"), timeout=timedelta(milliseconds=10))


async def test_machine_without_room_for_a_process_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(FileError, match="cannot be read at the moment"):
        await read(make_pdf("x"))


async def test_process_that_answers_without_end_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    flood = tmp_path / "python"
    flood.write_text("#!/bin/sh\nexec yes\n")
    flood.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(flood))
    with pytest.raises(FileError, match="too much memory"):
        await read(make_pdf("x"), timeout=timedelta(seconds=30))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
def test_process_that_reads_opens_nothing() -> None:
    program = (
        "from core.files.worker import close_doors\n"
        "close_doors('docx')\n"
        "import socket\n"
        "for door in (lambda: open('/etc/hostname'), socket.socket):\n"
        "    try: door()\n"
        "    except OSError as error: print(error.errno)\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=20)
    assert said.stdout.split() == [b"24", b"24"], said.stderr
