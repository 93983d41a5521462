"""One answer as it comes in from a model server: bytes to chunks, bounded, its breaks translated."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Protocol

import aiohttp

from core.conversation import Usage
from core.errors import ProviderError, UnreachableError
from core.providers.base import Chunk, FinishReason
from core.providers.wire.bounds import Bounds
from core.providers.wire.pace import find_pause
from core.providers.wire.speech import Speech
from core.providers.wire.sse import EventDecoder, EventTooLongError

MAX_BODY_BYTES = 8 * 1024 * 1024
_TAIL_SECONDS = 5.0  # an answer that is whole waits no longer for its usage
_DRAIN_SECONDS = 0.25  # for the last bytes, without which the connection cannot be used again


class AnswerParser(Protocol):
    """Reads one answer's events, in the provider's own form."""

    finish_reason: FinishReason | None
    usage: Usage | None
    is_done: bool
    speech: Speech

    def read(self, event: bytes) -> str | None:
        """Give the text of an event: empty where the model only thinks, None for no progress.

        Raises ProviderError where the event is an error, and ValueError, TypeError,
        AttributeError or LookupError where it makes no sense.
        """
        ...


class Answer:
    """One answer as it comes in."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        parser: AnswerParser,
        bounds: Bounds,
    ) -> None:
        self._response = response
        self._parser = parser
        self._bounds = bounds
        self._model = bounds.model
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
        if received.lstrip()[:1] == b"<":
            problem = "a web page came instead of an answer: is the address right?"
            raise UnreachableError(self._model, problem)
        if received.lstrip()[:1] not in (b"{", b"["):
            return received
        async with self._bounds.limited():
            body = received + await read_body(self._response, MAX_BODY_BYTES)
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


def _mend(text: str) -> str:
    """Join or replace the halves of characters that JSON's escapes can carry: no store takes them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


async def read_body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    """Read a body that ends within the bound; the rest of a longer one is left out."""
    body = bytearray()
    while len(body) <= max_bytes and (received := await response.content.readany()):
        body += received
    return bytes(body[:max_bytes])


def load_event(event: bytes) -> dict[str, Any]:
    """Load an event's JSON object; Gemini wraps an error in a list. Raises ValueError."""
    loaded = json.loads(event)
    if isinstance(loaded, list) and loaded:
        loaded = loaded[0]
    if not isinstance(loaded, dict):
        raise ValueError("not an object")  # noqa: TRY004 -- a wrong value from outside, no programming error
    return loaded
