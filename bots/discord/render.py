"""Markdown as models write it, in the part of it that Discord shows. Pure.

Discord renders emphasis, lists, quotes, code, links and headings down to `###` by itself. What it
lacks is put into what it has: tables become aligned text, deeper headings bold lines, rules a line,
images links. `@everyone` and the like stay as they are: every call forbids mentions to ping.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from bots.discord.table import parse_table, render_table
from bots.split import next_page
from core.fences import closes_fence, match_fence

MAX_UNITS = 2000
"""The longest content of a message, in UTF-16 code units; Discord counts no character as more than that."""

RULE = "─" * 15

_UNREAL_FENCE = "`\u200b``"

_HEADING = re.compile(r"^ {0,3}#{4,6}[ \t]+(\S.*?)(?:[ \t]+#+)?[ \t]*$")
_RULE = re.compile(r"^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$")
_CODE_SPAN = r"(?P<code>(?<!`)(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`))"
_URL = r"\(\s*<?(?P<NAME>[^\s()<>]*(?:\([^\s()<>]*\)[^\s()<>]*)*)>?(?:\s+[\"'][^\"'\n]*[\"'])?\s*\)"
_IMAGE = r"!\[(?P<NAME>[^\[\]\n]*)\]"
_INLINE = re.compile(
    "|".join(
        (
            _CODE_SPAN,
            r"\[" + _IMAGE.replace("NAME", "linked") + _URL.replace("NAME", "source")
            + r"\]" + _URL.replace("NAME", "target"),
            _IMAGE.replace("NAME", "alt") + _URL.replace("NAME", "url"),
        )
    )
)  # fmt: skip
_BOLD_MARK = re.compile(_CODE_SPAN + r"|\*\*")


def count_units(text: str) -> int:
    """Count a text's UTF-16 code units."""
    return len(text) + sum(character > "\uffff" for character in text)


def fits(markdown: str) -> bool:
    """Tell whether a Markdown text, rendered, fits one message."""
    return count_units(render(markdown)) <= MAX_UNITS


def split_pages(markdown: str) -> list[str]:
    """Cut a whole Markdown text into pieces that each fit one message, not yet rendered."""
    pages: list[str] = []
    start, fence = 0, ""
    while True:
        page = next_page(markdown, start, fence, fits, is_final=True)
        if page.body.strip():
            pages.append(page.body)
        if not page.is_complete:
            return pages
        start, fence = page.end, page.fence


def render(markdown: str) -> str:
    """Put a model's Markdown into Discord's. Code is left as it is."""
    return "\n".join(_render_lines(markdown.split("\n")))


def _render_lines(lines: Sequence[str]) -> Iterator[str]:
    at, fence = 0, ""
    while at < len(lines):
        line = lines[at]
        if fence:
            is_end = closes_fence(line, fence)
            yield _render_code(line, fence, is_mark=is_end)
            fence = "" if is_end else fence
        elif match := match_fence(line):
            fence = match["marker"]
            yield _render_code(line, fence, is_mark=True)
        elif table := parse_table(lines, at):
            yield from render_table(table)
            at += table.line_count
            continue
        else:
            yield _render_line(line)
        at += 1


def _render_code(line: str, fence: str, *, is_mark: bool) -> str:
    """Give a line of a code block: as it is, but Discord knows no fence of tildes."""
    if fence[0] != "~":
        return line
    if is_mark and (match := match_fence(line)):
        return f"{match['lead']}```{match['info'].replace('`', '')}"
    return line.replace("```", _UNREAL_FENCE)


def _render_line(line: str) -> str:
    if _RULE.match(line):
        return RULE
    if heading := _HEADING.match(line):
        text = _BOLD_MARK.sub(lambda match: match["code"] or "", heading[1])
        return f"**{_render_inline(text)}**"
    return _render_inline(line)


def _render_inline(text: str) -> str:
    """Make links of images. Code spans stay."""
    return _INLINE.sub(_replace_inline, text) if "![" in text else text


def _replace_inline(match: re.Match[str]) -> str:
    if match["code"] is not None:
        return match["code"]
    if match["linked"] is not None:
        return _link(match["linked"], match["target"])
    return _link(match["alt"], match["url"])


def _link(text: str, url: str) -> str:
    return f"[{text.strip()}]({url})" if text.strip() else url
