"""The check against Discord's OpenAPI document finds what it is for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bots.playground.discord import BOT_ID, GENERAL_CHANNEL, Call
from tests.bots.playground.openapi import find_problems, require_specification

MESSAGES = f"/channels/{GENERAL_CHANNEL}/messages"


def call(method: str, path: str, body: Any) -> Call:
    return Call(datetime.now(UTC), method, path, {}, body, 200, "", 1.0)


@pytest.fixture(autouse=True)
def _with_specification() -> None:
    require_specification()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", MESSAGES, {"content": "hello", "nonce": "n", "enforce_nonce": True}),
        ("PATCH", f"{MESSAGES}/1", {"content": "hello", "tts": False}),
        ("GET", MESSAGES, None),
        ("PUT", f"/applications/{BOT_ID}/commands", [{"name": "a", "description": "b"}]),
    ],
)
def test_right_requests_pass(method: str, path: str, body: Any) -> None:
    assert find_problems([call(method, path, body)]) == []


@pytest.mark.parametrize(
    ("method", "path", "body", "problem"),
    [
        ("POST", MESSAGES, {"content": "x" * 2001}, "2000 characters"),
        ("POST", MESSAGES, {"content": "x", "nonce": "n" * 26}, "nonce"),
        (
            "POST",
            MESSAGES,
            {"content": "x", "message_reference": {"message_id": "?"}},
            "message_id",
        ),
        ("POST", "/channels/1/nothing", {}, "no such operation"),
    ],
)
def test_wrong_requests_are_named(method: str, path: str, body: Any, problem: str) -> None:
    (found,) = find_problems([call(method, path, body)])
    assert problem in found
