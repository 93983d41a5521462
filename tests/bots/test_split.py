"""Pages: complete ones never change, open ones only grow, nothing is lost, no fence is broken."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bots.split import Page, next_page
from core.fences import close_fence, find_open_fence

LIMIT = 60


def fits(body: str) -> bool:
    return len(body) <= LIMIT


def split(text: str) -> list[Page]:
    pages: list[Page] = []
    start, fence = 0, ""
    while True:
        page = next_page(text, start, fence, fits, is_final=True)
        if page.body.strip():
            pages.append(page)
        if not page.is_complete:
            return pages
        start, fence = page.end, page.fence


def words(text: str) -> str:
    return "".join(text.split())


def without_fences(text: str) -> str:
    return words(
        "\n".join(line for line in text.split("\n") if not line.lstrip().startswith("```"))
    )


def test_a_short_text_is_one_page():
    assert [page.body for page in split("Hello **you**")] == ["Hello **you**"]


def test_a_blank_text_is_no_page():
    assert split(" \n\n ") == []


def test_a_cut_prefers_the_end_of_a_line():
    text = "a" * 50 + "\n" + "b" * 50
    assert [page.body for page in split(text)] == ["a" * 50, "b" * 50]


def test_a_cut_else_prefers_a_space():
    text = "a" * 50 + " " + "b" * 50
    assert [page.body.strip() for page in split(text)] == ["a" * 50, "b" * 50]


def test_a_text_without_any_space_is_cut_at_the_limit():
    assert [len(page.body) for page in split("a" * 130)] == [60, 60, 10]


def test_a_fence_is_closed_before_a_cut_and_opened_behind_it():
    code = "\n".join(f"line_{number} = {number}" for number in range(12))
    pages = split(f"```python\n{code}\n```\ndone")
    for page in pages[:-1]:
        assert page.body.startswith("```python\n")
        assert page.body.endswith("\n```")
    assert pages[-1].body.endswith("done")


def test_a_fence_that_ends_at_the_cut_leaves_no_empty_block():
    text = "```py\n" + "x" * 45 + "\n```\n" + "y" * 40
    bodies = [page.body for page in split(text)]
    assert bodies[-1] == "y" * 40
    assert all("```py\n```" not in body for body in bodies)


def test_a_longer_marker_is_closed_by_one_as_long():
    text = "````md\n```\nnot the end\n```\n" + "z" * 60 + "\n````"
    assert split(text)[0].body.endswith("\n````")


def test_an_emoji_and_its_joins_stay_together():
    family = "👨‍👩‍👧"
    pages = split("a" * 58 + family + "b" * 30)
    assert any(family in page.body for page in pages)


@pytest.mark.parametrize("text", ["```", "```\n", "```py", "~~~\nx", "> ```\n> quoted"])
def test_an_unfinished_fence_can_be_closed(text: str):
    assert find_open_fence(close_fence(text)) == ""


@pytest.mark.parametrize(
    "text",
    [
        "- ```py\n  x = 1\n  ```\nafter",
        "1. ~~~\n   x = 1\n   ~~~\nafter",
        "> - ```\n>   x = 1\n>   ```\nafter",
        "```py\r\nx = 1\r\n```\r\nafter",
    ],
    ids=["bullet", "number", "quoted bullet", "Windows line ends"],
)
def test_a_closed_fence_is_not_taken_for_an_open_one(text: str):
    assert find_open_fence(text) == ""
    assert close_fence(text) == text


def test_a_line_longer_than_a_page_behind_a_fence_mark_does_not_fill_every_page():
    pages = split("```" + "i" * 200 + "\ncode\n```\nafter")
    assert len(pages) <= 6
    assert sum(page.body.count("i") for page in pages) == 200
    assert pages[-1].body.endswith("after")


def test_only_the_language_of_a_fence_is_carried_to_the_next_page():
    assert find_open_fence("```py title=a.py\n") == "```py"


def test_a_page_is_found_without_rendering_all_that_follows():
    looked_at = 0

    def fits_counted(body: str) -> bool:
        nonlocal looked_at
        looked_at += len(body)
        return len(body) <= 2000

    next_page("a line of text\n" * 20_000, 0, "", fits_counted, is_final=True)
    assert looked_at < 40_000


MARKDOWN = st.lists(
    st.one_of(
        st.text(alphabet="abc de\n", max_size=40),
        st.sampled_from(
            [
                "\n```\n",
                "\n```py\n",
                "\n~~~\n",
                "\n- ```\n",
                "\r\n```\r\n",
                "> ",
                "**b**",
                "`c`",
                "é",
                "👍🏽",
                "\n\n",
                "| a |",
            ]
        ),
    ),
    max_size=25,
).map("".join)


@given(MARKDOWN)
@settings(max_examples=300)
def test_no_word_is_lost_and_every_page_fits(text: str):
    pages = split(text)
    assert all(fits(page.body) for page in pages)
    assert all(find_open_fence(page.body) == "" or not page.is_complete for page in pages)
    if "`" not in text and "~" not in text:
        assert "".join(words(page.body) for page in pages) == words(text)


@given(MARKDOWN, st.lists(st.integers(min_value=1, max_value=9), min_size=1, max_size=60))
@settings(max_examples=300)
def test_what_was_shown_is_never_taken_back(text: str, steps: list[int]):
    """Feed the text in pieces, as a model does: each page on view only ever grows."""
    start, fence, shown_end, on_view = 0, "", 0, ""
    lengths = [length for length in itertools.accumulate(steps) if length < len(text)]
    for length, is_final in [*((n, False) for n in lengths), (len(text), True)]:
        while True:
            page = next_page(text[:length], start, fence, fits, shown=shown_end, is_final=is_final)
            body = close_fence(page.body) if is_final else page.body
            assert body.startswith(on_view)
            if not page.is_complete:
                on_view, shown_end = page.body, max(page.end, shown_end)
                break
            start, fence, shown_end, on_view = page.end, page.fence, page.end, ""
