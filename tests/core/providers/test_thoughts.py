from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.providers.thoughts import ThoughtFilter


def filtered(*pieces: str) -> str:
    thoughts = ThoughtFilter()
    return "".join([*map(thoughts.feed, pieces), thoughts.finish()])


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<think>Hm.</think>\n\nHello", "Hello"),
        ("\n<thinking>Hm.</thinking>Hello", "Hello"),
        ("<think></think>Hello <think>you</think>", "Hello <think>you</think>"),
        ("Hello <think>you</think>", "Hello <think>you</think>"),
        ("<thimble>", "<thimble>"),
        ("<th", "<th"),
        ("<think>cut off", ""),
        ("", ""),
        ("  <b>bold</b>", "  <b>bold</b>"),
    ],
)
def test_a_block_of_thought_at_the_beginning_is_left_out(text: str, answer: str) -> None:
    assert filtered(text) == answer
    assert filtered(*text).strip() == answer.strip()


@given(st.text(), st.text(), st.lists(st.integers(0, 200), max_size=8))
def test_it_makes_no_difference_where_the_pieces_end(
    thought: str, answer: str, cuts: list[int]
) -> None:
    text = f"<think>{thought.replace('<', '')}</think>{answer}"
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[a:b] for a, b in pairwise(places)]
    assert filtered(*pieces).strip() == answer.strip()


def test_a_long_thought_in_small_pieces_ends_where_it_ends() -> None:
    assert filtered("<think>", *["hm, " * 500] * 20, "</th", "ink>", "Hello") == "Hello"
