"""A model server that plays scripts: Chat Completions, Messages and Ollama's list, on 127.0.0.1.

    async with ScriptedModelServer() as server:
        server.play(Refuse(429, headers={"retry-after": "1"}), Answer("Hel", gate, "lo"))
        OpenAIProvider("openai", session, server.openai_url)

What is queued by `play` is used up in order; then `default` answers. A step of an answer is a text, an
`asyncio.Event` to wait for, or one of `Raw`, `Cut`, `Drip`, `Hang`, `Break`. `server.key` set, other keys are
refused. `server.requests` has what was asked.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from aiohttp import web

Json = dict[str, Any]


@dataclass(frozen=True)
class Raw:
    """Bytes sent as they are."""

    data: bytes


@dataclass(frozen=True)
class Cut:
    """The connection breaks."""


@dataclass(frozen=True)
class Drip:
    """Bytes that come again and again, and nothing else."""

    data: bytes
    pause_seconds: float = 0.01


@dataclass(frozen=True)
class Hang:
    """Nothing more comes, and the connection stays."""


@dataclass(frozen=True)
class Break:
    """An error inside the stream."""

    kind: str = "overloaded_error"
    message: str = "Overloaded"


Step = str | asyncio.Event | Raw | Cut | Drip | Hang | Break


@dataclass(frozen=True, init=False)
class Answer:
    """A streamed answer. `finish` None leaves the end out."""

    steps: tuple[Step, ...]
    finish: str | None
    usage: tuple[int, int] | None
    headers: Mapping[str, str]

    def __init__(
        self,
        *steps: Step,
        finish: str | None = "stop",
        usage: tuple[int, int] | None = (11, 7),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        object.__setattr__(self, "headers", headers or {})
        object.__setattr__(self, "steps", steps)
        object.__setattr__(self, "finish", finish)
        object.__setattr__(self, "usage", usage)


@dataclass(frozen=True)
class Plain:
    """An answer as one JSON object, whatever was asked."""

    text: str


@dataclass(frozen=True)
class Refuse:
    """A refusal; `body` None is worded as the API does, from `kind` and `message`."""

    status: int
    message: str = "No."
    kind: str = "api_error"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: str | None = None


Behaviour = Answer | Plain | Refuse
Respond = Callable[[Json], Behaviour]


@dataclass(frozen=True)
class RecordedRequest:
    """A request as it came. Header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    payload: Json

    @property
    def texts(self) -> list[str]:
        """What the messages say, the system prompt left out."""
        contents = [m["content"] for m in self.payload["messages"] if m["role"] != "system"]
        return [
            content if isinstance(content, str) else "".join(b.get("text", "") for b in content)
            for content in contents
        ]


