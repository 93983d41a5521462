"""The page's routes: its files, the state of the platforms, their feed, and what people do there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from aiohttp import web

from bots.playground.base import FeedEvent, Simulation
from bots.playground.page.assets import Asset
from bots.playground.page.files import file_response, read_files
from bots.playground.page.guard import CONTENT_SECURITY_POLICY
from bots.playground.page.hub import Hub
from bots.playground.page.trouble import make_trouble
from bots.playground.page.views import LoadConversation

HEARTBEAT = timedelta(seconds=10)
ACTION_TIMEOUT = timedelta(seconds=15)
MAX_BODY_BYTES = 1_000_000

_CLOSING: FeedEvent = {"type": "closing"}

Action = Callable[[Simulation, Mapping[str, Any]], Awaitable[dict[str, Any]]]


@dataclass(slots=True)
class Page:
    """The page of one playground."""

    hub: Hub
    load_conversation: LoadConversation
    assets: Mapping[str, Asset]
    model: str = ""
    """The model that answers, as people see it."""
    notice: str = ""
    """A sentence that stands above the page, for instance that a demo model answers."""

    def add_routes(self, app: web.Application) -> None:
        """Mount the page at the root of an application."""
        app.router.add_get("/", self._index)
        app.router.add_get("/static/{name:.+}", self._static)
        app.router.add_get("/api/state", self._state)
        app.router.add_get("/api/events", self._events)
        app.router.add_get("/api/conversation", self._conversation)
        app.router.add_get("/api/{platform}/files/{id}", self._file)
        for name, action in _ACTIONS.items():
            app.router.add_post(f"/api/{{platform}}/{name}", self._handler(action))
        app.on_shutdown.append(self._close)

    async def _close(self, _app: web.Application) -> None:
        self.hub.feed.publish(_CLOSING)

    async def _index(self, _request: web.Request) -> web.Response:
        return _asset_response(self.assets["index.html"])

    async def _static(self, request: web.Request) -> web.Response:
        asset = self.assets.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound
        return _asset_response(asset)

    def _describe(self) -> dict[str, Any]:
        return {
            "platforms": [each.snapshot() for each in self.hub.simulations.values()],
            "recent": self.hub.recent(),
            "model": self.model,
            "notice": self.notice,
        }

    async def _state(self, _request: web.Request) -> web.Response:
        return web.json_response(self._describe())

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Send the state, and from then on everything that happens, as Server-Sent Events."""
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        response = web.StreamResponse(headers=headers)
        # Listening before describing: what happens in between is sent twice rather than never.
        with self.hub.feed.listen() as queue:
            await response.prepare(request)
            await response.write(b"retry: 1000\n" + _event("state", self._describe()))
            with suppress(ConnectionResetError):  # the browser went away
                await _pump(queue, response)
        return response

    async def _conversation(self, request: web.Request) -> web.Response:
        names = ("platform", "workspace", "channel", "parent", "thread")
        place = {name: request.query.get(name, "") for name in names}
        return web.json_response({"conversation": await self.load_conversation(place)})

    async def _file(self, request: web.Request) -> web.Response:
        """Give a file as people open it: a picture to look at, anything else to save."""
        simulation = self.hub.simulations.get(request.match_info["platform"])
        if simulation is None:
            raise web.HTTPNotFound
        try:
            return file_response(simulation.read_file(request.match_info["id"]))
        except ValueError:
            raise web.HTTPNotFound from None

    def _handler(self, action: Action) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            simulation = self.hub.simulations.get(request.match_info["platform"])
            if simulation is None:
                return _refusal(f"there is no platform {request.match_info['platform']!r}", 404)
            try:
                fields = await _read_fields(request)
                async with asyncio.timeout(ACTION_TIMEOUT.total_seconds()):
                    return web.json_response(await action(simulation, fields))
            except ValueError as error:
                return _refusal(str(error))
            except TimeoutError:
                return _refusal("the bot did not answer in time", 504)

        return handle


