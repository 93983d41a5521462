"""Files of every kind, made as their programs make them."""

from __future__ import annotations

import io
import json
import zipfile

import docx
import pptx
import xlsxwriter
from PIL import Image, ImageDraw


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


def make_pdf(*pages: str, picture: bool = False) -> bytes:
    """Write a PDF with a line of text on each page, and a picture below it if wanted."""
    drawing = "\nq 300 0 0 300 100 100 cm BI /W 1 /H 1 /CS /G /BPC 8 ID A EI Q" if picture else ""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, text in enumerate(pages):
        stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET{drawing}"
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


def make_scan(count: int = 2, *, blank: int = 0) -> bytes:
    """Write a PDF whose pages are pictures of paper with something on it, and empty ones behind them."""
    written = Image.new("RGB", (850, 1100), "white")
    ImageDraw.Draw(written).text((100, 100), "Invoice 4711", fill="black", font_size=40)
    pages = [written] * count + [Image.new("RGB", (850, 1100), "white")] * blank
    data = io.BytesIO()
    pages[0].save(data, "PDF", save_all=True, append_images=pages[1:])
    return data.getvalue()


def make_odt(*paragraphs: str) -> bytes:
    body = "".join(f"<text:p>{each}</text:p>" for each in paragraphs)
    names = 'xmlns:office="urn:o" xmlns:text="urn:t"'
    content = f"<office:document-content {names}><office:body>{body}</office:body></office:document-content>"
    return make_zip(
        ("mimetype", "application/vnd.oasis.opendocument.text"), ("content.xml", content)
    )


def make_epub(*chapters: str) -> bytes:
    """Write a book whose files stand in another order than its chapters."""
    numbers = range(len(chapters))
    items = "".join(f'<item id="c{n}" href="text/c%20{n}.xhtml"/>' for n in reversed(numbers))
    spine = "".join(f'<itemref idref="c{n}"/>' for n in numbers)
    package = f'<package xmlns="urn:p"><manifest>{items}</manifest><spine>{spine}</spine></package>'
    root = '<container><rootfiles><rootfile full-path="OPS/book.opf"/></rootfiles></container>'
    return make_zip(
        ("mimetype", "application/epub+zip"),
        ("META-INF/container.xml", root),
        ("OPS/book.opf", package),
        *(
            (f"OPS/text/c {n}.xhtml", f"<html><head><title>x</title></head><p>{text}</p></html>")
            for n, text in enumerate(chapters)
        ),
    )


def make_zip(*parts: tuple[str, str]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in parts:
            archive.writestr(name, content)
    return data.getvalue()


RTF = (
    rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}{\*\generator Word;}\f0 "
    rb"Gr\'fc\'dfe, \u-10179?\u-8640?!\par {\b bold} 5\~\'80\par{\pict\pngblip 89504e47}}"
)
MAIL = (
    b"From: Ada <ada@example.org>\r\nTo: fig@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
    b"Content-Type: text/html\r\n\r\n<style>p {}</style><p>The <b>meeting</b> is off.</p>\r\n--b\r\n"
    b"Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=plan.pdf\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\nJVBERi0=\r\n--b--\r\n"
)
NOTEBOOK = json.dumps(
    {
        "cells": [
            {"cell_type": "markdown", "source": ["# Sums\n"]},
            {
                "cell_type": "code",
                "source": "print(1 + 1)",
                "outputs": [
                    {"output_type": "stream", "text": ["2\n"]},
                    {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo="}},
                ],
            },
        ],
        "nbformat": 4,
    }
).encode()


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