class ChatCompletionsWire:
    """How OpenAI's API words things."""

    finish_reasons: Mapping[str, str] = {}

    def begin(self) -> bytes:
        return self._chunk({"role": "assistant", "content": ""})

    def text(self, text: str) -> bytes:
        return self._chunk({"content": text})

    def end(self, finish: str, usage: tuple[int, int] | None) -> bytes:
        ended = self._chunk({}, finish)
        if usage:
            ended += self._data({"choices": [], "usage": self._usage(usage)})
        return ended + b"data: [DONE]\n\n"

    def error(self, kind: str, message: str) -> bytes:
        return self._data({"error": {"type": kind, "message": message}})

    def refusal(self, kind: str, message: str) -> str:
        return json.dumps(
            {"error": {"message": message, "type": kind, "param": None, "code": None}}
        )

    def plain(self, text: str) -> str:
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return json.dumps({"choices": [choice], "usage": self._usage((11, 7))}, indent=1)

    def key(self, headers: Mapping[str, str]) -> str:
        """Give the key, in OpenAI's header or in Azure's."""
        return headers.get("authorization", "").removeprefix("Bearer ") or headers.get(
            "api-key", ""
        )

    def _chunk(self, delta: Json, finish: str | None = None) -> bytes:
        return self._data({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    def _usage(self, usage: tuple[int, int]) -> Json:
        sent, received = usage
        return {
            "prompt_tokens": sent,
            "completion_tokens": received,
            "total_tokens": sent + received,
        }

    def _data(self, data: Json) -> bytes:
        return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


class MessagesWire:
    """How Anthropic's API words things."""

    finish_reasons: Mapping[str, str] = {"stop": "end_turn", "length": "max_tokens"}

    def begin(self) -> bytes:
        message = {"type": "message", "role": "assistant", "content": []}
        return (
            self._event("message_start", message=message | {"usage": {"input_tokens": 11}})
            + self._event(
                "content_block_start", index=0, content_block={"type": "text", "text": ""}
            )
            + self._event("ping")
        )

    def text(self, text: str) -> bytes:
        delta = {"type": "text_delta", "text": text}
        return self._event("content_block_delta", index=0, delta=delta)

    def end(self, finish: str, usage: tuple[int, int] | None) -> bytes:
        counts = {"input_tokens": usage[0], "output_tokens": usage[1]} if usage else {}
        return (
            self._event("content_block_stop", index=0)
            + self._event("message_delta", delta={"stop_reason": finish}, usage=counts)
            + self._event("message_stop")
        )

    def error(self, kind: str, message: str) -> bytes:
        return self._event("error", error={"type": kind, "message": message})

    def refusal(self, kind: str, message: str) -> str:
        return json.dumps({"type": "error", "error": {"type": kind, "message": message}})

    def plain(self, text: str) -> str:
        usage = {"input_tokens": 11, "output_tokens": 7}
        content = [{"type": "text", "text": text}]
        return json.dumps(
            {"type": "message", "content": content, "stop_reason": "end_turn", "usage": usage}
        )

    def key(self, headers: Mapping[str, str]) -> str:
        return headers.get("x-api-key", "")

    def _event(self, event: str, **data: Any) -> bytes:
        body = json.dumps({"type": event, **data}, ensure_ascii=False)
        return f"event: {event}\ndata: {body}\n\n".encode()


Wire = ChatCompletionsWire | MessagesWire


class ScriptedModelServer:
    """The server. Enter it to start it, on a port that the system chooses."""

    def __init__(self, default: Behaviour | Respond | None = None) -> None:
        self.default = default or Answer("Hello", " from", " the script.")
        self.requests: list[RecordedRequest] = []
        self.key: str | None = None
        self.models: list[str] = ["scripted-large", "scripted-small"]
        self.windows: dict[str, int] = {}
        self.listed: Json | None = None
        """The whole list of models, where `models` and `windows` do not say enough."""
        self.lists: dict[str, Json] = {}
        """What other lists say, by path: LM Studio's `/api/v1/models`, Ollama's `/api/ps`."""
        self.ollama_models: list[str] | None = None
        self.ollama_shown: dict[str, Json] = {}
        self.list_count = 0
        """How often it was asked for its models."""
        self._script: deque[Behaviour | Respond] = deque()
        self._closing = asyncio.Event()
        self._abandoned = asyncio.Event()
        self._asked = asyncio.Condition()
        self._url = ""
        self._site: web.TCPSite | None = None
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._chat_completions)
        app.router.add_post("/v1/messages", self._messages)
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_get("/api/tags", self._list_tags)
        app.router.add_post("/api/show", self._show)
        app.router.add_get("/api/{list:.*}", self._list_other)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await self._listen(0)
        host, port = self._runner.addresses[0][:2]
        self._url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        await self._runner.cleanup()

    @property
    def openai_url(self) -> str:
        """For OPENAI_BASE_URL."""
        return f"{self._url}/v1"

    @property
    def anthropic_url(self) -> str:
        """For ANTHROPIC_BASE_URL."""
        return self._url

    @property
    def ollama_url(self) -> str:
        """For OLLAMA_BASE_URL."""
        return self._url

    def play(self, *behaviours: Behaviour | Respond) -> None:
        """Queue what to answer to the next requests, one each."""
        self._script.extend(behaviours)

    @asynccontextmanager
    async def away(self) -> AsyncGenerator[None]:
        """Refuse all connections until the context ends; what is under way goes on."""
        assert self._site
        await self._site.stop()
        try:
            yield
        finally:
            await self._listen(urlsplit(self._url).port or 0)

    async def _listen(self, port: int) -> None:
        self._site = web.TCPSite(self._runner, "127.0.0.1", port)
        await self._site.start()

    async def wait_for_requests(self, count: int, timeout: float = 10) -> None:
        """Wait until so many requests have come in all."""
        async with asyncio.timeout(timeout), self._asked:
            await self._asked.wait_for(lambda: len(self.requests) >= count)

    async def wait_until_abandoned(self, timeout: float = 10) -> None:
        """Wait until a client has gone away in the middle of an answer."""
        async with asyncio.timeout(timeout):
            await self._abandoned.wait()

    async def wait_for_lists(self, count: int, timeout: float = 10) -> None:
        """Wait until it was asked for its models so many times in all."""
        async with asyncio.timeout(timeout), self._asked:
            await self._asked.wait_for(lambda: self.list_count >= count)

    async def _chat_completions(self, request: web.Request) -> web.StreamResponse:
        return await self._respond(request, ChatCompletionsWire())

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        return await self._respond(request, MessagesWire())

    async def _list_models(self, request: web.Request) -> web.Response:
        if self.key is not None and self.key not in (
            ChatCompletionsWire().key(request.headers),
            MessagesWire().key(request.headers),
        ):
            return web.json_response({"error": {"message": "wrong key"}}, status=401)
        await self._count_list()
        if self.listed is not None:
            return web.json_response(self.listed)
        models = [
            {"id": name} | ({"max_model_len": self.windows[name]} if name in self.windows else {})
            for name in self.models
        ]
        return web.json_response({"data": models})

    async def _list_tags(self, _: web.Request) -> web.Response:
        if self.ollama_models is None:
            raise web.HTTPNotFound
        await self._count_list()
        return web.json_response({"models": [{"name": name} for name in self.ollama_models]})

    async def _show(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if asked["model"] not in self.ollama_shown:
            raise web.HTTPNotFound
        return web.json_response(self.ollama_shown[asked["model"]])

    async def _list_other(self, request: web.Request) -> web.Response:
        if request.path not in self.lists:
            raise web.HTTPNotFound
        return web.json_response(self.lists[request.path])

    async def _count_list(self) -> None:
        async with self._asked:
            self.list_count += 1
            self._asked.notify_all()

    async def _respond(self, request: web.Request, wire: Wire) -> web.StreamResponse:
        payload = await request.json()
        headers = {name.lower(): value for name, value in request.headers.items()}
        async with self._asked:
            self.requests.append(RecordedRequest(request.path, headers, payload))
            self._asked.notify_all()
        if self.key is not None and wire.key(headers) != self.key:
            message = f"Incorrect API key provided: {wire.key(headers)}."
            return self._refuse(Refuse(401, message, "authentication_error"), wire)
        behaviour = self._script.popleft() if self._script else self.default
        if callable(behaviour):
            behaviour = behaviour(payload)
        match behaviour:
            case Refuse():
                return self._refuse(behaviour, wire)
            case Plain(text):
                return web.Response(text=wire.plain(text), content_type="application/json")
            case Answer():
                return await self._stream(request, behaviour, wire)

    def _refuse(self, refusal: Refuse, wire: Wire) -> web.Response:
        body = refusal.body
        if body is None:
            body = wire.refusal(refusal.kind, refusal.message)
        return web.Response(text=body, status=refusal.status, headers=dict(refusal.headers))

    async def _stream(self, request: web.Request, answer: Answer, wire: Wire) -> web.StreamResponse:
        headers = {"Content-Type": "text/event-stream", **answer.headers}
        response = web.StreamResponse(headers=headers)
        try:
            await response.prepare(request)
            if not any(isinstance(step, Raw) for step in answer.steps[:1]):
                await response.write(wire.begin())
            for step in answer.steps:
                if isinstance(step, Cut):
                    if request.transport:
                        request.transport.abort()
                    return response
                await self._take(step, response, wire)
            if answer.finish:
                finish = wire.finish_reasons.get(answer.finish, answer.finish)
                await response.write(wire.end(finish, answer.usage))
            await response.write_eof()
        except (asyncio.CancelledError, ConnectionError):
            self._abandoned.set()
            raise
        return response

    async def _take(self, step: Step, response: web.StreamResponse, wire: Wire) -> None:
        match step:
            case str(text):
                await response.write(wire.text(text))
            case Raw(data):
                await response.write(data)
            case Break(kind, message):
                await response.write(wire.error(kind, message))
            case Drip(data, pause_seconds):
                while not self._closing.is_set():
                    await response.write(data)
                    await asyncio.sleep(pause_seconds)
            case asyncio.Event():
                await step.wait()
            case _:
                await self._closing.wait()