async def _pump(queue: asyncio.Queue[FeedEvent], response: web.StreamResponse) -> None:
    """Write what comes, whatever has gathered at once, until the server closes."""
    while True:
        try:
            async with asyncio.timeout(HEARTBEAT.total_seconds()):
                events = [await queue.get()]
        except TimeoutError:
            await response.write(b": still here\n\n")
            continue
        while not queue.empty():
            events.append(queue.get_nowait())
        if _CLOSING in events:
            return
        await response.write(b"".join(_event("feed", event) for event in events))


async def _say(simulation: Simulation, fields: Mapping[str, Any]) -> dict[str, Any]:
    files = read_files(fields.get("files", []))
    if not fields["text"].strip() and not files:
        raise ValueError("there is nothing to send")
    message_id = await simulation.say(
        fields["person"],
        fields["channel"],
        fields["text"],
        thread=fields.get("thread", ""),
        reply_to=fields.get("reply_to", ""),
        files=files,
    )
    return {"id": message_id}


async def _edit(simulation: Simulation, fields: Mapping[str, str]) -> dict[str, Any]:
    if not fields["text"].strip():
        raise ValueError("a message without text is deleted, not changed")
    await simulation.edit(fields["message"], fields["text"])
    return {}


async def _delete(simulation: Simulation, fields: Mapping[str, str]) -> dict[str, Any]:
    await simulation.delete(fields["message"])
    return {}


async def _forward(simulation: Simulation, fields: Mapping[str, str]) -> dict[str, Any]:
    message_id = await simulation.forward(
        fields["person"],
        fields["message"],
        fields["channel"],
        fields.get("text", ""),
        thread=fields.get("thread", ""),
    )
    return {"id": message_id}


async def _command(simulation: Simulation, fields: Mapping[str, str]) -> dict[str, Any]:
    answer = await simulation.command(
        fields["person"],
        fields["channel"],
        fields["name"],
        fields.get("text", ""),
        thread=fields.get("thread", ""),
    )
    return {"answer": answer}


async def _complete(simulation: Simulation, fields: Mapping[str, str]) -> dict[str, Any]:
    choices = await simulation.complete(
        fields["person"], fields["channel"], fields["name"], fields.get("text", "")
    )
    return {"choices": choices}


async def _act(simulation: Simulation, fields: Mapping[str, str]) -> dict[str, Any]:
    await simulation.act(
        fields["person"], fields["message"], fields["action"], fields.get("value", "")
    )
    return {}


async def _trouble(simulation: Simulation, fields: Mapping[str, str]) -> dict[str, Any]:
    return {"answer": await make_trouble(simulation, fields["kind"])}


_ACTIONS: dict[str, Action] = {
    "messages": _say,
    "edits": _edit,
    "deletions": _delete,
    "forwards": _forward,
    "commands": _command,
    "complete": _complete,
    "actions": _act,
    "faults": _trouble,
}


class _Fields(dict[str, Any]):
    """What a page sent. A field that is missing raises ValueError, worded for the page."""

    def __missing__(self, name: str) -> str:
        raise ValueError(f"{name!r} is missing")


async def _read_fields(request: web.Request) -> _Fields:
    """Read a JSON object of texts. Raises ValueError, worded for the page."""
    # A foreign form can post text/plain without asking; application/json it cannot.
    if request.content_type != "application/json":
        raise ValueError("expected Content-Type: application/json")
    try:
        fields = await request.json()
    except ValueError:
        raise ValueError("the body is not JSON") from None
    if not isinstance(fields, dict):
        raise ValueError("expected a JSON object")  # noqa: TRY004 -- bad input, not a bug
    for name, value in fields.items():
        if name != "files" and not isinstance(value, str):
            raise ValueError(f"{name!r} has to be a text")
    return _Fields(fields)


def _refusal(error: str, status: int = 400) -> web.Response:
    return web.json_response({"error": error}, status=status)


def _event(name: str, data: object) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def _asset_response(asset: Asset) -> web.Response:
    headers = {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return web.Response(
        body=asset.body, content_type=asset.content_type, charset="utf-8", headers=headers
    )
