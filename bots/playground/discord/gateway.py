"""The gateway over a websocket: hello, identify or resume, heartbeats, and the events that sessions queue."""

from __future__ import annotations

import asyncio
import hmac
import json
import zlib
from collections.abc import Callable
from datetime import timedelta

from aiohttp import WSCloseCode, WSMsgType, web

from bots.playground.discord.objects import (
    guild_create_object,
    member_object,
    own_user_object,
)
from bots.playground.discord.routes.login import application_flags
from bots.playground.discord.sessions import Close, Connection, Event, Intents, Opcode, Session
from bots.playground.discord.state import Json
from bots.playground.discord.world import World

_NORMAL_CLOSES = (WSCloseCode.OK, WSCloseCode.GOING_AWAY)
"""After these from the bot, Discord forgets the session."""
_CLOSE_SECONDS = 2


class CloseError(Exception):
    """The connection ends with one of Discord's close codes."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


class Gateway:
    """Serves the gateway, and cuts it off when asked."""

    def __init__(self, world: World, heartbeat_interval: timedelta) -> None:
        self._world = world
        self._interval = heartbeat_interval
        self._open: dict[Connection, asyncio.Event] = {}

    def add_to(self, app: web.Application, prefix: str) -> None:
        """Add the websocket to an application. It is closed when the application shuts down."""

        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._serve(request)

        async def close(_: web.Application) -> None:
            self._world.stop_timers()
            await self.aclose()

        for path in (f"{prefix}/gateway", f"{prefix}/gateway/"):
            app.router.add_get(path, handle)
        app.on_shutdown.append(close)

    def drop(self) -> None:
        """Cut every connection without a word."""
        for connection in self._open:
            connection.abort()

    def request_reconnect(self) -> None:
        """Ask every connection to come back and resume (opcode 7)."""
        for connection in self._open:
            connection.send({"op": Opcode.RECONNECT, "d": None, "s": None, "t": None})

    async def aclose(self) -> None:
        """Close every connection, and wait a little for them to end."""
        ended = list(self._open.values())
        for connection in self._open:
            connection.close(WSCloseCode.GOING_AWAY)
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                for event in ended:
                    await event.wait()
        except TimeoutError:
            self.drop()

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(timeout=_CLOSE_SECONDS)
        await socket.prepare(request)
        connection = Connection(lambda: _abort(request))
        self._open[connection] = ended = asyncio.Event()
        is_compressed = request.query.get("compress") == "zlib-stream"
        try:
            async with asyncio.TaskGroup() as group:
                sender = group.create_task(_send(socket, connection, is_compressed=is_compressed))
                await self._receive(socket, connection)
                sender.cancel()
        finally:
            del self._open[connection]
            self._world.sessions.detach(connection, is_over=socket.close_code in _NORMAL_CLOSES)
            self._publish_connection()
            ended.set()
        return socket

    def _publish_connection(self) -> None:
        is_connected = self._world.sessions.connected() > 0
        self._world.publish({"type": "connection", "is_connected": is_connected})

    async def _receive(self, socket: web.WebSocketResponse, connection: Connection) -> None:
        interval = self._interval.total_seconds()
        connection.send({"op": Opcode.HELLO, "d": {"heartbeat_interval": int(interval * 1000)}})
        conversation = _Conversation(self._world, connection, self._publish_connection)
        while True:
            try:
                message = await socket.receive(timeout=interval * 2)
            except TimeoutError:
                await _close(socket, CloseError(4009, "Session timed out."))
                return
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            try:
                conversation.hear(message.data)
            except CloseError as error:
                await _close(socket, error)
                return


async def _close(socket: web.WebSocketResponse, error: CloseError) -> None:
    await socket.close(code=error.code, message=error.reason.encode())


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _send(
    socket: web.WebSocketResponse, connection: Connection, *, is_compressed: bool
) -> None:
    """Write what is queued, compressed as one zlib stream where the bot asked for it."""
    compressor = zlib.compressobj() if is_compressed else None
    try:
        while True:
            item = await connection.outbox.get()
            if isinstance(item, Close):
                await socket.close(code=item.code, message=item.reason.encode())
                return
            text = json.dumps(item, ensure_ascii=False)
            if compressor is None:
                await socket.send_str(text)
            else:
                packed = compressor.compress(text.encode())
                await socket.send_bytes(packed + compressor.flush(zlib.Z_SYNC_FLUSH))
    except ConnectionError:
        return  # the receiving side sees the end too, and tidies up


def _decode(data: str | bytes) -> tuple[int, Json]:
    """Read a payload's opcode and data. Raises CloseError (4002)."""
    try:
        payload: Json = json.loads(data)
        opcode, value = payload["op"], payload.get("d")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CloseError(4002, "Error while decoding payload.") from None
    if opcode == Opcode.HEARTBEAT:
        return opcode, {}
    if not isinstance(opcode, int) or not isinstance(value, dict):
        raise CloseError(4002, "Error while decoding payload.")
    return opcode, value


