"""The REST API over HTTP: reads a request, lets faults happen, checks token and limits, records."""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import hdrs, web

from bots.playground.base import CallView, Fault, Faults, SentFile
from bots.playground.discord.api import ApiRequest, Route
from bots.playground.discord.errors import NOT_FOUND, UNAUTHORIZED, ApiError, rate_limited
from bots.playground.discord.limits import LimitedError
from bots.playground.discord.routes import ROUTES
from bots.playground.discord.state import Json
from bots.playground.discord.world import World

API_PATH = "/api/v10"
KEPT_CALLS = 10_000

_VIA = {"Via": "1.1 google"}
"""Without it, discord.py takes a 429 for Cloudflare's and does not try again."""
_TOKEN_IN_PATH = re.compile(r"(?<=^/webhooks/)(\d+)/[^/]+|(?<=^/interactions/)(\d+)/[^/]+")


@dataclass(frozen=True, slots=True)
class Call:
    """A request that the bot made. `path` has no /api/v10; `status` is 0 when no answer was sent."""

    at: datetime
    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    status: int
    error: str
    milliseconds: float
    answer: Any = None

    @property
    def name(self) -> str:
        """Method and path, as in a Fault's pattern."""
        return f"{self.method} {self.path}"

    def view(self) -> CallView:
        """Show it on the page, without tokens."""
        path = _TOKEN_IN_PATH.sub(lambda match: f"{match[1] or match[2]}/…", self.path)
        return {
            "at": self.at.timestamp(),
            "method": f"{self.method} {path}",
            "status": self.status,
            "error": self.error,
            "detail": _summary(self.body),
            "milliseconds": round(self.milliseconds, 1),
        }


def _summary(body: Any) -> str:
    """Put what was sent into one short line: the text, where there is one."""
    if isinstance(body, dict):
        inner = body.get("data")
        source: Json = inner if isinstance(inner, dict) else body
        text = source.get("content") or source.get("name") or ""
        if text:
            return " ".join(str(text).split())[:120]
    return "" if body is None else json.dumps(body, ensure_ascii=False)[:120]


class Rest:
    """Serves the routes."""

    def __init__(self, world: World, faults: Faults) -> None:
        self._world = world
        self._faults = faults
        self.calls: deque[Call] = deque(maxlen=KEPT_CALLS)

    def add_to(self, app: web.Application, prefix: str) -> None:
        """Add the routes to an application."""
        base = prefix + API_PATH
        for route in ROUTES:
            app.router.add_route(route.method, base + route.path, self._handler(route, prefix))
        app.router.add_route("*", base + "/{tail:.*}", self._handler(None, prefix))

    def _handler(
        self, route: Route | None, prefix: str
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._serve(route, request, request.path.removeprefix(prefix + API_PATH))

        return handle

    async def _serve(self, route: Route | None, request: web.Request, path: str) -> web.Response:
        at, began = datetime.now(UTC), time.perf_counter()
        raw, uploads = await _read(request)
        fault = self._faults.take(f"{request.method} {path}")
        if fault is not None:
            await asyncio.sleep(fault.delay.total_seconds())
        strikes = fault is not None and not fault.is_slow_only
        body, outcome = _parse(raw), Outcome(200)
        if fault is None or not strikes or fault.after:
            outcome = self._answer(route, request, body, uploads)
        if fault is not None and strikes:
            outcome = _fail(fault)
        milliseconds = (time.perf_counter() - began) * 1000
        self._record(
            Call(
                at,
                request.method,
                path,
                dict(request.query),
                None if isinstance(body, _NoJson) else body,
                outcome.status,
                outcome.error,
                milliseconds,
                outcome.body,
            )
        )
        if not outcome.status and request.transport is not None:
            request.transport.abort()
        return outcome.response()

    def _answer(
        self,
        route: Route | None,
        request: web.Request,
        body: Any,
        uploads: tuple[SentFile, ...],
    ) -> Outcome:
        headers: dict[str, str] = {}
        try:
            known = self._check(route, request)
            headers = self._count(known, request.match_info)
            asked = ApiRequest(request.match_info, request.query, _json(body), uploads)
            answer = known.endpoint(self._world, asked)
        except ApiError as error:
            more = error.headers if isinstance(error, LimitedError) else {}
            text = f"{error.code} {error.body['message']}" if error.code else error.body["message"]
            return Outcome(error.status, error.body, {**headers, **more}, text)
        return Outcome(answer.status, answer.body, headers)

    def _check(self, route: Route | None, request: web.Request) -> Route:
        """Give the route, when there is one and the token is right. Raises ApiError (404, 401)."""
        if route is None:
            raise ApiError(*NOT_FOUND)
        given = request.headers.get(hdrs.AUTHORIZATION, "")
        is_right = hmac.compare_digest(given.encode(), f"Bot {self._world.token}".encode())
        if not is_right and (given or not route.is_open):
            raise ApiError(*UNAUTHORIZED)
        return route

    def _count(self, route: Route, params: Mapping[str, str]) -> dict[str, str]:
        if not route.is_open:
            self._world.limits.take_global()
        return self._world.limits.take(route.limit, route.bucket(params))

    def _record(self, call: Call) -> None:
        self.calls.append(call)
        self._world.publish({"type": "call", "call": call.view()})


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request ends. Status 0 stands for a cut connection."""

    status: int
    body: Any = None
    headers: Mapping[str, str] | None = None
    error: str = ""

    def response(self) -> web.Response:
        """Make the HTTP response: JSON of exactly the type that discord.py asks for."""
        headers = {**_VIA, **(self.headers or {})}
        if self.body is None:
            return web.Response(status=self.status or 502, headers=headers)
        data = json.dumps(self.body, ensure_ascii=False).encode()
        return web.Response(
            body=data, status=self.status, headers=headers, content_type="application/json"
        )


def _fail(fault: Fault) -> Outcome:
    if fault.drop:
        return Outcome(0, error="connection lost")
    if fault.status == 429:
        wait = fault.retry_after.total_seconds() if fault.retry_after else 1.0
        error = LimitedError({}, rate_limited(wait))
        return Outcome(429, error.body, error.headers, "You are being rate limited.")
    code = int(fault.error) if fault.error.isdigit() else 0
    return Outcome(fault.status, {"message": fault.error, "code": code}, error=fault.error)


class _NoJson:
    """Stands for a body that is not JSON."""


def _json(body: Any) -> Any:
    if isinstance(body, _NoJson):
        raise ApiError(400, 50109, "The request body contains invalid JSON.")
    return body


def _parse(raw: bytes | str) -> Any:
    if not raw:
        return None
    try:
        parsed: Json | list[Any] = json.loads(raw)
    except ValueError:
        return _NoJson()
    return parsed


async def _read(request: web.Request) -> tuple[bytes | str, tuple[SentFile, ...]]:
    """Read a body: plain JSON, or a form with `payload_json` and files."""
    if not request.content_type.startswith("multipart/"):
        return await request.read(), ()
    form = await request.post()
    uploads = [
        SentFile(part.filename, part.content_type, part.file.read())
        for part in form.values()
        if isinstance(part, web.FileField)
    ]
    payload = form.get("payload_json", "")
    return (payload if isinstance(payload, str) else ""), tuple(uploads)
