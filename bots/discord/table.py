"""Markdown tables as aligned text, since Discord shows none. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum


class Alignment(Enum):
    """Where a column's cells stand."""

    LEFT = "left"
    RIGHT = "right"
    CENTER = "center"


WIDEST_COLUMN = 40
"""Longer cells run on, unpadded: one long cell must not fill all other rows with blanks."""

_DELIMITER = re.compile(r"^[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_PIPE = re.compile(r"(?<!\\)\|")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Table:
    """A table's cells, row by row; the first row is the head, if there is one."""

    rows: tuple[tuple[str, ...], ...]
    alignments: tuple[Alignment, ...]
    has_head: bool
    line_count: int


def parse_table(lines: Sequence[str], at: int) -> Table | None:
    """Read the table that begins at a line, if one does.

    At the very beginning of a text, rows without a head count too: they go on from the message before.
    """
    if "|" not in lines[at]:
        return None
    if at + 1 < len(lines) and "|" in lines[at + 1] and _DELIMITER.match(lines[at + 1]):
        return _parse_headed(lines, at)
    return _parse_continued(lines) if at == 0 else None


def _parse_headed(lines: Sequence[str], at: int) -> Table | None:
    head, delimiters = _split_row(lines[at]), _split_row(lines[at + 1])
    if len(head) != len(delimiters):
        return None
    body = _take_rows(lines[at + 2 :])
    alignments = tuple(_parse_alignment(cell) for cell in delimiters)
    return Table((head, *body), alignments, has_head=True, line_count=len(body) + 2)


def _parse_continued(lines: Sequence[str]) -> Table | None:
    rows = _take_rows(lines)
    is_closed = all(line.strip().startswith("|") for line in lines[: len(rows)])
    is_even = len({len(row) for row in rows}) == 1 and len(rows[0]) > 1
    if len(rows) < 2 or not is_closed or not is_even:
        return None
    alignments = (Alignment.LEFT,) * len(rows[0])
    return Table(rows, alignments, has_head=False, line_count=len(rows))


def _take_rows(lines: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    rows: list[tuple[str, ...]] = []
    for line in lines:
        if not line.strip() or not _PIPE.search(line):
            break
        rows.append(_split_row(line))
    return tuple(rows)


def _split_row(line: str) -> tuple[str, ...]:
    inner = line.strip().removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return tuple(_plain(cell) for cell in _PIPE.split(inner))


def _plain(cell: str) -> str:
    """Take out the marks that would show as such in code."""
    cell = _BREAK.sub(" ", cell).replace("\\|", "|").replace("`", "").replace("**", "")
    return cell.strip()


def _parse_alignment(delimiter: str) -> Alignment:
    if delimiter.endswith(":"):
        return Alignment.CENTER if delimiter.startswith(":") else Alignment.RIGHT
    return Alignment.LEFT


def render_table(table: Table) -> Iterator[str]:
    """Give the lines of a table as a code block with straight columns."""
    count = max(len(row) for row in table.rows)
    rows = [row + ("",) * (count - len(row)) for row in table.rows]
    alignments = table.alignments + (Alignment.LEFT,) * (count - len(table.alignments))
    widths = [min(max(_width(row[i]) for row in rows), WIDEST_COLUMN) for i in range(count)]
    yield "```"
    for number, row in enumerate(rows):
        cells = map(_pad, row, widths, alignments)
        yield "  ".join(cells).rstrip()
        if number == 0 and table.has_head:
            yield "  ".join("─" * width for width in widths)
    yield "```"


def _pad(cell: str, width: int, alignment: Alignment) -> str:
    blanks = max(width - _width(cell), 0)
    if alignment is Alignment.RIGHT:
        return " " * blanks + cell
    if alignment is Alignment.CENTER:
        return " " * (blanks // 2) + cell + " " * (blanks - blanks // 2)
    return cell + " " * blanks


def _width(text: str) -> int:
    """Count the columns that a text takes in a fixed-width font."""
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    if unicodedata.combining(character) or character in "\u200d\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
