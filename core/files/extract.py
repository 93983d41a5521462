"""The text of PDFs and office documents, up to a limit of pages and characters.

It runs in a process of its own (worker.py): the formats are large, and a file may be made to harm.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from core.errors import FileError
from core.files.identify import Kind

MAX_UNZIPPED_BYTES = 200_000_000
"""What an office document may grow to; one of 20 MB of honest XML stays well below."""


@dataclass(slots=True)
class Text:
    """A text that takes no more than so many characters."""

    max_characters: int
    parts: list[str] = field(default_factory=list[str])
    length: int = 0
    is_cut: bool = False

    def add(self, part: str) -> bool:
        """Add a piece. False once nothing more fits."""
        room = self.max_characters - self.length
        self.is_cut |= len(part) > room
        if room > 0:
            self.parts.append(part[:room])
            self.length += min(len(part), room)
        return not self.is_cut

    def __str__(self) -> str:
        return "".join(self.parts).strip()


def extract(kind: Kind, content: bytes, max_pages: int, max_characters: int) -> tuple[str, str]:
    """Give a document's text, and a note on what of it was left out. Raises FileError."""
    if kind != "pdf" and content.startswith(b"PK"):
        _check_zip(content)
    text = Text(max_characters)
    try:
        note = _READERS[kind](content, max_pages, text)
    except FileError:
        raise
    except MemoryError:
        raise FileError("it takes too much memory to read") from None
    except Exception as error:
        raise FileError("it is damaged, or no such file") from error
    if text.is_cut:
        note = f"{note}, and " if note else ""
        note += f"only the first {max_characters:,} characters were read"
    if not text.length:
        raise FileError("there is no text in it" if kind != "pdf" else _SCAN)
    return str(text), note


_SCAN = "there is no text in it, only pictures of pages; send them as images"


def _check_zip(content: bytes) -> None:
    """Refuse what unpacks to far more than a document does. Raises FileError."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(info.file_size for info in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise FileError("it is damaged, or no such file") from error
    if unpacked > MAX_UNZIPPED_BYTES:
        raise FileError("it unpacks to too much")


def _read_pdf(content: bytes, max_pages: int, text: Text) -> str:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        is_locked = "password" in str(error).lower()
        reason = "it is locked with a password" if is_locked else "it is damaged, or no such file"
        raise FileError(reason) from error
    count = len(document)
    read = 0
    for number in range(min(count, max_pages)):
        page = document[number].get_textpage().get_text_bounded().replace("\r\n", "\n").strip()
        read += 1
        if page and not text.add(f"[page {number + 1}]\n{page}\n\n"):
            break
    return f"only the first {read} of {count} pages were read" if read < count else ""


def _read_docx(content: bytes, _max_pages: int, text: Text) -> str:
    import docx
    from docx.table import Table

    for block in docx.Document(io.BytesIO(content)).iter_inner_content():
        lines = _rows(block) if isinstance(block, Table) else (block.text,)
        if not all(text.add(f"{line}\n") for line in lines):
            break
    return ""


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
        lines = (" | ".join(_cell(value) for value in row).rstrip(" |") for row in rows)
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


_READERS: Mapping[Kind, Callable[[bytes, int, Text], str]] = {
    "pdf": _read_pdf,
    "docx": _read_docx,
    "pptx": _read_pptx,
    "sheet": _read_sheet,
}
