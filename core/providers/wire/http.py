"""What the HTTP adapters share: one question to a model server, put in the words that it takes."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

import aiohttp
from pydantic import SecretStr

from core.conversation import Usage
from core.errors import AuthError, BadRequestError, ProviderError
from core.providers.base import Chunk, Timeouts
from core.providers.wire.answer import Answer, AnswerParser, read_body
from core.providers.wire.bounds import Bounds
from core.providers.wire.dialect import MAX_LESSONS, Dialect, Dialects, Payload
from core.providers.wire.proxy import find_proxy
from core.providers.wire.refusal import Refusal, make_error, parse_refusal

MAX_REFUSAL_BYTES = 64 * 1024
_STALE_CONNECTIONS = 3
"""How many kept connections may prove closed when used: llama.cpp promises to keep them, and closes them."""


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask: payload and parser are made again whenever it has to be asked in other words."""

    path: str
    model: str
    make_payload: Callable[[Dialect], Payload]
    make_parser: Callable[[Dialect], AnswerParser]
    on_attempt: Callable[[Usage], None]
    """Told what a first answer took that was all thought, and so is asked for again."""


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
        self.dialects = Dialects(dialect)
        connect_seconds = timeouts.connect.total_seconds()
        self._client_timeout = aiohttp.ClientTimeout(
            total=None, connect=connect_seconds, sock_connect=connect_seconds
        )

    @asynccontextmanager
    async def ask(self, question: Question) -> AsyncGenerator[AsyncIterator[Chunk]]:
        """Ask, and give the answer's chunks. Raises ProviderError."""
        asking = _Asking(self, question, Bounds(self._timeouts, f"{self._name}/{question.model}"))
        try:
            await asking.send()
            async with aclosing(asking.read()) as chunks:
                yield chunks
        finally:
            asking.close()

    def check_key(self, model: str) -> None:
        """Raise AuthError where the key cannot stand in a header: aiohttp would refuse it in its own way."""
        if not self._key.isprintable():
            raise AuthError(model, "the key has a line end or the like in it: copy it again")

    def make_error(self, model: str, refusal: Refusal) -> ProviderError:
        """Make a refusal's typed error, free of the key."""
        return make_error(model, refusal, self._key)

    async def post(self, path: str, payload: bytes) -> aiohttp.ClientResponse:
        """Send a request, on a kept connection if there is one. Raises aiohttp's errors."""
        post = partial(
            self._session.post,
            self._base_url + path,
            data=payload,
            headers={**self._headers, "Content-Type": "application/json"},
            timeout=self._client_timeout,
            proxy=self._proxy,
            allow_redirects=False,  # a redirect to another host would take the key along
        )
        for _ in range(_STALE_CONNECTIONS):
            try:
                return await post()
            except aiohttp.ClientOSError as error:
                if not isinstance(error.__cause__, aiohttp.ClientConnectionResetError):
                    raise
        return await post()


class _Asking:
    """One question on its way: asked in other words while the server teaches, and read."""

    def __init__(self, server: ModelServer, question: Question, bounds: Bounds) -> None:
        self._server = server
        self._question = question
        self._bounds = bounds
        self._frame: Payload = {}
        self._parser = question.make_parser(server.dialects.get(question.model))
        self._response: aiohttp.ClientResponse | None = None

    async def send(self) -> None:
        """Ask until the server takes the question. Raises ProviderError."""
        self._server.check_key(self._bounds.model)
        dialects, model = self._server.dialects, self._question.model
        dialect = dialects.get(model)
        for lesson_number in range(1, MAX_LESSONS + 1):
            payload = self._question.make_payload(dialect)
            self._frame = _leave_messages(payload)
            self._parser = self._question.make_parser(dialect)
            refusal = await self._post(payload)
            if refusal is None:
                return
            learned = dialects.learn(model, dialect, refusal, payload)
            if learned is None or lesson_number == MAX_LESSONS:
                raise self._server.make_error(self._bounds.model, refusal)
            dialect = learned

    async def read(self) -> AsyncGenerator[Chunk]:
        """Give the answer. Where all was thought and nothing said, ask once more, with more room."""
        has_text, last = False, Chunk()
        async with aclosing(self._read_answer()) as chunks:
            async for chunk in chunks:
                has_text = has_text or bool(chunk.text.strip())
                if chunk.finish_reason and not has_text:
                    last = chunk
                    break
                yield chunk
        if not last.finish_reason:
            return
        if last.finish_reason == "refusal":
            yield Chunk(usage=last.usage)
            raise BadRequestError(self._bounds.model, "the model declined to answer")
        if last.finish_reason != "length" or not self._has_more_room():
            yield last
            return
        if last.usage:
            self._question.on_attempt(last.usage)
        self.close()
        self._bounds.await_first()
        await self.send()
        async with aclosing(self._read_answer()) as chunks:
            async for chunk in chunks:
                yield chunk

    def close(self) -> None:
        """End the request, however far it came."""
        if self._response:
            self._response.close()

    async def _post(self, payload: Payload) -> Refusal | None:
        """Send a payload, and give the refusal, if it is one."""
        body = json.dumps(payload).encode()
        async with self._bounds.limited():
            response = self._response = await self._server.post(self._question.path, body)
            if response.status == 200:
                return None
            async with response:
                return await read_refusal(response)

    async def _read_answer(self) -> AsyncGenerator[Chunk]:
        """Give the chunks of the answer that has begun, and keep what it taught of the model."""
        if self._response is None:
            raise AssertionError("nothing was asked")
        answer = Answer(self._response, self._parser, self._bounds)
        try:
            async with aclosing(answer.read()) as chunks:
                async for chunk in chunks:
                    if chunk.finish_reason:
                        self._learn()
                    yield chunk
        except ProviderError:
            if self._parser.usage:  # the input is known; what was written was not yet counted
                yield Chunk(usage=replace(self._parser.usage, output_tokens=None))
            raise

    def _learn(self) -> None:
        dialects, speech = self._server.dialects, self._parser.speech
        known = dialects.get(self._question.model)
        begins = speech.begins_in_thought
        learned = replace(
            known,
            is_thinker=known.is_thinker or speech.has_thought,
            begins_in_thought=known.begins_in_thought if begins is None else begins,
        )
        dialects.keep(self._question.model, learned)

    def _has_more_room(self) -> bool:
        """Take it that the model thinks, and say whether it would get more room for that than it had."""
        dialects, model = self._server.dialects, self._question.model
        roomier = replace(dialects.get(model), is_thinker=True)
        dialects.keep(model, roomier)
        return _leave_messages(self._question.make_payload(roomier)) != self._frame


def _leave_messages(payload: Payload) -> Payload:
    """Leave out what would be large to keep for as long as an answer takes."""
    return {name: value for name, value in payload.items() if name != "messages"}


async def read_refusal(response: aiohttp.ClientResponse) -> Refusal:
    """Read a refused request's answer, as much of it as is sane."""
    place = response.headers.get("Location", "")
    if place and 300 <= response.status < 400:
        return Refusal(
            response.status, f"sent on to {place.partition('?')[0]}: is the address right?"
        )
    body = await read_body(response, MAX_REFUSAL_BYTES)
    return parse_refusal(response.status, body.decode("utf-8", "replace"), response.headers)