class _Conversation:
    """What a bot says over one connection, and what follows from it."""

    def __init__(self, world: World, connection: Connection, on_change: Callable[[], None]) -> None:
        self._world = world
        self._connection = connection
        self._on_change = on_change
        self._session: Session | None = None

    def hear(self, data: str | bytes) -> None:
        """Take a payload. Raises CloseError."""
        opcode, value = _decode(data)
        if opcode == Opcode.HEARTBEAT:
            self._connection.send({"op": Opcode.HEARTBEAT_ACK, "d": None})
        elif opcode == Opcode.IDENTIFY:
            self._identify(value)
        elif opcode == Opcode.RESUME:
            self._resume(value)
        elif self._session is None:
            raise CloseError(4003, "Not authenticated.")
        elif opcode == Opcode.REQUEST_MEMBERS:
            self._send_members(self._session, value)
        elif opcode not in (3, 4):
            raise CloseError(4001, "Unknown opcode.")

    def _check_token(self, value: Json) -> None:
        if self._session is not None:
            raise CloseError(4005, "Already authenticated.")
        if not hmac.compare_digest(str(value.get("token")).encode(), self._world.token.encode()):
            raise CloseError(4004, "Authentication failed.")

    def _identify(self, value: Json) -> None:
        self._check_token(value)
        intents = value.get("intents")
        if not isinstance(intents, int):
            raise CloseError(4013, "Invalid intent(s).")
        privileged = Intents.GUILD_MEMBERS | Intents.GUILD_PRESENCES
        if not self._world.grants_message_content:
            privileged |= Intents.MESSAGE_CONTENT
        if intents & privileged:
            raise CloseError(4014, "Disallowed intent(s).")
        number, count = value.get("shard") or (0, 1)
        if not 0 <= number < count:
            raise CloseError(4010, "Invalid shard.")
        self._session = self._world.sessions.open(self._connection, intents, (number, count))
        self._greet(self._session, is_sharded="shard" in value)
        self._on_change()

    def _greet(self, session: Session, *, is_sharded: bool) -> None:
        state = self._world.state
        ready: Json = {
            "v": 10,
            "user": own_user_object(state),
            "guilds": [],
            "session_id": session.id,
            "resume_gateway_url": self._world.gateway_url,
            "session_type": "normal",
            "private_channels": [],
            "application": {"id": state.bot.id, "flags": application_flags(self._world)},
        }
        if is_sharded:
            ready["shard"] = list(session.shard)
        guild = guild_create_object(state, with_members=False)
        event = Event("GUILD_CREATE", guild, Intents.GUILDS)
        if session.wants(Event("GUILD_CREATE", guild), state.guild_id):
            ready["guilds"] = [{"id": state.guild_id, "unavailable": True}]
        session.dispatch(Event("READY", ready))
        if session.wants(event, state.guild_id):
            loop = asyncio.get_running_loop()
            loop.call_later(self._world.guild_seconds, session.dispatch, event)

    def _resume(self, value: Json) -> None:
        self._check_token(value)
        sessions, since = self._world.sessions, value.get("seq")
        if not isinstance(since, int):
            raise CloseError(4007, "Invalid seq.")
        session = sessions.find(str(value.get("session_id")))
        if session is None:
            self._connection.send({"op": Opcode.INVALID_SESSION, "d": False})
            return
        if since > session.sequence:
            raise CloseError(4007, "Invalid seq.")
        if not session.can_replay(since):
            sessions.forget(session)
            self._connection.send({"op": Opcode.INVALID_SESSION, "d": False})
            return
        sessions.attach(session, self._connection)
        self._session = session
        session.replay(since)
        session.dispatch(Event("RESUMED", {"_trace": ["playground"]}))
        self._on_change()

    def _send_members(self, session: Session, value: Json) -> None:
        """Answer a request for members by id; all of them need an intent that is not granted."""
        wanted = value.get("user_ids") or []
        asked = {str(user) for user in (wanted if isinstance(wanted, list) else [wanted])}
        state = self._world.state
        found = [user for user in state.users() if user.id in asked]
        chunk: Json = {
            "guild_id": state.guild_id,
            "members": [member_object(state, user) for user in found],
            "not_found": sorted(asked - {user.id for user in found}),
            "chunk_index": 0,
            "chunk_count": 1,
        }
        if "nonce" in value:
            chunk["nonce"] = value["nonce"]
        session.dispatch(Event("GUILD_MEMBERS_CHUNK", chunk))
