"""Models' Markdown in Discord's."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.discord.render import MAX_UNITS, RULE, count_units, fits, render, split_pages
from core.fences import find_open_fence

TABLE = """\
| Name | Count |
|:-----|------:|
| ant | 3 |
| bee | 1200 |"""

ALIGNED = """\
```
Name  Count
────  ─────
ant       3
bee    1200
```"""


@pytest.mark.parametrize(
    "text",
    [
        "plain words, **bold**, *italic*, ~~gone~~, ||hidden||",
        "# One\n## Two\n### Three\n-# small",
        "- a\n  - b\n1. c\n> quoted",
        "see [this](https://example.org) and <https://example.org>",
        "`code`, ``a ` b``, @everyone, <@1>",
        "```py\n| a | b |\n|---|---|\n#### x\n---\n![a](b)\n```",
        "- ```py\n  ![a](b)\n  ```",
        "`![a](b)` stays",
        "2 * 3 * 4 | 5",
        "",
        "\n\n",
    ],
)
def test_what_discord_shows_is_left_as_it_is(text: str) -> None:
    assert render(text) == text


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("#### Deep", "**Deep**"),
        ("###### **Deeper** ##", "**Deeper**"),
        ("##### `a ** b`", "**`a ** b`**"),
        ("---", RULE),
        ("* * *", RULE),
        ("![a cat](https://x.org/c.png)", "[a cat](https://x.org/c.png)"),
        ("![](https://x.org/c_(1).png 'title')", "https://x.org/c_(1).png"),
        ("[![build](https://x.org/b.svg)](https://x.org)", "[build](https://x.org)"),
        ("~~~py\nx = 1\n~~~", "```py\nx = 1\n```"),
        ("- ~~~py\n  x = 1\n  ~~~\n![](b)", "- ```py\n  x = 1\n  ```\nb"),
    ],
)
def test_what_discord_lacks_is_put_into_what_it_has(text: str, rendered: str) -> None:
    assert render(text) == rendered


def test_a_table_becomes_aligned_text() -> None:
    assert render(f"before\n\n{TABLE}\n\nafter") == f"before\n\n{ALIGNED}\n\nafter"


def test_a_table_in_a_code_fence_stays() -> None:
    fenced = f"````md\n```\n{TABLE}\n```\n````"
    assert render(fenced) == fenced


def test_marks_inside_cells_do_not_show() -> None:
    assert "bold  code  a|b" in render("|**x**|y|z|\n|-|-|-|\n|**bold**|`code`|a\\|b|")


def test_wide_characters_count_as_two_columns() -> None:
    lines = render("| a | b |\n|---|---|\n| 漢字 | x |\n| cat | y |").split("\n")
    assert lines[3:5] == ["漢字  x", "cat   y"]


def test_one_long_cell_does_not_fill_the_other_rows_with_blanks() -> None:
    long = "x" * 900
    assert fits(f"| a | b |\n|---|---|\n| {long} | 1 |\n" + "| y | 2 |\n" * 10)


def test_rows_that_go_on_from_the_message_before_are_a_table_too() -> None:
    assert render("| ant | 3 |\n| bee | 12 |\n\nafter") == "```\nant  3\nbee  12\n```\n\nafter"


def test_a_row_alone_is_no_table() -> None:
    assert render("|x| + |y|") == "|x| + |y|"


def test_length_is_counted_in_utf16_units() -> None:
    assert count_units("a😀") == 3
    assert fits("😀" * 1000)
    assert not fits("😀" * 1000 + "a")


LINES = st.one_of(
    st.sampled_from(
        [
            "```", "```py", "~~~", "````", "---", "***", "| a | b |", "|---|:-:|", "|--|", "|",
            "#### Head **x** #", "# Head", "![a](http://b)", "`![c](d)`", "> ```", "", "  ", "\\|",
        ]
    ),
    st.text(st.sampled_from("ab1 |`*#[]()!~-_\\<>漢😀"), max_size=30),
)  # fmt: skip
DOCUMENTS = st.lists(LINES, max_size=25).map("\n".join)
PROSE = st.lists(
    st.text(st.sampled_from("ab1 `*#.,~_<>漢😀@"), max_size=30).map(lambda line: "a" + line)
).map("\n".join)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]", text)


@given(DOCUMENTS)
def test_no_letter_is_lost(text: str) -> None:
    assert _words(render(text)) == _words(text)


@given(PROSE)
def test_prose_is_left_as_it_is(text: str) -> None:
    assert render(text) == text


@given(DOCUMENTS.filter(lambda text: "```" not in text and "~~~" not in text), DOCUMENTS)
def test_code_is_left_as_it_is_whatever_stands_before_it(before: str, code: str) -> None:
    inner = code.replace("`", "'")
    assert render(f"{before}\n\n```py\n{inner}\n```").endswith(f"```py\n{inner}\n```")


@given(DOCUMENTS)
def test_rendering_closes_what_it_opens(text: str) -> None:
    assert bool(find_open_fence(render(text))) == bool(find_open_fence(text))


@given(st.lists(LINES, min_size=1, max_size=8), st.integers(1, 120))
def test_every_page_of_a_long_text_fits(lines: list[str], times: int) -> None:
    text = "\n".join(lines * times)
    for page in split_pages(text):
        assert count_units(render(page)) <= MAX_UNITS
