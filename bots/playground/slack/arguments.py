"""The arguments of a Web API call, whichever way they came: query, form or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bots.playground.slack.refusal import RefusedError


@dataclass(frozen=True, slots=True)
class Arguments:
    """Arguments by name. Forms carry everything as text, structures as JSON in text."""

    values: Mapping[str, Any]

    def text(self, name: str) -> str:
        """Give an argument as text, empty where it is missing."""
        value = self.values.get(name)
        return "" if value is None else str(value)

    def required(self, name: str) -> str:
        """Give an argument as text. Raises RefusedError `invalid_arguments` where it is missing."""
        value = self.text(name)
        if not value:
            raise RefusedError("invalid_arguments", f"[ERROR] missing required field: {name}")
        return value

    def flag(self, name: str) -> bool:
        """Give an argument as a yes or no."""
        return self.text(name).lower() in ("1", "true")

    def number(self, name: str, default: int) -> int:
        """Give an argument as a number. Raises RefusedError `invalid_arguments`."""
        value = self.text(name)
        if not value:
            return default
        try:
            return int(value)
        except ValueError:
            raise RefusedError("invalid_arguments", f"[ERROR] must be a number: {name}") from None

    def structure(self, name: str, code: str = "invalid_arguments") -> Any:
        """Give an argument as the JSON value it is, None where it is missing.

        Raises RefusedError with `code` when its text is no JSON.
        """
        value = self.values.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise RefusedError(code, f"[ERROR] must be valid json: {name}") from None


async def read_call(request: web.Request) -> tuple[Arguments, str]:
    """Read a call's arguments and its token, which comes as a header or as an argument.

    Raises RefusedError `invalid_json` or `json_not_object`.
    """
    values: dict[str, Any] = dict(request.query)
    values |= await _read_body(request)
    token = str(values.pop("token", "") or "")
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        token = credentials.strip()
    return Arguments(values), token


async def _read_body(request: web.Request) -> dict[str, Any]:
    if request.method != "POST":
        return {}
    if request.content_type != "application/json":
        return {
            name: value for name, value in (await request.post()).items() if isinstance(value, str)
        }
    raw = await request.text()
    try:
        body: Any = json.loads(raw or "{}")
    except ValueError:
        raise RefusedError("invalid_json") from None
    if not isinstance(body, dict):
        raise RefusedError("json_not_object")
    return body
