"""What the HTTP adapters share: one question to a model server, bounded, its errors translated."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol

import aiohttp
from pydantic import SecretStr

from core import errors
from core.conversation import Usage
from core.errors import ProviderError, UnreachableError
from core.providers.base import Chunk, FinishReason, Timeouts
from core.providers.dialect import Dialect, Dialects
from core.providers.pace import find_pause
from core.providers.proxy import find_proxy
from core.providers.refusal import Refusal, clean_detail, make_error, parse_refusal
from core.providers.sse import EventDecoder, EventTooLongError

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_REFUSAL_BYTES = 64 * 1024
_TAIL_SECONDS = 5.0  # an answer that is whole waits no longer for its usage
_STALE_CONNECTIONS = 3
"""How many kept connections may prove closed when used: llama.cpp promises to keep them, and closes them."""
_DRAIN_SECONDS = 0.25  # for the last bytes, without which the connection cannot be used again


class AnswerParser(Protocol):
    """Reads one answer's events, in the provider's own form."""

    finish_reason: FinishReason | None
    usage: Usage | None
    is_done: bool

    def read(self, event: bytes) -> str | None:
        """Give the text of an event: empty where the model only thinks, None for no progress.

        Raises ProviderError where the event is an error, and ValueError, TypeError,
        AttributeError or LookupError where it makes no sense.
        """
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask: the payload is made again whenever the server has refused a parameter."""

    path: str
    model: str
    make_payload: Callable[[Dialect], Mapping[str, object]]
    parser: AnswerParser


class ModelServer:
    """One model server. The session is shared and stays its owner's to close."""

    def __init__(
        self,
        name: str,
        session: aiohttp.ClientSession,
        base_url: str,
        headers: Mapping[str, str],
        key: SecretStr | None,
        timeouts: Timeouts,
        dialect: Dialect,
    ) -> None:
        self._name = name
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._proxy = find_proxy(base_url)
        self._headers = dict(headers)
        self._key = key.get_secret_value().strip() if key else ""
        self._timeouts = timeouts
        self._dialects = Dialects(dialect)
        connect_seconds = timeouts.connect.total_seconds()
        self._client_timeout = aiohttp.ClientTimeout(
            total=None, connect=connect_seconds, sock_connect=connect_seconds
        )

    @asynccontextmanager
    async def ask(self, question: Question) -> AsyncGenerator[AsyncIterator[Chunk]]:
        """Ask, and give the answer's chunks. Raises ProviderError."""
        model = f"{self._name}/{question.model}"
        bounds = Bounds(self._timeouts, model)
        response = await self._send(question, model, bounds)
        try:
            answer = _Answer(response, question.parser, bounds, model)
            async with aclosing(answer.read()) as chunks:
                yield chunks
        finally:
            response.close()

    async def load_models(self, path: str) -> tuple[str, ...]:
        """Ask for the names of the models that the server has. Raises ProviderError."""
        async with (
            Bounds(self._timeouts, self._name).limited(),
            await self._request("GET", path) as response,
        ):
            if response.status != 200:
                raise self.make_error(self._name, await read_refusal(response))
            body = await _read_body(response, MAX_BODY_BYTES)
        try:
            listed = json.loads(body)
            models = listed["data"] if isinstance(listed, dict) else listed  # Together sends a list
            names = [str(model["id"]) for model in models]
        except (ValueError, TypeError, LookupError) as error:
            raise UnreachableError(self._name, f"{path} is no list of models") from error
        return tuple(name.removeprefix("models/") for name in names)  # as Gemini's names begin

    def make_error(self, model: str, refusal: Refusal) -> ProviderError:
        """Make a refusal's typed error, free of the key."""
        return make_error(model, refusal, self._key)

    async def _send(self, question: Question, model: str, bounds: Bounds) -> aiohttp.ClientResponse:
        while True:
            dialect = self._dialects.get(question.model)
            payload = json.dumps(question.make_payload(dialect)).encode()
            async with bounds.limited():
                response = await self._request("POST", question.path, payload)
                if response.status == 200:
                    return response
                async with response:
                    refusal = await read_refusal(response)
            if not self._dialects.learn(question.model, dialect, refusal):
                raise self.make_error(model, refusal)

    async def _request(
        self, method: str, path: str, payload: bytes | None = None
    ) -> aiohttp.ClientResponse:
        request = partial(
            self._session.request,
            method,
            self._base_url + path,
            data=payload,
            headers=self._headers | ({"Content-Type": "application/json"} if payload else {}),
            timeout=self._client_timeout,
            proxy=self._proxy,
            allow_redirects=False,  # a redirect to another host would take the key along
        )
        for _ in range(_STALE_CONNECTIONS):
            try:
                return await request()
            except aiohttp.ClientOSError as error:
                if not isinstance(error.__cause__, aiohttp.ClientConnectionResetError):
                    raise
        return await request()


