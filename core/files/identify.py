"""What a file is, by its content: a name and a platform's word can be wrong, or a lie. Pure.

The signatures are the formats' own; those of ISO media files are the brands of their `ftyp` box.
"""

from __future__ import annotations

import re
from typing import Literal

from charset_normalizer import from_bytes

Kind = Literal[
    "text",
    "image",
    "pdf",
    "docx",
    "pptx",
    "sheet",
    "odf",
    "epub",
    "rtf",
    "mail",
    "notebook",
    "unreadable",
]

_PROBE_BYTES = 64 * 1024
_CONTROLS = bytes(set(range(1, 32)) - set(b"\t\n\r\f\b\x1b"))
_MOST_CONTROLS = 0.01  # a log has one now and then; what is no text has far more
_BOMS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_TEXTS = (
    (b"{\\rtf", "text/rtf"),
    (b"%PDF-", "application/pdf"),
)
_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"ID3\x02", "audio/mpeg"),
    (b"ID3\x03", "audio/mpeg"),
    (b"ID3\x04", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf1", "audio/aac"),
    (b"OggS\x00", "audio/ogg"),
    (b"fLaC\x00", "audio/flac"),
    (b"#!AMR", "audio/amr"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"FLV\x01", "video/x-flv"),
    (b"\x00\x00\x01\xba", "video/mpeg"),
    (b"\x1f\x8b", "application/gzip"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"\xfd7zXZ\x00", "application/x-xz"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"\xff\x0a", "image/jxl"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"\x7fELF", "application/x-executable"),
    (b"SQLite format 3\x00", "application/vnd.sqlite3"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heic",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"qt  ": "video/quicktime",
}
_NOTEBOOK = re.compile(rb'"nbformat"\s*:\s*\d')
_MAIL = re.compile(rb"[A-Za-z-]+:[ \t]")
_MAIL_HEADERS = tuple(
    re.compile(rb"^%b:" % name, re.MULTILINE | re.IGNORECASE)
    for name in (b"From", b"(?:Message-ID|Received|MIME-Version)")
)
_OFFICE = "application/vnd.openxmlformats-officedocument."
_ZIPPED = (
    (b"word/document.xml", _OFFICE + "wordprocessingml.document"),
    (b"xl/workbook.xml", _OFFICE + "spreadsheetml.sheet"),
    (b"xl/workbook.bin", "application/vnd.ms-excel.sheet.binary.macroenabled.12"),
    (b"ppt/presentation.xml", _OFFICE + "presentationml.presentation"),
    (b"application/epub+zip", "application/epub+zip"),
    (b"opendocument.spreadsheet", "application/vnd.oasis.opendocument.spreadsheet"),
    (b"opendocument.text", "application/vnd.oasis.opendocument.text"),
    (b"opendocument.presentation", "application/vnd.oasis.opendocument.presentation"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLD_OFFICE = (
    ("EncryptedPackage", "application/x-encrypted"),  # what is locked is wrapped into the old form
    ("Workbook", "application/vnd.ms-excel"),
    ("WordDocument", "application/msword"),
    ("PowerPoint Document", "application/vnd.ms-powerpoint"),
)
_KINDS: dict[str, Kind] = {
    "application/pdf": "pdf",
    _OFFICE + "wordprocessingml.document": "docx",
    _OFFICE + "presentationml.presentation": "pptx",
    _OFFICE + "spreadsheetml.sheet": "sheet",
    "application/vnd.ms-excel.sheet.binary.macroenabled.12": "sheet",
    "application/vnd.oasis.opendocument.spreadsheet": "sheet",
    "application/vnd.ms-excel": "sheet",
    "application/vnd.oasis.opendocument.text": "odf",
    "application/vnd.oasis.opendocument.presentation": "odf",
    "application/epub+zip": "epub",
    "application/x-ipynb+json": "notebook",
    "message/rfc822": "mail",
    "text/rtf": "rtf",
    "text/plain": "text",
}
_UNSEEN_IMAGES = frozenset(("image/heic", "image/jxl"))


def identify(content: bytes) -> str:
    """Give a file's media type: `text/plain` for any text, `application/octet-stream` where unknown.

    Text comes first: it may begin with the letters of a signature, as `ID3` and `BM` are.
    """
    if _is_text(content):
        return _identify_text(content)
    return _identify_signed(content) or _identify_rest(content)


def _identify_text(content: bytes) -> str:
    """Tell apart what is made of text alone: some formats wrap the text that people mean."""
    start = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:_PROBE_BYTES]
    for mark, media_type in _TEXTS:
        if start.startswith(mark):
            return media_type
    if start.startswith(b"{") and _NOTEBOOK.search(content):
        return "application/x-ipynb+json"
    is_mail = _MAIL.match(start) and all(name.search(start) for name in _MAIL_HEADERS)
    return "message/rfc822" if is_mail else "text/plain"


def _identify_signed(content: bytes) -> str | None:
    for start, media_type in _STARTS:
        if content.startswith(start):
            return media_type
    if content.startswith(b"BZh") and content[4:10] == b"1AY&SY":
        return "application/x-bzip2"
    if content.startswith(b"RIFF"):
        return _RIFF.get(content[8:12], "application/octet-stream")
    if content[4:8] == b"ftyp":
        return _BRANDS.get(content[8:12], "video/mp4")
    if content.lstrip().startswith(b"%PDF-"):
        return "application/pdf"
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return next((type_ for part, type_ in _ZIPPED if part in content), "application/zip")
    if content.startswith(_OLE):
        streams = ((name.encode("utf-16-le"), media_type) for name, media_type in _OLD_OFFICE)
        return next((type_ for name, type_ in streams if name in content), "application/x-ole")
    if content.startswith(b"BM") and content[6:10] == b"\x00\x00\x00\x00":
        return "image/bmp"
    return None


def _identify_rest(content: bytes) -> str:
    if find_encoding(content):
        return "text/plain"
    # Readers of PDFs bear other bytes before its beginning.
    return "application/pdf" if b"%PDF-" in content[:1024] else "application/octet-stream"


def find_kind(media_type: str) -> Kind:
    """Say how files of a type are read."""
    if media_type.startswith("image/"):
        return "unreadable" if media_type in _UNSEEN_IMAGES else "image"
    return _KINDS.get(media_type, "unreadable")


def explain_unreadable(media_type: str) -> str:
    """Say why files of a type are not read, and what to send instead."""
    kind, _, form = media_type.partition("/")
    if kind in ("audio", "video"):
        return f"{kind} is not read"
    if media_type in _UNSEEN_IMAGES:
        return f"{form.upper()} images are not read; send it as JPEG or PNG"
    if form == "x-encrypted":
        return "it is locked with a password"
    if form in ("msword", "vnd.ms-powerpoint", "x-ole"):
        return "this old Office format is not read; save it as .docx or .pptx"
    if form in ("zip", "gzip", "x-7z-compressed", "vnd.rar", "x-xz", "x-bzip2", "zstd"):
        return "archives are not opened; send the files in it"
    return "this kind of file is not read"


def find_encoding(content: bytes) -> str | None:
    """Find how a text is encoded. None where it is no text."""
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return encoding
    probe = content[:_PROBE_BYTES]
    if b"\x00" in probe:
        return _find_wide_encoding(probe)
    controls = len(probe) - len(probe.translate(None, _CONTROLS))
    if controls and (controls > len(probe) * _MOST_CONTROLS or not _is_utf8(probe)):
        return None
    if _is_utf8(probe):
        return "utf-8"
    best = from_bytes(probe).best()
    return best.encoding if best else "cp1252"


def decode(content: bytes) -> str:
    """Read a text in whatever encoding it is; what cannot be decoded becomes U+FFFD."""
    text = content.decode(find_encoding(content) or "utf-8", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _is_text(content: bytes) -> bool:
    """Tell whether it is UTF-8 throughout, as no signed format is."""
    probe = content[:_PROBE_BYTES]
    has_controls = len(probe) != len(probe.translate(None, b"\x00" + _CONTROLS))
    return not has_controls and _is_utf8(probe)


def _find_wide_encoding(probe: bytes) -> str | None:
    """Find UTF-16 without a mark: of Latin letters and line ends every other byte is 0."""
    for encoding, zeros, others in (
        ("utf-16-le", probe[1::2], probe[::2]),
        ("utf-16-be", probe[::2], probe[1::2]),
    ):
        is_likely = zeros.count(0) > len(zeros) * 0.5 and 0 not in others
        if is_likely and not set(others) & set(_CONTROLS):
            return encoding
    return None


def _is_utf8(probe: bytes) -> bool:
    try:
        probe.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(probe) - 3 and len(probe) == _PROBE_BYTES
    return True
