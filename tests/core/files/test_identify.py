"""A file is what its content says."""

from __future__ import annotations

import io
import zipfile

import pytest

from core.files.identify import decode, explain_unreadable, find_kind, identify
from tests.core.files.samples import make_docx, make_image, make_pdf, make_pptx, make_xlsx

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512)


def zip_with(name: str, content: bytes = b"x") -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr(name, content)
    return data.getvalue()


@pytest.mark.parametrize(
    ("content", "media_type", "kind"),
    [
        (make_image("PNG"), "image/png", "image"),
        (make_image("JPEG"), "image/jpeg", "image"),
        (make_image("GIF", mode="P"), "image/gif", "image"),
        (make_image("WEBP"), "image/webp", "image"),
        (make_image("BMP"), "image/bmp", "image"),
        (make_image("TIFF"), "image/tiff", "image"),
        (make_image("AVIF"), "image/avif", "image"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00", "image/heic", "unreadable"),
        (make_pdf("Hello"), "application/pdf", "pdf"),
        (b"\n\n" + make_pdf("Hello"), "application/pdf", "pdf"),
        (
            make_docx("Hello"),
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "docx",
        ),
        (
            make_pptx("Hello"),
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            "pptx",
        ),
        (
            make_xlsx(("a", 1)),
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "sheet",
        ),
        (OLE + "Workbook".encode("utf-16-le"), "application/vnd.ms-excel", "sheet"),
        (OLE + "WordDocument".encode("utf-16-le"), "application/msword", "unreadable"),
        (zip_with("notes.txt"), "application/zip", "unreadable"),
        (b"ID3\x04\x00", "audio/mpeg", "unreadable"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio/wav", "unreadable"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00", "video/mp4", "unreadable"),
        (b"\x1aE\xdf\xa3\x01", "video/webm", "unreadable"),
        (b"\x7fELF\x02\x01", "application/x-executable", "unreadable"),
        (b"\x00\x01\x02\x03", "application/octet-stream", "unreadable"),
        (b"print('hello')\n", "text/plain", "text"),
        (b'if content.startswith(b"%PDF-"):\n    ...\n', "text/plain", "text"),
        (b"\x00junk" + make_pdf("Hello"), "application/pdf", "pdf"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "application/x-encrypted", "unreadable"),
        ("Grüße, 世界".encode(), "text/plain", "text"),
        (b"ID3 tags are old.\n", "text/plain", "text"),
        ("OggS und BZh f\u00fcr alle".encode("cp1252"), "text/plain", "text"),
        (b"BM 1\x1b[0m", "text/plain", "text"),
        (b"RIFF raff ruff", "text/plain", "text"),
        (b"line " * 50 + b"\x07", "text/plain", "text"),
        (b"BZh91AY&SY\x00\x01", "application/x-bzip2", "unreadable"),
        (b"{\\rtf1 Hello}", "text/rtf", "rtf"),
        (b'{"cells": [], "nbformat": 4}', "application/x-ipynb+json", "notebook"),
        (b"From: a\r\nMIME-Version: 1.0\r\n\r\nHello", "message/rfc822", "mail"),
        (b"From: here to there, a novel\n", "text/plain", "text"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "text/plain", "text"),
    ],
)
def test_content_tells_the_type(content: bytes, media_type: str, kind: str) -> None:
    assert identify(content) == media_type
    assert find_kind(media_type) == kind


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "cp1251", "shift_jis"]
)
def test_text_is_read_in_its_encoding(encoding: str) -> None:
    text = {
        "cp1252": "Die Größe des Gebäudes überrascht: für fünf Euro gibt es süße Äpfel.",
        "cp1251": "Съешь же ещё этих мягких французских булок да выпей чаю.",
        "shift_jis": "吾輩は猫である。名前はまだ無い。どこで生れたか頓と見当がつかぬ。",
    }.get(encoding, "Grüße, 世界 🧶")
    content = text.encode(encoding)
    assert identify(content) == "text/plain"
    assert decode(content) == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_wide_text_needs_no_mark(encoding: str) -> None:
    content = "Zeile eins,\r\nZeile zwei für dich".encode(encoding)
    assert identify(content) == "text/plain"
    assert decode(content) == "Zeile eins,\nZeile zwei für dich"


def test_text_that_is_cut_inside_a_character_is_still_utf8() -> None:
    content = ("ä" * 100_000).encode()
    assert decode(content[: 64 * 1024 + 1]).startswith("ää")


def test_lines_end_alike() -> None:
    assert decode(b"a\r\nb\rc\n") == "a\nb\nc\n"


@pytest.mark.parametrize(
    ("media_type", "says"),
    [
        ("audio/mpeg", "audio is not read"),
        ("video/mp4", "video is not read"),
        ("image/heic", "JPEG"),
        ("application/msword", ".docx"),
        ("application/zip", "archives"),
        ("application/x-encrypted", "locked with a password"),
        ("application/octet-stream", "this kind of file"),
    ],
)
def test_unreadable_says_why(media_type: str, says: str) -> None:
    assert says in explain_unreadable(media_type)
