"""Markdown within a line, as Slack's mrkdwn: emphasis, code, links. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

from bots.slack.inert import ZERO_WIDTH_SPACE, hush_names, hush_url

_MAX_DEPTH = 4

# Every repetition is bounded: a line of nothing but openings must not take quadratic time.
_SPAN = re.compile(
    r"""
      \\(?P<escaped>[\\`*_{}\[\]()\#+.!~|<>&-])
    | (?<!`)(?P<ticks>`++)(?P<code>[^\n]{1,2000}?)(?<!`)(?P=ticks)(?!`)
    | !?\[(?P<label>[^\[\]\n]{0,500})\]
        \((?P<url><[^<>\n]{0,2000}>|[^\s()<>]{0,2000}(?:\([^\s()<>]{0,500}\)[^\s()<>]{0,500})?)
        (?:\s+(?:"[^"\n]{0,200}"|'[^'\n]{0,200}'))?\)
    | <(?P<auto>(?:https?://|mailto:)[^\s<>|]{1,2000})>
    | (?P<bare>https?://[^\s<>|*`]{1,2000})
    | \*\*\*(?=\S)(?P<both>[^\n]{1,1000}?)(?<=\S)\*\*\*
    | \*\*(?=\S)(?P<bold>[^\n]{1,1000}?)(?<=\S)\*\*(?!\*)
    | (?<![\w_])__(?=\S)(?P<bold_>[^\n]{1,1000}?)(?<=\S)__(?![\w_])
    | \*(?=[^\s*])(?P<italic>[^\n*]{1,1000}?)(?<=\S)\*(?!\*)
    | (?<![\w_])_(?=[^\s_])(?P<italic_>[^\n]{1,1000}?)(?<=[^\s_])_(?![\w_])
    | ~~(?=\S)(?P<strike>[^\n~]{1,1000}?)(?<=\S)~~
    """,
    re.VERBOSE,
)
_MARKS = {"bold": "*{}*", "bold_": "*{}*", "italic": "_{}_", "italic_": "_{}_", "strike": "~{}~"}
_LINKABLE = re.compile(r"(https?://|mailto:)\S", re.IGNORECASE)
_TRIPLE = re.compile(r"`(?=``)")


def render_line(line: str) -> str:
    """Render one line. Its result never opens a code fence, and pings nobody."""
    return _TRIPLE.sub("`" + ZERO_WIDTH_SPACE, _render(line, 0))


def escape(text: str) -> str:
    """Escape what Slack would read as its own, and break what it would read as a ping."""
    return hush_names(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def strip_markup(text: str) -> str:
    """Give a line's bare words, where Slack takes no markup."""
    return _SPAN.sub(_bare_words, text)


def _render(text: str, depth: int) -> str:
    pieces: list[str] = []
    end = 0
    for match in _SPAN.finditer(text):
        pieces.append(escape(text[end : match.start()]))
        rendered = _render_span(match, depth)
        pieces.append(_set_apart(rendered, text, match) if match.lastgroup in _MARKS else rendered)
        end = match.end()
    pieces.append(escape(text[end:]))
    return "".join(pieces)


def _render_span(match: re.Match[str], depth: int) -> str:
    kind = _kind(match)
    if renderer := _RENDERERS.get(kind):
        return renderer(match)
    inner = match[kind]
    content = _render(inner, depth + 1) if depth < _MAX_DEPTH else escape(inner)
    return ("*_{}_*" if kind == "both" else _MARKS[kind]).format(content)


def _kind(match: re.Match[str]) -> str:
    return next(name for name in _KINDS if match[name] is not None)


def _render_code(match: re.Match[str]) -> str:
    code = match["code"].strip(" ") or match["code"]
    return "`" + escape(code.replace("`", "ˋ")) + "`"


def _render_link(match: re.Match[str]) -> str:
    url, label = match["url"].strip("<>"), strip_markup(match["label"]).strip()
    if not _LINKABLE.match(url):
        return escape(f"{label} ({url})" if url and label else label or url)
    if not label or label == url:
        return _link(url)
    return f"<{_escape_url(url)}|{escape(label).replace('|', '¦')}>"


def _link(url: str) -> str:
    return f"<{_escape_url(url)}>"


def _escape_url(url: str) -> str:
    url = url.replace(" ", "%20").replace("|", "%7C").replace("<", "%3C").replace(">", "%3E")
    return hush_url(url.replace("`", "%60").replace("&", "&amp;"))


def _bare_words(match: re.Match[str]) -> str:
    kind = _kind(match)
    return strip_markup(match[kind]) if kind in _MARKS or kind == "both" else match[kind]


def _set_apart(rendered: str, text: str, match: re.Match[str]) -> str:
    """Slack sees a mark only at a word's edge, which an invisible character makes."""
    before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
    left = ZERO_WIDTH_SPACE if before.isalnum() else ""
    right = ZERO_WIDTH_SPACE if after.isalnum() else ""
    return f"{left}{rendered}{right}"


_RENDERERS: dict[str, Callable[[re.Match[str]], str]] = {
    "escaped": lambda match: escape(match["escaped"]),
    "code": _render_code,
    "label": _render_link,
    "auto": lambda match: _link(match["auto"]),
    "bare": lambda match: _escape_url(match["bare"]),
}
_KINDS = (*_RENDERERS, "both", *_MARKS)