class _Answer:
    """One answer as it comes in."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        parser: AnswerParser,
        bounds: Bounds,
        model: str,
    ) -> None:
        self._response = response
        self._parser = parser
        self._bounds = bounds
        self._model = model
        self._decoder = EventDecoder()

    async def read(self) -> AsyncGenerator[Chunk]:
        """Give the text as it comes, then why it ended. Raises ProviderError between chunks."""
        parser, bounds = self._parser, self._bounds
        if pause := find_pause(self._response.headers, datetime.now(UTC)):
            yield Chunk(pause=pause)
        received = await self._receive_first()
        while True:
            text, error = self._parse(received)
            if text:
                yield Chunk(text)
            if text is not None:
                bounds.restart()
            if parser.finish_reason:
                bounds.shorten(_TAIL_SECONDS)
            elif error:
                raise error
            if error or not received or parser.is_done:
                break
            received = await self._receive()
        if parser.finish_reason is None:
            raise UnreachableError(self._model, "the answer broke off before its end")
        yield Chunk("", parser.finish_reason, parser.usage)
        await self._drain()

    async def _receive(self) -> bytes:
        """Wait for more bytes; empty at the end, and where a whole answer's tail does not come."""
        try:  # not `limited`: this runs once per token
            async with asyncio.timeout_at(self._bounds.next_at):
                return await self._response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            if self._parser.finish_reason:
                return b""
            raise self._bounds.translate(error) from error

    async def _receive_first(self) -> bytes:
        """Wait for the first bytes. Where the server heard nothing of streams, make it one event."""
        received = await self._receive()
        while received and not received.strip():
            received = await self._receive()
        if received.lstrip()[:1] not in (b"{", b"["):
            return received
        async with self._bounds.limited():
            body = received + await _read_body(self._response, MAX_BODY_BYTES)
        return b"data: " + body.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n\n"

    def _parse(self, received: bytes) -> tuple[str | None, ProviderError | None]:
        """Give the text of what was received, up to the error in it, if there is one."""
        text, error = self._parse_events(received)
        return _mend(text) if text else text, error

    def _parse_events(self, received: bytes) -> tuple[str | None, ProviderError | None]:
        text: str | None = None
        try:
            for event in self._decoder.feed(received) if received else self._decoder.finish():
                part = self._parser.read(event)
                if part is not None:
                    text = (text or "") + part
        except ProviderError as error:
            return text, error
        except EventTooLongError as error:
            return text, UnreachableError(self._model, f"the server sent {error}")
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
            return text, UnreachableError(
                self._model, "the server sent an event that makes no sense"
            )
        return text, None

    async def _drain(self) -> None:
        with suppress(TimeoutError, aiohttp.ClientError, OSError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while await self._response.content.readany():
                    pass


class Bounds:
    """The bounds on one answer's time, and the translation of what goes wrong within them."""

    def __init__(self, timeouts: Timeouts, model: str) -> None:
        self._timeouts = timeouts
        self._model = model
        self._now = asyncio.get_running_loop().time
        self._total_at = self._now() + timeouts.total.total_seconds()
        self._next_at = self._now() + timeouts.first_token.total_seconds()
        self._has_begun = False

    def restart(self) -> None:
        """The model made progress: from now on the bound between tokens holds."""
        self._has_begun = True
        self._next_at = self._now() + self._timeouts.between_tokens.total_seconds()

    def shorten(self, seconds: float) -> None:
        """Wait no longer than so for what comes next."""
        self._next_at = min(self._next_at, self._now() + seconds)

    @property
    def next_at(self) -> float:
        """When the wait that begins now has to end, by the event loop's clock."""
        return min(self._next_at, self._total_at)

    @asynccontextmanager
    async def limited(self) -> AsyncGenerator[None]:
        """Bound a wait. Raises ProviderError in place of aiohttp's errors and the operating system's."""
        try:
            async with asyncio.timeout_at(self.next_at):
                yield
        except (aiohttp.ClientError, OSError) as error:
            raise self.translate(error) from error

    def translate(self, error: Exception) -> ProviderError:
        """Give the typed error for what went wrong while waiting."""
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return self._too_late("no connection", self._timeouts.connect)
        if not isinstance(error, TimeoutError):
            detail = clean_detail(str(error)) or type(error).__name__
            return UnreachableError(self._model, detail)
        if self._now() >= self._total_at:
            return self._too_late("no whole answer", self._timeouts.total)
        if self._has_begun:
            return self._too_late("no further word", self._timeouts.between_tokens)
        return self._too_late("no first word", self._timeouts.first_token)

    def _too_late(self, what: str, bound: timedelta) -> errors.TimeoutError:
        return errors.TimeoutError(self._model, f"{what} within {bound.total_seconds():g} s")


def _mend(text: str) -> str:
    """Join or replace the halves of characters that JSON's escapes can carry: no store takes them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


async def _read_body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Read a body that ends within the bound; the rest of a longer one is left out."""
    body = bytearray()
    while len(body) <= max_bytes and (received := await response.content.readany()):
        body += received
    return bytes(body[:max_bytes])


async def read_refusal(response: aiohttp.ClientResponse) -> Refusal:
    """Read a refused request's answer, as much of it as is sane."""
    body = await _read_body(response, MAX_REFUSAL_BYTES)
    return parse_refusal(response.status, body.decode("utf-8", "replace"), response.headers)


def load_event(event: bytes) -> dict[str, Any]:
    """Load an event's JSON object; Gemini wraps an error in a list. Raises ValueError."""
    loaded = json.loads(event)
    if isinstance(loaded, list) and loaded:
        loaded = loaded[0]
    if not isinstance(loaded, dict):
        raise ValueError("not an object")  # noqa: TRY004 -- a wrong value from outside, no programming error
    return loaded
