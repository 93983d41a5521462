from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.providers.wire.thoughts import ThoughtFilter, begins_in_thought

HARMONY = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>"


def filtered(*pieces: str, model: str = "", is_thought: bool = False, is_cut: bool = False) -> str:
    thoughts = ThoughtFilter(model, is_thought=is_thought)
    return "".join([*map(thoughts.feed, pieces), thoughts.finish(is_cut=is_cut)])


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
        ("<thought>Hm.</thought>Hello", "Hello"),
        ("<seed:think>Hm.</seed:think>Hello", "Hello"),
        ("[THINK]Hm.[/THINK]Hello", "Hello"),
        ("◁think▷Hm.◁/think▷Hello", "Hello"),
        ("<|START_THINKING|>Hm.<|END_THINKING|>Hello", "Hello"),
        ("<|channel>thought\nHm.<channel|>Hello", "Hello"),
        (f"{HARMONY}Hello<|return|>", "Hello"),
        (f"{HARMONY}Hello <| you <|", "Hello <| you <|"),
        (f"<|start|>assistant{HARMONY}Hello", "Hello"),
        ("<|channel|>final<|message|>Hello<|return|>", "Hello"),
        ("<|channel|>analysis<|message|>cut off", ""),
        ("analysis of the data", "analysis of the data"),
        ("Hm.\n</think>\n\nHello", "Hm.\n</think>\n\nHello"),
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


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Hm.\n</think>\n\nHello", "Hello"),
        ("Hm.</think>Hello </think>", "Hello </think>"),
        ("<think>Hm.</think>Hello", "Hello"),
        ("Hello", "Hello"),
        ("", ""),
    ],
)
def test_what_begins_in_the_midst_of_a_thought_is_held_back_until_its_end(
    text: str, answer: str
) -> None:
    assert filtered(text, is_thought=True) == answer
    assert filtered(*text, is_thought=True) == answer


def test_what_was_cut_in_the_midst_of_a_thought_is_no_answer() -> None:
    assert filtered("Hm, what to", is_thought=True, is_cut=True) == ""
    assert filtered("Hm, what to", is_cut=True) == "Hm, what to"


def test_what_a_server_sends_apart_is_not_looked_for_in_the_text() -> None:
    thoughts = ThoughtFilter(is_thought=True)
    thoughts.skip_thought()
    assert thoughts.feed("Hel") == "Hel"
    assert thoughts.has_thought


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("analysisHm, what?assistantfinalHello", "Hello"),
        ("analysis of the data", "analysis of the data"),
        ("Hello", "Hello"),
    ],
)
def test_gpt_oss_without_its_special_tokens_is_understood(text: str, answer: str) -> None:
    assert filtered(text, model="openai/gpt-oss-20b") == answer
    assert filtered(*text, model="openai/gpt-oss-20b") == answer


@pytest.mark.parametrize(
    ("text", "has_thought", "has_late_end"),
    [
        ("Hello", False, False),
        ("<think>Hm.</think>Hello", True, False),
        ("<think>\n\n</think>Hello", False, False),
        ("Hm.\n</think>\n\nHello", False, True),
        ("The tag is `</think>`\n", False, False),
        ("```\n</think>\n```", False, False),
        ("First <think>, then\n</think>\n.", False, False),
        ("<think>Hm.</think>It ends with\n</think>\n.", True, False),
        ("<think>cut off", True, False),
    ],
)
def test_what_is_learned_of_a_model(text: str, has_thought: bool, has_late_end: bool) -> None:
    for pieces in ([text], [*text]):
        thoughts = ThoughtFilter()
        _ = [*map(thoughts.feed, pieces), thoughts.finish()]
        assert (thoughts.has_thought, thoughts.has_late_end) == (has_thought, has_late_end)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", True),
        ("deepseek-r1:14b", True),
        ("Qwen/Qwen3-30B-A3B-Thinking-2507", True),
        ("qwq-32b", True),
        ("MiniMaxAI/MiniMax-M2", True),
        ("anthropic/claude-3.7-sonnet:thinking", False),
        ("gemini-2.0-flash-thinking-exp", False),
        ("gpt-4o", False),
        ("qwen3-32b", False),
        ("llama-3.3-70b-r10", False),
    ],
)
def test_models_whose_template_opens_the_thought_are_known_by_name(
    model: str, expected: bool
) -> None:
    assert begins_in_thought(model) is expected


def test_white_space_without_an_end_is_not_kept_and_the_answer_after_it_is_given() -> None:
    thoughts = ThoughtFilter()
    tracemalloc.start()
    try:
        assert "".join(thoughts.feed(" " * 10_000) for _ in range(1_000)) == ""
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()
    assert thoughts.feed("Hello") == "Hello"


def test_a_thought_without_an_end_is_not_kept_for_ever() -> None:
    thoughts = ThoughtFilter(is_thought=True)
    assert not any(thoughts.feed("what if " * 1000) for _ in range(50))
    assert thoughts.feed("</think>The answer.") == "The answer."
    thoughts = ThoughtFilter(is_thought=True)
    assert not any(thoughts.feed("what if " * 1000) for _ in range(50))
    assert thoughts.finish() == ""
    assert thoughts.has_thought
