"""Estimates of tokens, held against what real tokenizers counted."""

from __future__ import annotations

import base64
import json
import random
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.conversation import Message
from core.tokens import (
    count_tokens,
    cut_text,
    estimate_input_tokens,
    estimate_message_tokens,
    estimate_tokens,
    limit_characters,
    take_beginning,
)

CHANCE = random.Random(1)
ROWS = [{"id": i, "name": f"user {i}", "active": i % 2 == 0, "score": i * 3.75} for i in range(25)]

# What was counted: by OpenAI's tokenizers cl100k and o200k, and by SmolLM2's, a small English model's.
COUNTED = {
    "English": (
        "The committee met on Tuesday to discuss the proposal, and although several members raised "
        "concerns about the cost, most agreed that the plan was worth pursuing.",
        (29, 29, 29),
    ),
    "German": (
        "Der Ausschuss hat am Dienstag über den Vorschlag beraten, und obwohl einige Mitglieder "
        "Bedenken wegen der Kosten äußerten, waren sich die meisten einig, dass sich der Plan lohnt.",
        (49, 37, 71),
    ),
    "Chinese": (
        "委员会星期二开会讨论了这项提案。虽然有几位成员对费用表示担忧,但大多数人都认为这个计划值得继续推进。",
        (58, 35, 85),
    ),
    "Japanese": (
        "委員会は火曜日に会合を開き、提案について話し合いました。何人かのメンバーは費用について懸念を示しました。",
        (55, 39, 90),
    ),
    "Russian": (
        "Комитет собрался во вторник, чтобы обсудить предложение, и хотя некоторые члены выразили "
        "обеспокоенность по поводу стоимости, большинство согласилось.",
        (67, 33, 111),
    ),
    "Python": (
        "def _forget_until(self, now: float) -> None:\n"
        "    while self._entries and self._entries[0].at + MINUTE_SECONDS <= now:\n"
        "        self._uncount(self._entries.popleft())\n",
        (44, 44, 53),
    ),
    "JSON": (json.dumps(ROWS, indent=2), (877, 877, 917)),
    "addresses": (
        "https://www.example.com/products/index.php?id=48213&ref=newsletter&utm_source=mail "
        "https://docs.example.com/document/d/1aBcD3FgHiJkLmNoPqRsTuVwXyZ0123456789AbCdEf/edit",
        (60, 57, 86),
    ),
    "base64": (base64.b64encode(CHANCE.randbytes(900)).decode(), (858, 817, 954)),
    "hex": (CHANCE.randbytes(400).hex(), (446, 442, 700)),
    "UUIDs": (
        "\n".join(str(uuid.UUID(bytes=CHANCE.randbytes(16))) for _ in range(10)),
        (236, 236, 346),
    ),
    "numbers": (
        ", ".join(f"{number * 37.21:.2f}" for number in range(60)),
        (331, 331, 507),
    ),
    "emoji": ("👍🎉😂❤️🚀🔥👨‍👩‍👧‍👦🏳️‍🌈🙏🏽😅 " * 4, (206, 121, 221)),
}


@pytest.mark.parametrize("kind", COUNTED)
def test_an_estimate_is_near_what_tokenizers_count_and_rather_too_high(kind: str):
    text, counted = COUNTED[kind]
    ratios = [count_tokens(text) / count for count in counted]
    assert min(ratios[:2]) >= 0.9
    assert ratios[2] >= 0.6  # it knows English alone, and few words of it
    assert max(ratios) <= 2.6


@given(st.text(max_size=300), st.text(max_size=300))
def test_a_longer_text_never_takes_less(text: str, more: str):
    assert count_tokens(text) <= count_tokens(text + more) + 1e-6
    assert count_tokens(text) <= count_tokens(more + text) + 1e-6


@given(st.text(max_size=300), st.integers(0, 200))
def test_a_beginning_is_as_long_as_it_may_be(text: str, most: int):
    beginning = take_beginning(text, most)
    assert text.startswith(beginning)
    assert count_tokens(beginning) <= most
    if beginning != text:
        assert count_tokens(text[: len(beginning) + 1]) > most


@given(st.text(max_size=300))
def test_no_text_has_more_characters_than_its_tokens_allow(text: str):
    assert len(text) <= limit_characters(estimate_tokens(text))


@given(st.text("aB3+/ .\u4e2d\U0001f600", max_size=2000), st.integers(min_value=5, max_value=700))
def test_a_cut_text_keeps_within_its_size_and_a_whole_one_is_left_alone(text: str, most: int):
    cut = cut_text(text, most)
    assert estimate_tokens(cut) <= most
    assert (cut == text) == (estimate_tokens(text) <= most)


def test_what_no_database_and_no_tokenizer_takes_is_estimated_all_the_same():
    assert estimate_tokens("\ud800\x00" * 9) > 4
    assert estimate_tokens("") == 4


def test_a_request_takes_what_its_parts_take():
    messages = [Message.user("hello"), Message.ai("你好")]
    assert estimate_input_tokens("Be kind.", messages) == estimate_tokens("Be kind.") + sum(
        map(estimate_message_tokens, messages)
    )
    assert estimate_input_tokens(None, []) == 4
