"""Files of every kind, made as their programs make them."""

from __future__ import annotations

import io
import zipfile

import docx
import pptx
import xlsxwriter
from PIL import Image


def make_image(
    form: str = "PNG", size: tuple[int, int] = (40, 30), mode: str = "RGB", **options: object
) -> bytes:
    data = io.BytesIO()
    Image.effect_noise(size, 50).convert(mode).save(data, form, **options)
    return data.getvalue()


def make_plain_image(size: tuple[int, int]) -> bytes:
    """Write a PNG of one color, which is small however many pixels it has."""
    data = io.BytesIO()
    Image.new("RGB", size).save(data, "PNG")
    return data.getvalue()


def make_pdf(*pages: str) -> bytes:
    """Write a PDF with a line of text on each page."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, text in enumerate(pages):
        stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET"
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * number} 0 R >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    data, places = b"%PDF-1.4\n", list[int]()
    for number, each in enumerate(objects, 1):
        places.append(len(data))
        data += f"{number} 0 obj\n{each}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = f"xref\n0 {len(places) + 1}\n0000000000 65535 f \n{table}"
    end += f"trailer << /Size {len(places) + 1} /Root 1 0 R >>\nstartxref\n{len(data)}\n%%EOF\n"
    return data + end.encode()


def make_locked_pdf() -> bytes:
    """Write a PDF that nobody has the password of: what should prove one proves none."""
    proof = f"<{'5a' * 32}>"
    lock = f"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O {proof} /U {proof} >>"
    return make_pdf("secret").replace(b"/Root", f"{lock} /ID [<01> <01>] /Root".encode())


def make_docx(*paragraphs: str) -> bytes:
    document, data = docx.Document(), io.BytesIO()
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    row = document.add_table(rows=1, cols=2).rows[0]
    row.cells[0].text, row.cells[1].text = "left", "right"
    document.save(data)
    return data.getvalue()


def make_pptx(*titles: str) -> bytes:
    show, data = pptx.Presentation(), io.BytesIO()
    for title in titles:
        slide = show.slides.add_slide(show.slide_layouts[0])
        slide.shapes.title.text = title  # pyright: ignore[reportOptionalMemberAccess]
    show.save(data)
    return data.getvalue()


def make_xlsx(*rows: tuple[object, ...], sheets: int = 1) -> bytes:
    data = io.BytesIO()
    with xlsxwriter.Workbook(data, {"in_memory": True}) as book:
        for number in range(sheets):
            sheet = book.add_worksheet(f"Sheet{number + 1}")
            for line, row in enumerate(rows):
                sheet.write_row(line, 0, row)
    return data.getvalue()


def make_bomb(size_bytes: int = 300_000_000) -> bytes:
    """Write what says to be a document, and unpacks to a lot."""
    data = io.BytesIO()
    with (
        zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("word/document.xml", "w", force_zip64=True) as part,
    ):
        for _ in range(size_bytes // 1_000_000):
            part.write(b" " * 1_000_000)
    return data.getvalue()
