"""Markdown as Slack shows it: `mrkdwn` for posts and updates, Markdown made harmless for streams. Pure.

mrkdwn knows bold, italic, strike, code, links and quotes, but neither headings nor tables
(docs.slack.dev/messaging/formatting-message-text).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence

from bots.slack.inert import ZERO_WIDTH_SPACE, hush
from bots.slack.inline import escape, render_line, strip_markup
from core.fences import closes_fence, match_fence

_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(?P<title>.*?)[ \t]*#*[ \t]*$")
_RULE = re.compile(r"^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")
_QUOTE = re.compile(r"^(?: {0,3}>[ \t]?)+")
_BULLET = re.compile(r"^(?P<indent>[ \t]*)[-*+][ \t]+(?P<task>\[[ xX]\][ \t]+)?(?P<item>.*)$")
_NUMBER = re.compile(r"^(?P<lead>[ \t]*\d{1,9}[.)][ \t]+)(?P<item>.*)$")
_TABLE_RULE = re.compile(r"^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_CELL_EDGE = re.compile(r"(?<!\\)\|")
_OWN_LINE_RULE = "─" * 12
_WIDE = frozenset("WF")


def render_mrkdwn(markdown: str) -> str:
    """Render for `chat.postMessage` and `chat.update`. A fence left open is closed."""
    lines = markdown.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(_render_lines(lines))


def render_stream(markdown: str) -> str:
    """Render for `markdown_text`, which Slack reads itself: only what would ping is broken.

    What a text begins with is rendered the same, however it goes on.
    """
    return hush(markdown)


def _render_lines(lines: Sequence[str]) -> Iterator[str]:
    at = 0
    while at < len(lines):
        if (fence := match_fence(lines[at])) and ">" not in fence["lead"]:
            end = _find_fence_end(lines, at + 1, fence["marker"])
            yield from _render_fence(lines[at + 1 : end])
            at = end + 1
        elif _begins_table(lines, at):
            end = _find_end(lines, at, lambda line: "|" in line)
            yield from _render_table(lines[at:end])
            at = end
        elif _QUOTE.match(lines[at]):
            end = _find_end(lines, at, lambda line: bool(_QUOTE.match(line)))
            quoted = [_QUOTE.sub("", line) for line in lines[at:end]]
            yield from (f"> {line}" for line in _render_lines(quoted))
            at = end
        else:
            yield _render_plain(lines[at])
            at += 1


def _render_plain(line: str) -> str:
    if _RULE.match(line):
        return _OWN_LINE_RULE
    if heading := _HEADING.match(line):
        title = strip_markup(heading["title"]).replace("*", "").strip()
        return render_line(f"**{title}**") if title else ""
    if bullet := _BULLET.match(line):
        task = bullet["task"]
        mark = "•" if not task else "☐" if task[1] == " " else "☑"
        return f"{bullet['indent']}{mark} {render_line(bullet['item'])}"
    if number := _NUMBER.match(line):
        return number["lead"] + render_line(number["item"])
    return render_line(line)


def _find_end(lines: Sequence[str], start: int, belongs: Callable[[str], bool]) -> int:
    end = start
    while end < len(lines) and belongs(lines[end]):
        end += 1
    return end


def _find_fence_end(lines: Sequence[str], start: int, marker: str) -> int:
    ends = (at for at in range(start, len(lines)) if closes_fence(lines[at], marker))
    return next(ends, len(lines))


def _render_fence(lines: Sequence[str]) -> Iterator[str]:
    """Slack shows a language tag as code, and ends a fence at any three ticks."""
    yield "```"
    for line in lines:
        yield escape(line.replace("```", f"`{ZERO_WIDTH_SPACE}`{ZERO_WIDTH_SPACE}`"))
    yield "```"


def _begins_table(lines: Sequence[str], at: int) -> bool:
    return (
        "|" in lines[at]
        and at + 1 < len(lines)
        and "|" in lines[at + 1]
        and bool(_TABLE_RULE.match(lines[at + 1]))
    )


def _render_table(lines: Sequence[str]) -> Iterator[str]:
    rows = [_read_row(line) for line in (lines[0], *lines[2:])]
    widths = [
        max((_width(row[column]) for row in rows if column < len(row)), default=0)
        for column in range(max(map(len, rows)))
    ]
    drawn = [_draw_row(row, widths) for row in rows]
    yield from _render_fence([drawn[0], "-+-".join("-" * width for width in widths), *drawn[1:]])


def _read_row(line: str) -> list[str]:
    inside = line.strip().removeprefix("|")
    if inside.endswith("|") and not inside.endswith("\\|"):
        inside = inside[:-1]
    return [strip_markup(cell.strip()) for cell in _CELL_EDGE.split(inside)]


def _draw_row(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=False))
    return " | ".join(padded).rstrip()


def _width(text: str) -> int:
    """Count the columns that a text takes in a fixed-width font."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in _WIDE else 1
        for c in text
    )
