"""Socket Mode's server side: connections, envelopes, acknowledgements, and sending again.

An event that is not acknowledged in time comes again: at once, after a minute, after five; then Slack
gives up. Commands and interactions come once. docs.slack.dev/apis/events-api/using-socket-mode
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from aiohttp import WSMsgType, web

from bots.playground.slack.state import Json

Kind = Literal["events_api", "slash_commands", "interactive"]

MAX_CONNECTIONS = 10
MAX_WAITING = 1_000
MAX_REMEMBERED = 5_000
MAX_DETAIL = 120
CLOSING_TIMEOUT = 1.0
"""How many seconds to wait for the bot's closing frame."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the platform waits. Tests shorten it."""

    ack: timedelta = timedelta(seconds=3)
    retries: Sequence[timedelta] = (timedelta(0), timedelta(minutes=1), timedelta(minutes=5))
    refresh_grace: timedelta = timedelta(seconds=10)
    """How long a connection stays after it was asked to be renewed."""


@dataclass(slots=True)
class Delivery:
    """One envelope's way to the bot: every attempt of it, and the acknowledgement."""

    kind: Kind
    payload: Json
    attempts: int = 0
    is_acknowledged: bool = False
    answer: Json | None = None
    """The payload that came with the acknowledgement."""
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """What it is, for people: the event's type, the command, the interaction's type."""
        event = self.payload.get("event", {})
        return str(
            event.get("subtype")
            or event.get("type")
            or self.payload.get("command")
            or self.payload["type"]
        )

    @property
    def detail(self) -> str:
        """What it tells, for people: the text and its id."""
        event = self.payload.get("event", {})
        text = str((event.get("message") or event).get("text") or self.payload.get("text") or "")
        id_ = str(self.payload.get("event_id") or self.payload.get("trigger_id", ""))
        return f"{text[:MAX_DETAIL]} · {id_}" if text else id_


@dataclass(slots=True, eq=False)
class _Connection:
    socket: web.WebSocketResponse
    request: web.Request
    is_ready: bool = False
    """Whether envelopes may go there: greeted, and not asked to be renewed."""

    def abort(self) -> None:
        if self.request.transport is not None:
            self.request.transport.abort()


