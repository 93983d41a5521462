"""Holds what a bot sent to the simulated Discord against Discord's own OpenAPI document.

The document is not part of this repository: it is looked for beside it.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from bots.playground.discord import Call

SPECIFICATION = Path(__file__).parents[4] / "shared" / "specs" / "discord_openapi.json"
MAX_CONTENT = 2000
_NO_BODY_NEEDED = ("GET", "DELETE")


def require_specification() -> None:
    """Skip the test where Discord's document is not at hand."""
    if not SPECIFICATION.is_file():
        pytest.skip(f"Discord's OpenAPI document is not at {SPECIFICATION}")


def find_problems(calls: Iterable[Call]) -> list[str]:
    """Say what is wrong with each request, one line a problem. Without the document nothing is."""
    if not SPECIFICATION.is_file():
        return []
    return [problem for call in calls if (problem := _find_problem(call))]


def _find_problem(call: Call) -> str:
    operation = _find_operation(call.method, call.path)
    if operation is None:
        return f"{call.name}: no such operation"
    if call.method in _NO_BODY_NEEDED and call.body is None:
        return ""
    validator = _validator(operation)
    if validator is None:
        return f"{call.name}: takes no body" if call.body is not None else ""
    if call.body is None:
        return ""
    if _content_length(call.body) > MAX_CONTENT:
        return f"{call.name}: more than {MAX_CONTENT} characters"
    error = best_match(validator.iter_errors(_without_habits(call.body, operation)))
    return f"{call.name}: {error.json_path} {error.message[:300]}" if error else ""


@functools.cache
def _document() -> dict[str, Any]:
    return json.loads(SPECIFICATION.read_text(encoding="utf-8"))


@functools.cache
def _paths() -> list[tuple[re.Pattern[str], str]]:
    """Compile the paths of the document, those without parameters first."""
    paths = sorted(_document()["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"\{\w+\}", r"[^/]+", path)), path) for path in paths]


def _find_operation(method: str, path: str) -> tuple[str, str] | None:
    for pattern, template in _paths():
        if pattern.fullmatch(path) and method.lower() in _document()["paths"][template]:
            return method, template
    return None


@functools.cache
def _validator(operation: tuple[str, str]) -> Draft202012Validator | None:
    method, template = operation
    described = _document()["paths"][template][method.lower()]
    content = described.get("requestBody", {}).get("content", {})
    if "application/json" not in content:
        return None
    schema = content["application/json"]["schema"]
    return Draft202012Validator({**schema, "components": _document()["components"]})


def _content_length(body: Any) -> int:
    if not isinstance(body, dict):
        return 0
    data = body.get("data")
    message = data if isinstance(data, dict) else body
    return len(message.get("content") or "")


def _without_habits(body: Any, operation: tuple[str, str]) -> Any:
    """Leave out what discord.py sends and Discord takes, though the document does not have it.

    That is `tts` where a message is edited or a webhook answers, and ids as numbers.
    """
    if not isinstance(body, dict):
        return body
    cleaned = {name: _id_as_text(name, value) for name, value in body.items()}
    if operation[0] == "PATCH" or "webhooks" in operation[1]:
        cleaned.pop("tts", None)
    for name in ("data", "message_reference"):
        if isinstance(cleaned.get(name), dict):
            cleaned[name] = _without_habits(cleaned[name], operation)
    if cleaned.get("attachments"):
        cleaned["attachments"] = [
            {**each, "id": str(each["id"])} if "id" in each else each
            for each in cleaned["attachments"]
        ]
    return cleaned


def _id_as_text(name: str, value: Any) -> Any:
    return str(value) if name.endswith("_id") and isinstance(value, int) else value
