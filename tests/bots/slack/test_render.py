"""Markdown in Slack's own form: readable, whole, and without a ping."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bots.slack.inert import ZERO_WIDTH_SPACE as ZWSP
from bots.slack.render import render_mrkdwn, render_stream

MARKDOWN = st.text(
    alphabet=st.sampled_from("`~*_[]()<>!@#|\\-+>&.: \n\t/ab1chanelrvyosubtm^Uhttp\"'"),
    max_size=200,
)
PIECES = st.lists(
    st.sampled_from(
        ["```", "`", "~~~", "**", "*", "_", "~~", "[a](http://b)", "<!channel>", "<!here|x>", "@here",
         "<@U1>", "<!subteam^S1>", "| a | b |\n|---|---|\n| `c` | d |\n", "# ", "> ", "- ", "\n", " ", "a",
         "https://x.y/z", "\\", "<http://a|b>", "1. ", "&lt;!channel&gt;", "@everyone", "[", "](", "|"]
    ),
    max_size=40,
).map("".join)  # fmt: skip
ANY_TEXT = st.one_of(st.text(max_size=200), MARKDOWN, PIECES)


@pytest.mark.parametrize(
    ("markdown", "mrkdwn"),
    [
        ("plain", "plain"),
        ("**bold** and __bold__", "*bold* and *bold*"),
        ("*italic* and _italic_", "_italic_ and _italic_"),
        ("***both***", "*_both_*"),
        ("~~gone~~", "~gone~"),
        ("**bold with _italic_ in it**", "*bold with _italic_ in it*"),
        ("**bold**ly", f"*bold*{ZWSP}ly"),
        ("`a < b`", "`a &lt; b`"),
        ("`` a`b ``", "`aˋb`"),
        ("snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4"),
        ("\\*not italic\\*", "*not italic*"),
        ("[text](https://a.b/c?d=1&e=2)", "<https://a.b/c?d=1&amp;e=2|text>"),
        ('[text](https://a.b "title")', "<https://a.b|text>"),
        ("[**bold** | text](https://a.b)", "<https://a.b|bold ¦ text>"),
        (
            "[wiki](https://en.wikipedia.org/wiki/A_(b))",
            "<https://en.wikipedia.org/wiki/A_(b)|wiki>",
        ),
        ("[file](./notes.md)", "file (./notes.md)"),
        ("[x](javascript:alert)", "x (javascript:alert)"),
        ("![chart](https://a.b/c.png)", "<https://a.b/c.png|chart>"),
        ("<https://a.b>", "<https://a.b>"),
        ("https://a.b/x_y_z?a=1&b=2", "https://a.b/x_y_z?a=1&amp;b=2"),
        ("# Title", "*Title*"),
        ("### **Title** ###", "*Title*"),
        ("#hashtag", "#hashtag"),
        ("- one\n  * two\n+ three", "• one\n  • two\n• three"),
        ("- [ ] open\n- [x] done", "☐ open\n☑ done"),
        ("1. one\n2) **two**", "1. one\n2) *two*"),
        ("> quoted **text**\n> more", "> quoted *text*\n> more"),
        ("---", "─" * 12),
        ("a & b <c>", "a &amp; b &lt;c&gt;"),
        ("```python\nif a < b:\n    **x**\n```", "```\nif a &lt; b:\n    **x**\n```"),
        ("~~~\n```\n~~~", f"```\n`{ZWSP}`{ZWSP}`\n```"),
        ("```\nopen", "```\nopen\n```"),
        ("> ```\n> code\n> ```", "> ```\n> code\n> ```"),
        ("a\r\nb", "a\nb"),
    ],
)
def test_markdown_becomes_mrkdwn(markdown: str, mrkdwn: str) -> None:
    assert render_mrkdwn(markdown) == mrkdwn


def test_table_becomes_aligned_text() -> None:
    table = (
        "| Name | Height |\n|:-----|------:|\n| **Ada** | 1 |\n| 漢字 | `22` |\n| a \\| b |\nafter"
    )
    assert render_mrkdwn(table).splitlines() == [
        "```",
        "Name  | Height",
        "------+-------",
        "Ada   | 1",
        "漢字  | 22",
        "a | b",
        "```",
        "after",
    ]


@pytest.mark.parametrize(
    "ping",
    [
        "<!channel>",
        "<!here>",
        "<!everyone>",
        "<!group>",
        "<!subteam^S123>",
        "<!here|here>",
        "<@U123>",
        "<!CHANNEL>",
    ],
)
@pytest.mark.parametrize(
    "frame", ["{}", "**{}**", "`{}`", "```\n{}\n```", "> {}", "[{}](https://a.b)", "# {}"]
)
def test_token_pings_nobody(ping: str, frame: str) -> None:
    text = frame.format(ping)
    assert ping not in render_stream(text)
    assert ping not in render_mrkdwn(text)


@pytest.mark.parametrize("name", ["@channel", "@here", "@everyone", "@Channel"])
def test_name_of_everybody_pings_nobody(name: str) -> None:
    assert name not in render_stream(f"hey {name}!")
    assert name not in render_mrkdwn(f"hey **{name}**!")


def test_what_only_looks_like_a_ping_is_left_whole() -> None:
    text = "<!DOCTYPE html> <!-- note --> ada@here.example https://x.example/@here/post <div> a < b"
    assert render_stream(text) == text


def test_entity_in_the_text_is_shown_as_it_stands() -> None:
    assert render_mrkdwn("&lt;!channel&gt;") == "&amp;lt;!channel&amp;gt;"


ACTIVE = re.compile(r"<(?!https?://|mailto:)", re.IGNORECASE)
STREAM_PING = re.compile(
    r"<!(channel|here|everyone|group|subteam)|<@|(?<![\w/.])@(channel|here|everyone)", re.I
)


@given(ANY_TEXT)
@example("`` ` ``````` ")
@example("``a````b``")
@example("![<!channel>](<!channel>)")
@example("http://a?b=@here")
def test_rendered_text_is_never_active_and_its_fences_are_paired(text: str) -> None:
    rendered = render_mrkdwn(text)
    assert not ACTIVE.search(rendered)
    assert rendered.count("```") % 2 == 0
    assert not re.search(r"(?<![\w/.])@(channel|here|everyone)", rendered, re.I)


@given(ANY_TEXT)
def test_streamed_text_never_pings(text: str) -> None:
    assert not STREAM_PING.search(render_stream(text))


@given(ANY_TEXT, ANY_TEXT)
def test_streamed_text_only_ever_grows(text: str, more: str) -> None:
    assert render_stream(text + more).startswith(render_stream(text))


@given(ANY_TEXT)
def test_stream_says_what_the_text_says(text: str) -> None:
    assert render_stream(text).replace(ZWSP, "") == text.replace(ZWSP, "")


NASTY = "* ` [ **a _a [a]( <https:// ~~a __a > | [](<"


@pytest.mark.parametrize("piece", NASTY.split())
def test_nasty_text_is_rendered_in_no_time(piece: str) -> None:
    began = time.process_time()
    render_mrkdwn(piece * (12_000 // len(piece)))
    assert time.process_time() - began < 1


def test_a_fence_that_a_list_item_begins_with_ends_where_it_ends() -> None:
    rendered = render_mrkdwn("- ```py\n  x = 1\n  ```\nand **bold**")
    assert rendered == "```\n  x = 1\n```\nand *bold*"
