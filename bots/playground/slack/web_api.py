"""The Web API over HTTP: tokens, faults, rates, then the method; every call is kept and shown."""

from __future__ import annotations

import asyncio
import fnmatch
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bots.playground.base import CallView, Fault, Faults
from bots.playground.slack.arguments import Arguments, read_call
from bots.playground.slack.limits import RateLimits
from bots.playground.slack.methods import METHODS
from bots.playground.slack.refusal import RateLimitedError, RefusedError
from bots.playground.slack.state import Json
from bots.playground.slack.workspace import Workspace

MAX_REMEMBERED = 5_000
MAX_DETAIL = 160
_WORDS = frozenset(("text", "markdown_text", "chunks", "status", "name"))
"""What a call says comes first when it is listed; then where."""

OpenConnection = Callable[[web.Request], str]
"""Gives the address of a websocket that may now be opened."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call that the bot made, and what it was told."""

    method: str
    arguments: Mapping[str, Any]
    status: int
    response: Mapping[str, Any]
    at: float
    milliseconds: float

    @property
    def error(self) -> str:
        """Slack's error code; empty for a call that went well."""
        return str(self.response.get("error", ""))

    def view(self) -> CallView:
        """Show the call in one line."""
        said = {name: value for name, value in self.arguments.items() if value not in (None, "")}
        words = sorted(said.items(), key=lambda entry: entry[0] not in _WORDS)
        detail = " ".join(f"{name}={_short(value)}" for name, value in words)
        return CallView(
            at=self.at,
            method=self.method,
            status=self.status,
            error=self.error,
            detail=detail[:MAX_DETAIL],
            milliseconds=self.milliseconds,
        )


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass(frozen=True, slots=True)
class Tokens:
    """The two tokens that the workspace accepts."""

    bot: str
    app: str

    def check(self, method: str, token: str) -> None:
        """Make sure that a token is good for a method.

        Raises RefusedError `not_authed`, `invalid_auth` or `not_allowed_token_type`.
        """
        if method == "api.test":
            return
        if not token:
            raise RefusedError("not_authed")
        if token not in (self.bot, self.app):
            raise RefusedError("invalid_auth")
        if token != (self.app if method == "apps.connections.open" else self.bot):
            raise RefusedError("not_allowed_token_type")


class WebApi:
    """Answers `POST <prefix>/api/<method>` as Slack does."""

    def __init__(
        self,
        workspace: Workspace,
        tokens: Tokens,
        rates: RateLimits,
        faults: Faults,
        open_connection: OpenConnection,
        publish: Callable[[Json], None],
    ) -> None:
        self.calls: deque[Call] = deque(maxlen=MAX_REMEMBERED)
        self._workspace = workspace
        self._tokens = tokens
        self._rates = rates
        self._faults = faults
        self._open_connection = open_connection
        self._publish = publish

    def calls_to(self, pattern: str) -> list[Call]:
        """List the calls whose method matches a pattern, oldest first."""
        return [call for call in self.calls if fnmatch.fnmatchcase(call.method, pattern)]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call, or let its fault happen."""
        method, began = request.match_info["method"], time.perf_counter()
        arguments, outcome = Arguments({}), web.json_response({})
        fault = self._faults.take(method)
        body: Json = {}
        try:
            arguments, token = await read_call(request)
            if fault is not None:
                await asyncio.sleep(fault.delay.total_seconds())
            if fault is None or fault.is_slow_only or fault.after:
                body = self._perform(method, token, arguments, request)
                outcome = web.json_response(body)
        except RefusedError as refusal:
            body, outcome = refuse(refusal)
        if fault is not None and not fault.is_slow_only:
            body, outcome = spoil(fault)
        self._remember(method, arguments, outcome.status, body, began)
        if fault is not None and fault.drop and request.transport is not None:
            request.transport.abort()
        return outcome

    def _perform(self, method: str, token: str, args: Arguments, request: web.Request) -> Json:
        self._tokens.check(method, token)
        if method == "apps.connections.open":
            self._rates.admit(method, "")
            return {"ok": True, "url": self._open_connection(request)}
        if method not in METHODS:
            raise RefusedError("unknown_method")
        self._rates.admit(method, args.text("channel"))
        return {"ok": True, **METHODS[method](self._workspace, args)}

    def _remember(
        self, method: str, args: Arguments, status: int, body: Json, began: float
    ) -> None:
        elapsed = (time.perf_counter() - began) * 1000
        call = Call(method, args.values, status, body, self._workspace.state.clock(), elapsed)
        self.calls.append(call)
        self._publish({"type": "call", "call": call.view()})


def refuse(refusal: RefusedError) -> tuple[Json, web.Response]:
    """Word a refusal as Slack does: status 200 and a code, but 429 for too many calls."""
    body: Json = {"ok": False, "error": refusal.code}
    if refusal.messages:
        body["response_metadata"] = {"messages": list(refusal.messages)}
    if isinstance(refusal, RateLimitedError):
        headers = {"Retry-After": str(refusal.retry_after)}
        return body, web.json_response(body, status=429, headers=headers)
    return body, web.json_response(body)


def spoil(fault: Fault) -> tuple[Json, web.Response]:
    """Build the answer that a fault gives."""
    error = "ratelimited" if fault.status == 429 else fault.error
    body: Json = {"ok": False, "error": error}
    headers: dict[str, str] = {}
    if fault.retry_after is not None:
        headers["Retry-After"] = str(round(fault.retry_after.total_seconds()))
    return body, web.json_response(body, status=fault.status, headers=headers)
