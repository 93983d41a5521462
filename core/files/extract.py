"""The text of documents, up to a limit of pages and characters.

It runs in a process of its own (worker.py): the formats are large, and a file may be made to harm.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from math import inf
from typing import TYPE_CHECKING

from core.errors import FileError
from core.files import wrapped
from core.files.identify import Kind, explain_unreadable
from core.files.pdf import read_pdf
from core.files.text import Text
from core.files.values import File, FileLimits, Picture, Reading, pack_pictures

if TYPE_CHECKING:
    from docx.text.paragraph import Paragraph

_UNSEEN = "(a picture, not seen)"
MAX_UNZIPPED_BYTES = 200_000_000
"""What an office document may grow to; one of 20 MB of honest XML stays well below."""


def extract(kind: Kind, content: bytes, limits: FileLimits, deadline: float = inf) -> Reading:
    """Give a document's text and pictures, and a note on what of it was left out. Raises FileError.

    Pictures are made until a deadline of the monotonic clock.
    """
    text = Text(limits.max_characters)
    try:
        _check_zip(kind, content)
        note, pictures = _read(kind, content, limits, text, deadline)
    except FileError:
        raise
    except MemoryError:
        raise FileError("it takes too much memory to read") from None
    except Exception as error:
        raise FileError("it is damaged, or not what its name says") from error
    if text.is_cut:
        note = f"{note}, and " if note else ""
        note += f"only the first {limits.max_characters:,} characters were read"
    if not str(text):
        raise FileError("there is nothing to read in it")
    return Reading(File("", pack_pictures(pictures), str(text)), note)


def _read(
    kind: Kind, content: bytes, limits: FileLimits, text: Text, deadline: float
) -> tuple[str, Sequence[Picture]]:
    if kind == "pdf":
        return read_pdf(content, limits, text, deadline)
    if kind in _OFFICE:
        return _OFFICE[kind](content, limits.max_pages, text), ()
    for part in wrapped.READERS[kind](content):
        if not text.add(part):
            break
    return "", ()


def _check_zip(kind: Kind, content: bytes) -> None:
    """Refuse what unpacks to far more than a document does, and archives that only have one in them.

    Raises FileError, and ValueError where it is damaged.
    """
    if not content.startswith(b"PK"):
        return
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
    if sum(info.file_size for info in entries) > MAX_UNZIPPED_BYTES:
        raise FileError("it unpacks to too much")
    if not {info.filename for info in entries} & _PARTS:
        raise FileError(explain_unreadable("application/zip"))


def _read_docx(content: bytes, _max_pages: int, text: Text) -> str:
    import docx
    from docx.table import Table

    for block in docx.Document(io.BytesIO(content)).iter_inner_content():
        lines = _rows(block) if isinstance(block, Table) else _paragraph(block)
        if not all(text.add(f"{line}\n") for line in lines):
            break
    return ""


def _paragraph(block: Paragraph) -> Iterator[str]:
    yield block.text
    if block._p.xpath(".//w:drawing"):  # pyright: ignore[reportPrivateUsage]
        yield _UNSEEN


def _read_pptx(content: bytes, max_pages: int, text: Text) -> str:
    import pptx

    slides = pptx.Presentation(io.BytesIO(content)).slides
    for number, slide in enumerate(islice(slides, max_pages), 1):
        said = "\n".join(_shape_texts(slide.shapes))
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame:
            said += f"\nNotes: {slide.notes_slide.notes_text_frame.text}"
        if said.strip() and not text.add(f"[slide {number}]\n{said.strip()}\n\n"):
            return f"only the first {number} of {len(slides)} slides were read"
    left_out = len(slides) > max_pages
    return f"only the first {max_pages} of {len(slides)} slides were read" if left_out else ""


def _shape_texts(shapes: Iterable[object]) -> Iterator[str]:
    for shape in shapes:
        if getattr(shape, "has_text_frame", False):
            yield shape.text_frame.text  # pyright: ignore[reportAttributeAccessIssue]
        elif getattr(shape, "has_table", False):
            yield from _rows(shape.table)  # pyright: ignore[reportAttributeAccessIssue]
        elif getattr(shape, "has_chart", False) or hasattr(shape, "crop_left"):
            yield _UNSEEN
        elif hasattr(shape, "shapes"):
            yield from _shape_texts(shape.shapes)  # pyright: ignore[reportAttributeAccessIssue]


def _rows(table: object) -> Iterator[str]:
    for row in table.rows:  # pyright: ignore[reportAttributeAccessIssue]
        yield " | ".join(" ".join(cell.text.split()) for cell in row.cells)


def _read_sheet(content: bytes, max_pages: int, text: Text) -> str:
    import python_calamine

    book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
    names = book.sheet_names
    for number, name in enumerate(names[:max_pages], 1):
        rows = book.get_sheet_by_name(name).iter_rows()
        lines = filter(None, (" | ".join(map(_cell, row)).rstrip(" |") for row in rows))
        if not text.add(f"[sheet {name}]\n") or not all(text.add(f"{line}\n") for line in lines):
            return f"only the first {number} of {len(names)} sheets were read" * (
                number < len(names)
            )
    left_out = len(names) > max_pages
    return f"only the first {max_pages} of {len(names)} sheets were read" if left_out else ""


def _cell(value: object) -> str:
    """Write a whole number as one: a sheet has only floats."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return " ".join(str(value).split())


_PARTS = frozenset(
    (
        "word/document.xml",
        "ppt/presentation.xml",
        "xl/workbook.xml",
        "xl/workbook.bin",
        "content.xml",
    )
) | {"META-INF/container.xml"}
_OFFICE: Mapping[Kind, Callable[[bytes, int, Text], str]] = {
    "docx": _read_docx,
    "pptx": _read_pptx,
    "sheet": _read_sheet,
}
