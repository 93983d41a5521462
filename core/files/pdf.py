"""PDFs: the text of each page, and pictures of those pages that have none, as scans do.

Anthropic and OpenAI look at a PDF in the same way: as pictures of its pages beside their text
(docs.claude.com, "PDF support"; platform.openai.com, "File inputs"). Done here, it is bounded, counted
as images are, and works with every model that sees.
"""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.errors import FileError
from core.files.image import MAX_EDGE
from core.files.text import Text
from core.files.values import FileLimits, Picture

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage

MAX_PICTURE_BYTES = 10_000_000
"""Of all pages together; a page of a scan takes 0.2 to 0.5 MB."""
_SCAN = "there is no text in it, only pictures of pages, which are not looked at here"
_QUALITY = 80
_THIN = 100
"""Characters of a page that is a picture all the same: scanners add a number or a line."""
_COVERS = 0.5
_SHOWS = 0.1  # a logo is smaller
_SHADES = 8  # paper that looks white has no more


@dataclass(slots=True)
class Pages:
    """The pictures that are made of a document's pages, as many as there may be."""

    max_pictures: int
    deadline: float
    """By the monotonic clock; further pages stay without a picture."""
    pictures: list[Picture] = field(default_factory=list[Picture])
    size_bytes: int = 0
    left_out_count: int = 0

    def add(self, number: int, page: PdfPage) -> bool:
        """Make a picture of a page, unless it is empty. False where there is none."""
        is_late = time.monotonic() > self.deadline
        if (
            is_late
            or len(self.pictures) >= self.max_pictures
            or self.size_bytes >= MAX_PICTURE_BYTES
        ):
            self.left_out_count += 1
            return False
        content = _draw(page)
        if content is None:
            return False
        self.pictures.append(Picture(number, "image/jpeg", content))
        self.size_bytes += len(content)
        return True

    @property
    def note(self) -> str:
        """Say what has no picture."""
        if not self.left_out_count:
            return ""
        count = len(self.pictures) + self.left_out_count
        return f"only the first {len(self.pictures)} of {count} scanned pages were taken"


def read_pdf(
    content: bytes, limits: FileLimits, text: Text, deadline: float
) -> tuple[str, Sequence[Picture]]:
    """Read the text of pages, and draw those that are pictures. Raises FileError."""
    document = _open(content)
    count, read, pages = len(document), 0, Pages(limits.max_scanned_pages, deadline)
    for number in range(min(count, limits.max_pages)):
        page = document[number]
        read += 1
        said = page.get_textpage().get_text_bounded().replace("\r\n", "\n").strip()
        if _is_picture(page, said) and pages.add(number + 1, page):
            said = f"(a picture)\n{said}".strip()
        elif said and _has_picture(page, _SHOWS):
            said += "\n(a picture, not seen)"
        if said and not text.add(f"[page {number + 1}]\n{said}\n\n"):
            break
    if not text.length and pages.left_out_count:
        raise FileError("it takes too long to read" if limits.max_scanned_pages else _SCAN)
    notes = (f"only the first {read} of {count} pages were read" * (read < count), pages.note)
    return ", and ".join(filter(None, notes)), pages.pictures


def _open(content: bytes) -> PdfDocument:
    import pypdfium2

    try:
        return pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        is_locked = "password" in str(error).lower()
        reason = (
            "it is locked with a password"
            if is_locked
            else "it is damaged, or not what its name says"
        )
        raise FileError(reason) from error


def _is_picture(page: PdfPage, said: str) -> bool:
    """Tell whether a page says nothing, or little beside a picture that fills it."""
    return not said or (len(said) <= _THIN and _has_picture(page, _COVERS))


def _has_picture(page: PdfPage, share: float) -> bool:
    """Tell whether a picture takes more than a share of a page."""
    from pypdfium2.raw import FPDF_PAGEOBJ_IMAGE

    width, height = page.get_size()
    for each in page.get_objects(filter=[FPDF_PAGEOBJ_IMAGE], max_depth=3):
        left, bottom, right, top = each.get_bounds()
        if (right - left) * (top - bottom) > width * height * share:
            return True
    return False


def _draw(page: PdfPage) -> bytes | None:
    """Give a page as JPEG; None for an empty one."""
    drawn = page.render(scale=MAX_EDGE / max(page.get_size())).to_pil().convert("RGB")
    darkest, lightest = drawn.convert("L").getextrema()
    if lightest - darkest <= _SHADES:  # pyright: ignore[reportOperatorIssue]
        return None
    data = io.BytesIO()
    drawn.save(data, "JPEG", quality=_QUALITY)
    return data.getvalue()
