"""Cutting a growing Markdown text into pages, one a message. Pure.

A page that is complete never changes as the text grows, and an open page only ever grows: what a
person has read stays. A code fence that a cut goes through is closed there and opened again.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from core.fences import close_fence, closes_fence, find_open_fence

Fits = Callable[[str], bool]

_WINDOW = 0.8  # a page is cut at a line's end, if there is one, in its last fifth
_FIRST_TRY = 1000
_ZERO_WIDTH_JOINER = "\u200d"


@dataclass(frozen=True, slots=True)
class Page:
    """What one message shows of the text, and where the next one goes on.

    `fence` is the opening line of a code fence that goes on behind the page, or empty.
    """

    body: str
    end: int
    fence: str
    is_complete: bool


def next_page(
    text: str, start: int, fence: str, fits: Fits, *, shown: int = 0, is_final: bool = False
) -> Page:
    """Cut the page that begins at `start`, where `fence` is open.

    `shown` is how far the page is on view already: it is never cut before. While the text still
    grows, the page's last fifth shows whole lines only, so that a later cut finds a line's end.
    """
    start, fence = _skip_to_content(text, start, fence)
    rest = text[start:]
    on_view = max(shown - start, 0)
    if fence and "\n" not in rest and not is_final:
        return Page("", start, fence, is_complete=False)  # this line may yet close the fence
    longest = _longest_fit(rest, fence, fits)
    if longest == len(rest):
        end = len(rest) if is_final else max(_settled_length(rest, fence, fits), on_view)
        body = _reopen(rest[:end].rstrip("\n"), fence)
        return Page(body, start + end, fence, is_complete=False)
    end = max(_cut(rest, fence, fits, longest), on_view)
    body = close_fence(_reopen(rest[:end].rstrip("\n"), fence))
    return Page(body, start + end, find_open_fence(rest[:end], fence), is_complete=True)


def _skip_to_content(text: str, start: int, fence: str) -> tuple[int, str]:
    """Leave out what a page need not begin with: the line that closes the carried fence, blank lines."""
    if fence:
        line, newline, _ = text[start:].partition("\n")
        if newline and closes_fence(line, fence):
            start, fence = start + len(line) + 1, ""
        elif not newline and closes_fence(line, fence):
            return len(text), ""
    if not fence:
        while text.startswith("\n", start):
            start += 1
    return start, fence


def _reopen(body: str, fence: str) -> str:
    return f"{fence}\n{body}" if fence else body


def _longest_fit(rest: str, fence: str, fits: Fits) -> int:
    """Find how much of the text fits one message; at least one character of it.

    It looks near a page's own length first: to render all that follows would take as long as all
    other pages together, for each page.
    """

    def is_fit(length: int) -> bool:
        return fits(close_fence(_reopen(rest[:length], fence)))

    low, high = 1, min(_FIRST_TRY, len(rest))
    while is_fit(high):
        if high == len(rest):
            return high
        low, high = high, min(2 * high, len(rest))
    high -= 1
    while low < high:
        middle = (low + high + 1) // 2
        if is_fit(middle):
            low = middle
        else:
            high = middle - 1
    return low


def _cut(rest: str, fence: str, fits: Fits, longest: int) -> int:
    earliest = int(longest * _WINDOW)
    for mark in ("\n", " "):
        at = rest.rfind(mark, earliest, longest)
        if at >= 0 and fits(close_fence(_reopen(rest[: at + 1], fence))):
            return at + 1
    return _before_joined(rest, longest)


def _before_joined(rest: str, at: int) -> int:
    """Move a cut back so that it does not part a letter from its marks or an emoji from its joins."""
    end = at
    while (
        end > 1 and end < len(rest) and (_joins(rest[end]) or rest[end - 1] == _ZERO_WIDTH_JOINER)
    ):
        end -= 1
    return end if at - end < 32 else at


def _joins(character: str) -> bool:
    return character == _ZERO_WIDTH_JOINER or unicodedata.category(character).startswith("M")


def _settled_length(rest: str, fence: str, fits: Fits) -> int:
    """Say how much of an open page can be shown without ever having to be taken back."""
    with_room = _reopen(rest, fence) + "x" * (len(rest) // 3)
    if fits(close_fence(with_room)):
        return len(rest)
    return rest.rfind("\n") + 1
