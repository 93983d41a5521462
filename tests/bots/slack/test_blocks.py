"""Menus carry all that a choice needs, within Slack's limits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bots.playground.slack.blocks import read_blocks
from bots.slack.blocks import Answer, Choice, offer_conversations, offer_models, read_choice
from core.conversation import ThreadKey
from tests.bots.slack.fakes import make_info

KEY = ThreadKey("slack", "T1", "C1", "1700000000.000100")


def options_of(answer: Answer) -> list[dict[str, Any]]:
    assert answer.menu is not None
    return answer.menu["options"]


def test_choice_comes_back_as_it_was_offered() -> None:
    (option,) = options_of(offer_conversations("model", "openai/gpt-4o", [make_info(KEY)]))
    assert read_choice(option["value"]) == Choice("model", "openai/gpt-4o", KEY.thread)


def test_menu_of_many_long_things_is_one_that_slack_takes() -> None:
    infos = [replace(make_info(KEY), first_text="Why? " * 100) for _ in range(200)]
    for answer in (
        offer_conversations("clear", "", infos),
        offer_models("*" * 5_000, [f"provider/{'m' * 80}-{n}" for n in range(200)], KEY.thread),
    ):
        assert read_blocks(answer.blocks)
        assert len(options_of(answer)) == 100


def test_what_is_too_long_for_an_option_is_not_offered() -> None:
    answer = offer_models("text", ["m" * 200], KEY.thread)
    assert answer.menu is None
    assert answer.blocks == []


def test_cleared_conversation_is_told_by_its_emptiness() -> None:
    info = replace(make_info(KEY), first_text="", message_count=0)
    (option,) = options_of(offer_conversations("clear", "", [info]))
    assert option["text"]["text"] == "Nothing said yet · 0 messages"


def test_text_is_rendered() -> None:
    assert Answer("**Done** <!here>").mrkdwn == "*Done* &lt;!here&gt;"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "{}",
        "[]",
        '["clear"]',
        '["clear","",1]',
        '["clear","","C1/../x"]',
        "null",
        '"abc"',
        "[" * 9000,
    ],
)
def test_foreign_value_is_no_choice(value: str) -> None:
    assert read_choice(value) is None


def test_text_that_no_option_can_carry_is_answered_with_the_way_that_works() -> None:
    answer = offer_conversations(
        "pin", "x" * 200, [make_info(ThreadKey("slack", "T1", "C1", "1.2"))]
    )
    assert answer.menu is None
    assert "`!pin`" in answer.text
