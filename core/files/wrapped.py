"""The text of formats that wrap it: OpenDocument, EPUB, RTF, mails and notebooks.

It runs in a process of its own, as all of extract.py does, which bounds what a file can make it do; what
expands without end in XML, expat itself refuses.
"""

from __future__ import annotations

import io
import json
import posixpath
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from email.parser import BytesParser
from email.policy import default as mail_policy
from html.parser import HTMLParser
from typing import Any, cast
from urllib.parse import unquote
from xml.etree import ElementTree

from core.files.identify import Kind, decode

_CONTAINER = "META-INF/container.xml"
_SKIPPED = frozenset(("script", "style", "head"))
_BLOCKS = frozenset(("p", "br", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "section"))
_ODF_BLOCKS = frozenset(("p", "h"))
_RTF_SKIPPED = frozenset(
    ("fonttbl", "colortbl", "stylesheet", "info", "pict", "object", "themedata", "header", "footer")
)
_RTF_BREAKS = {"par": "\n", "line": "\n", "row": "\n", "tab": "\t", "cell": " | "}
_RTF_TOKEN = re.compile(
    rb"\\'(?P<byte>[0-9a-fA-F]{2})|\\(?P<word>[a-z]+)(?P<number>-?\d+)? ?"
    rb"|\\(?P<symbol>[^a-z])|(?P<brace>[{}])|(?P<text>[^\\{}\r\n]+)"
)


def read_odf(content: bytes) -> Iterator[str]:
    """Give the paragraphs of an OpenDocument text or presentation."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive, archive.open("content.xml") as part:
        for _, element in ElementTree.iterparse(part):  # noqa: S314 -- see above
            if _tag(element) in _ODF_BLOCKS:
                yield "".join(element.itertext()) + "\n"
                element.clear()


def read_epub(content: bytes) -> Iterator[str]:
    """Give the text of a book, chapter by chapter in the order in which they are read."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in _find_chapters(archive):
            text = read_html(decode(archive.read(name)))
            if text:
                yield f"{text}\n\n"


def read_html(html: str) -> str:
    """Give the text of a page."""
    stripper = _Stripper()
    stripper.feed(html)
    stripper.close()
    lines = (" ".join(line.split()) for line in "".join(stripper.parts).split("\n"))
    return "\n".join(filter(None, lines))


def read_rtf(content: bytes) -> Iterator[str]:
    """Give the text of an RTF document, without what it says of fonts, styles and pictures."""
    skipped: list[bool] = [False]
    encoding, is_shown_twice = "cp1252", False
    for token in _RTF_TOKEN.finditer(content):
        word, number = (token["word"] or b"").decode(), int(token["number"] or 0)
        if token["brace"]:
            skipped = [*skipped, skipped[-1]] if token["brace"] == b"{" else skipped[:-1] or [False]
        elif word in _RTF_SKIPPED or token["symbol"] == b"*":
            skipped[-1] = True
        elif word == "ansicpg":
            encoding = f"cp{number}"
        elif word == "bin":
            raise ValueError("binary data")
        elif not skipped[-1]:
            text = _render_rtf(token, word, number, encoding)
            # Behind each sign of Unicode stands what programs show that know none.
            yield text[1:] if is_shown_twice and not word else text
            is_shown_twice = word == "u"


def _render_rtf(token: re.Match[bytes], word: str, number: int, encoding: str) -> str:
    if token["byte"]:
        return bytes.fromhex(token["byte"].decode()).decode(encoding, "replace")
    if word == "u":
        return chr(number % 65536)
    if token["symbol"]:
        return {b"~": " ", b"_": "-", b"-": ""}.get(
            token["symbol"], token["symbol"].decode("latin-1")
        )
    return _RTF_BREAKS.get(word, "") if word else token["text"].decode(encoding, "replace")


def read_mail(content: bytes) -> Iterator[str]:
    """Give a mail's headers that people see, its text, and the names of the files that came with it."""
    mail = BytesParser(policy=mail_policy).parsebytes(content)
    for name in ("From", "To", "Cc", "Date", "Subject"):
        if value := mail.get(name):
            yield f"{name}: {value}\n"
    body = mail.get_body(("plain", "html"))
    if body is not None:
        text = cast("str", body.get_content())
        yield "\n" + (read_html(text) if body.get_content_subtype() == "html" else text) + "\n"
    for part in mail.iter_attachments():
        yield f"[attached: {part.get_filename() or part.get_content_type()}, not read]\n"


def read_notebook(content: bytes) -> Iterator[str]:
    """Give a notebook's cells and the text that they put out, without its pictures."""
    for number, cell in enumerate(json.loads(decode(content))["cells"], 1):
        yield f"[{cell['cell_type']} cell {number}]\n{_join(cell['source'])}\n"
        for output in cell.get("outputs", ()):
            if text := _find_output(output):
                yield f"[output]\n{text.rstrip()}\n"
        yield "\n"


def _find_output(output: Mapping[str, Any]) -> str:
    if output.get("output_type") == "error":
        return f"{output.get('ename')}: {output.get('evalue')}"
    return _join(output.get("text") or output.get("data", {}).get("text/plain") or "")


def _join(lines: str | list[str]) -> str:
    return lines if isinstance(lines, str) else "".join(lines)


def _find_chapters(archive: zipfile.ZipFile) -> Iterator[str]:
    """Give the names of a book's pages, by its spine."""
    container = ElementTree.fromstring(archive.read(_CONTAINER))  # noqa: S314 -- see above
    root = next(each.attrib["full-path"] for each in container.iter() if _tag(each) == "rootfile")
    package = list(ElementTree.fromstring(archive.read(root)).iter())  # noqa: S314 -- see above
    places = {each.attrib["id"]: each.attrib["href"] for each in package if _tag(each) == "item"}
    for each in package:
        if _tag(each) == "itemref":
            place = unquote(places[each.attrib["idref"]])
            yield posixpath.normpath(posixpath.join(posixpath.dirname(root), place))


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


class _Stripper(HTMLParser):
    """Takes the text out of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a line, or skip what nobody reads."""
        self._depth += tag in _SKIPPED
        self.parts.append("\n" if tag in _BLOCKS else "")

    def handle_endtag(self, tag: str) -> None:
        """End a line, or what is skipped."""
        self._depth -= tag in _SKIPPED and self._depth > 0
        self.parts.append("\n" if tag in _BLOCKS else "")

    def handle_data(self, data: str) -> None:
        """Take in text."""
        if not self._depth:
            self.parts.append(data)


READERS: Mapping[Kind, Callable[[bytes], Iterator[str]]] = {
    "odf": read_odf,
    "epub": read_epub,
    "rtf": read_rtf,
    "mail": read_mail,
    "notebook": read_notebook,
}
