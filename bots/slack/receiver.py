"""Socket Mode, received: one websocket at a time, renewed when it ends, until told to stop.

The SDK's own client tries a used address and a refused token again for ever, sleeps before it takes
a lost connection up, and leaves tasks behind. What comes in still goes through Bolt.
docs.slack.dev/apis/events-api/using-socket-mode
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import aiohttp
from slack_bolt.adapter.socket_mode.async_internals import run_async_bolt_app
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bots.delivery import SlowDownError, TransientError
from bots.link import Link
from bots.slack.api import RefusedCallError, back_off
from bots.slack.login import APP_TOKEN, ask_until_answered, check_token
from bots.slack.tasks import Tasks
from core.errors import SkeinError, TokenRefusedError

log = logging.getLogger("skein.slack")

HEARTBEAT = timedelta(seconds=4)
"""How often the connection is pinged. One that does not answer in half that time is lost."""
_CONNECT_TIMEOUT = timedelta(seconds=10)
_CLOSE_TIMEOUT = timedelta(seconds=1)
_LAST_ACKNOWLEDGEMENTS = timedelta(seconds=3)
_ADDRESS_LIFETIME = timedelta(seconds=20)
_STEADY_AFTER = timedelta(seconds=30)
"""A connection that lasted so long ends a series of failures."""
_LONGEST_WAIT_AFTER_LOSS = timedelta(seconds=3)
_LOST = (aiohttp.ClientError, OSError, TransientError, SlowDownError, RefusedCallError)


class BrokenError(TransientError):
    """A connection that stood is there no more."""


class Receiver:
    """Hands what Slack sends to Bolt, and acknowledges what Bolt answered with 200, nothing else."""

    def __init__(
        self,
        app: AsyncApp,
        client: AsyncWebClient,
        app_token: str,
        link: Link,
        on_connected: Callable[[timedelta], None],
    ) -> None:
        """Take what to call as a connection stands, with the time that went by without one."""
        self._app = app
        self._link = link
        self._on_connected = on_connected
        self._client = client
        self._app_token = app_token
        self._first_address: tuple[str, float] = ("", 0.0)
        self._handlers = Tasks()
        self._ended = asyncio.Event()
        self._is_over = asyncio.Event()
        self._is_over.set()
        self._refusal: TokenRefusedError | None = None

    async def prepare(self) -> None:
        """Check the app's token by asking for the first connection's address. Raises TokenRefusedError."""
        answer = await ask_until_answered(self._ask_address, APP_TOKEN)
        self._first_address = (str(answer.get("url") or ""), time.monotonic())

    async def run(self) -> None:
        """Receive until `end`. Raises TokenRefusedError when a token is refused meanwhile."""
        self._is_over.clear()
        receiving = asyncio.create_task(self._stay_connected())
        ending = asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait((receiving, ending), return_when=asyncio.FIRST_COMPLETED)
            if receiving.done():
                receiving.result()
        finally:
            receiving.cancel()
            ending.cancel()
            await asyncio.gather(receiving, ending, return_exceptions=True)
            await self._handlers.aclose()
            self._is_over.set()
        if self._refusal is not None:
            raise self._refusal

    def end(self, refusal: TokenRefusedError | None = None) -> None:
        """Let `run` end, with an error if a token was refused."""
        self._refusal = self._refusal or refusal
        self._ended.set()

    async def wait_until_over(self) -> None:
        """Wait until `run` has ended and its connection is closed."""
        await self._is_over.wait()

    async def _stay_connected(self) -> None:
        failures = 0
        while True:
            began, lost = time.monotonic(), None
            try:
                await self._receive(await self._take_address())
            except _LOST as error:
                lost = error
            was_steady = time.monotonic() - began >= _STEADY_AFTER.total_seconds()
            failures = 1 if was_steady else failures + 1
            await asyncio.sleep(pause_before_next(lost, failures).total_seconds())

    async def _take_address(self) -> str:
        """Give an address that no connection has used yet, for each is good for one, and not for long."""
        (address, asked_at), self._first_address = self._first_address, ("", 0.0)
        if address and time.monotonic() - asked_at < _ADDRESS_LIFETIME.total_seconds():
            return address
        answer = await check_token(self._ask_address(), APP_TOKEN)
        return str(answer.get("url") or "")

    async def _ask_address(self) -> AsyncSlackResponse:
        return await self._client.apps_connections_open(app_token=self._app_token)

    async def _receive(self, address: str) -> None:
        """Serve one connection. Returns when Slack asks for a new one, raises when it is lost."""
        async with asyncio.timeout(_CONNECT_TIMEOUT.total_seconds()):
            socket = await self._connect(address)
        try:
            async for frame in socket:
                if frame.type is aiohttp.WSMsgType.ERROR:
                    break
                if frame.type is aiohttp.WSMsgType.TEXT and self._take(socket, frame.data):
                    return
            raise BrokenError(f"the connection was closed, code {socket.close_code}")
        finally:
            self._link.lose()
            await self._retire(socket)

    async def _connect(self, address: str) -> aiohttp.ClientWebSocketResponse:
        session = self._client.session
        if session is None:
            raise RuntimeError("connect first")
        return await session.ws_connect(
            address,
            heartbeat=HEARTBEAT.total_seconds(),
            timeout=aiohttp.ClientWSTimeout(
                ws_close=_CLOSE_TIMEOUT.total_seconds()  # pyright: ignore[reportCallIssue]
            ),
            proxy=self._client.proxy,
            ssl=self._client.ssl if self._client.ssl is not None else True,
        )

    def _take(self, socket: aiohttp.ClientWebSocketResponse, data: str) -> bool:
        """Take one message. True when it says that this connection is about to end."""
        try:
            message: dict[str, Any] = json.loads(data)
            kind = message.get("type")
            request = SocketModeRequest.from_dict(message)
        except (ValueError, AttributeError, TypeError):
            log.warning("Slack sent what is no envelope")
            return False
        if kind == "hello":
            log.info("Slack: connected")
            # The first one of a process: nobody knows how long it was away.
            self._on_connected(self._link.down_for or timedelta.max)
            self._link.connect()
        elif kind == "disconnect":
            log.info("Slack asks for a new connection: %s", message.get("reason"))
            return True
        elif request is not None:
            self._handlers.start(self._handle(socket, request))
        return False

    async def _handle(
        self, socket: aiohttp.ClientWebSocketResponse, request: SocketModeRequest
    ) -> None:
        response = await run_async_bolt_app(self._app, request)
        if response.status != 200:
            return  # Slack sends it again
        answer = SocketModeResponse(envelope_id=request.envelope_id)
        try:
            await socket.send_str(json.dumps(answer.to_dict()))
        except (aiohttp.ClientError, OSError):
            log.info(
                "Slack: an acknowledgement was lost with its connection; the event comes again"
            )

    async def _retire(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Let what was received be acknowledged where it came from, then close."""
        if not socket.closed:
            await self._handlers.wait(_LAST_ACKNOWLEDGEMENTS)
        await socket.close()


def pause_before_next(lost: Exception | None, failures: int) -> timedelta:
    """Say how long to wait before the next connection.

    A planned end needs no wait, unless they pile up. While connections come about, however short,
    people are waiting: the back-off stays small.
    """
    if lost is None:
        return timedelta() if failures == 1 else back_off(failures, _LONGEST_WAIT_AFTER_LOSS)
    if isinstance(lost, SlowDownError):
        wait = max(lost.retry_after, back_off(failures))
    elif isinstance(lost, BrokenError):
        wait = back_off(failures, _LONGEST_WAIT_AFTER_LOSS)
    else:
        wait = back_off(failures)
    log.warning("Slack: no connection (%s); again in %.1f s", _describe(lost), wait.total_seconds())
    return wait


def _describe(error: Exception) -> str:
    """Say what went wrong without the address, which holds a ticket."""
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return f"refused with status {error.status}"
    return str(error) if isinstance(error, SkeinError) else type(error).__name__
