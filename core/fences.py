"""Code fences in Markdown that grows: which one is open, and how it is closed. Pure."""

from __future__ import annotations

import re

_OPENING = re.compile(
    r"^(?P<lead>(?:[ \t>]|(?:[-*+]|\d{1,9}[.)])(?=[ \t]))*)"  # quoted, indented, or a list's item
    r"(?P<marker>`{3,}(?=[^`]*$)|~{3,})(?P<info>.*)$"
)
_LONGEST_LANGUAGE = 30


def match_fence(line: str) -> re.Match[str] | None:
    """Match a line that opens a fence: its groups are `lead`, `marker` and `info`."""
    return _OPENING.match(line)


def closes_fence(line: str, fence: str) -> bool:
    """Tell whether a line closes the fence that an opening line, or its marker, began."""
    marker, stripped = _read_marker(fence), line.strip(" \t\r>")
    return len(stripped) >= len(marker) and not stripped.strip(marker[0])


def find_open_fence(text: str, fence: str = "") -> str:
    """Give the line that opens the fence again which is open at a text's end, or an empty text.

    `fence` is the one that is open where the text begins. Of what stood behind the marker only a
    language is kept: a line as long as a page would leave no room for code.
    """
    for line in text.split("\n"):
        if fence:
            fence = "" if closes_fence(line, fence) else fence
        elif match := match_fence(line):
            language = match["info"].split(maxsplit=1)[:1]
            short = language and len(language[0]) <= _LONGEST_LANGUAGE
            fence = match["marker"] + (language[0] if short else "")
    return fence


def close_fence(body: str) -> str:
    """Close the fence that is open at a body's end, if any. What is there stays as it is."""
    fence = find_open_fence(body)
    if not fence:
        return body
    newline = "" if body.endswith("\n") else "\n"
    return f"{body}{newline}{_read_marker(fence)}"


def _read_marker(fence: str) -> str:
    return fence[: len(fence) - len(fence.lstrip(fence[0]))]