class SocketMode:
    """The hub between the workspace and the bot's websockets. It owns a task for each delivery."""

    def __init__(self, app_id: str, timing: Timing, publish: Callable[[Json], None]) -> None:
        self.given_up: deque[Delivery] = deque(maxlen=MAX_REMEMBERED)
        self.deliveries: deque[Delivery] = deque(maxlen=MAX_REMEMBERED)
        self.backlog: list[Json] = []
        """Event payloads of an earlier process, to be sent when the bot connects."""
        self._app_id = app_id
        self._timing = timing
        self._publish = publish
        self._tickets: set[str] = set()
        self._connections: list[_Connection] = []
        self._available = asyncio.Event()
        self._acknowledgements: dict[str, asyncio.Future[Json | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._unfinished: list[Delivery] = []
        self._next = 0

    @property
    def connections(self) -> int:
        """How many websockets the bot holds."""
        return len(self._connections)

    def issue_ticket(self) -> str:
        """Allow one websocket to be opened."""
        ticket = secrets.token_urlsafe(16)
        self._tickets.add(ticket)
        return ticket

    def undelivered(self) -> list[Json]:
        """List the events that the bot has not acknowledged yet."""
        waiting = [d.payload for d in self._unfinished if d.kind == "events_api"]
        return [*self.backlog, *waiting]

    # Sending.

    def send(self, kind: Kind, payload: Json, *, attempt: int = 0) -> Delivery:
        """Begin to deliver a payload; events are tried again. `attempt` above 0 says it came before."""
        delivery = Delivery(kind, payload)
        self.deliveries.append(delivery)
        if len(self._unfinished) >= MAX_WAITING:
            self._finish(delivery)
            return delivery
        self._unfinished.append(delivery)
        delivery.task = task = asyncio.create_task(self._deliver(delivery, attempt))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return delivery

    async def _deliver(self, delivery: Delivery, attempt: int) -> None:
        delays = self._timing.retries[attempt:] if delivery.kind == "events_api" else ()
        try:
            for number, delay in enumerate((*delays, None), start=attempt):
                if await self._attempt(delivery, number) or delay is None:
                    break
                await asyncio.sleep(delay.total_seconds())
            self._finish(delivery)
        finally:
            delivery.finished.set()

    async def _attempt(self, delivery: Delivery, number: int) -> bool:
        """Send an envelope once and wait for its acknowledgement. The time runs only once it is sent."""
        if delivery.kind == "events_api":
            await self._available.wait()
        envelope_id = secrets.token_hex(16)
        future = asyncio.get_running_loop().create_future()
        self._acknowledgements[envelope_id] = future
        try:
            async with asyncio.timeout(self._timing.ack.total_seconds()):
                await self._available.wait()
                await self._send_envelope(delivery, envelope_id, number)
                delivery.answer = await future
        except (TimeoutError, ConnectionError):
            return False
        finally:
            del self._acknowledgements[envelope_id]
        delivery.is_acknowledged = True
        return True

    async def _send_envelope(self, delivery: Delivery, envelope_id: str, number: int) -> None:
        envelope: Json = {
            "envelope_id": envelope_id,
            "type": delivery.kind,
            "payload": delivery.payload,
            "accepts_response_payload": delivery.kind != "events_api",
        }
        if delivery.kind == "events_api":
            envelope |= {"retry_attempt": number, "retry_reason": "timeout" if number else ""}
        delivery.attempts += 1
        self._publish(
            {
                "type": "delivery",
                "name": delivery.name,
                "detail": delivery.detail,
                "attempt": number,
            }
        )
        await self._choose().socket.send_json(envelope)

    def _choose(self) -> _Connection:
        """Take the connections in turn: each envelope goes to one of them."""
        ready = [connection for connection in self._connections if connection.is_ready]
        if not ready:
            raise ConnectionError("no connection is left")
        self._next += 1
        return ready[self._next % len(ready)]

    def _finish(self, delivery: Delivery) -> None:
        if delivery in self._unfinished:
            self._unfinished.remove(delivery)
        if not delivery.is_acknowledged:
            self.given_up.append(delivery)
        delivery.finished.set()

    # Receiving.

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one websocket, from its ticket to its end."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            raise web.HTTPForbidden(text="unknown ticket")
        self._tickets.discard(ticket)
        socket = web.WebSocketResponse(timeout=CLOSING_TIMEOUT)
        await socket.prepare(request)
        if len(self._connections) >= MAX_CONNECTIONS:
            await socket.send_json({"type": "disconnect", "reason": "too_many_websockets"})
            await socket.close()
            return socket
        connection = _Connection(socket, request)
        self._connections.append(connection)
        try:
            await self._greet(connection)
            await self._read(socket)
        finally:
            self._forget(connection)
        return socket

    async def _greet(self, connection: _Connection) -> None:
        hello = {
            "type": "hello",
            "num_connections": len(self._connections),
            "connection_info": {"app_id": self._app_id},
            "debug_info": {"host": "simulated", "approximate_connection_time": 3600},
        }
        await connection.socket.send_json(hello)
        connection.is_ready = True
        self._update_availability()
        for payload in self.backlog:
            self.send("events_api", payload, attempt=1)
        self.backlog = []

    async def _read(self, socket: web.WebSocketResponse) -> None:
        async for frame in socket:
            if frame.type == WSMsgType.TEXT:
                self._acknowledge(frame.data)

    def _acknowledge(self, data: str) -> None:
        try:
            message: Any = json.loads(data)
            future = self._acknowledgements.get(message["envelope_id"])
        except (ValueError, TypeError, KeyError):
            return
        if future is not None and not future.done():
            future.set_result(message.get("payload"))

    # Connections.

    def _forget(self, connection: _Connection) -> None:
        self._connections.remove(connection)
        self._update_availability()

    def _update_availability(self) -> None:
        if any(connection.is_ready for connection in self._connections):
            self._available.set()
        else:
            self._available.clear()
        self._publish({"type": "connection", "is_connected": bool(self._connections)})

    async def request_refresh(self) -> None:
        """Ask the bot to open new connections, as Slack does every few hours; the old ones end soon."""
        retiring = list(self._connections)
        for connection in retiring:
            connection.is_ready = False
        self._update_availability()
        for connection in retiring:
            await connection.socket.send_json(
                {
                    "type": "disconnect",
                    "reason": "refresh_requested",
                    "debug_info": {"host": "simulated"},
                }
            )
            task = asyncio.create_task(self._close_later(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _close_later(self, connection: _Connection) -> None:
        await asyncio.sleep(self._timing.refresh_grace.total_seconds())
        await connection.socket.close()

    async def drop_connections(self) -> None:
        """Cut every connection without a closing frame."""
        for connection in list(self._connections):
            connection.abort()

    def give_up(self) -> None:
        """Send no more what is on its way or waits for a connection, as after its last attempt."""
        self.backlog = []
        for delivery in list(self._unfinished):
            if delivery.task is not None:
                delivery.task.cancel()
            self._finish(delivery)

    async def drain(self, timeout: timedelta) -> None:
        """Wait until nothing is on its way. Raises TimeoutError."""
        async with asyncio.timeout(timeout.total_seconds()):
            while pending := [d for d in self._unfinished if not d.finished.is_set()]:
                await pending[0].finished.wait()

    async def aclose(self) -> None:
        """End all deliveries and connections."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for connection in list(self._connections):
            await connection.socket.close()
