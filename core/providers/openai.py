"""Chat Completions: OpenAI, and every server that speaks as it does."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from pydantic import SecretStr

from core.conversation import Message, Usage
from core.errors import ProviderError
from core.providers.base import Chunk, FinishReason, Request, Timeouts
from core.providers.dialect import Dialect
from core.providers.http import ModelServer, Question, load_event
from core.providers.refusal import Refusal, parse_stream_error
from core.providers.thoughts import ThoughtFilter
from core.providers.usage import join_usages, parse_usage

_FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "content_filter": "refusal",
    "refusal": "refusal",
    "safety": "refusal",
}


class OpenAIProvider:
    """A server that speaks Chat Completions; `base_url` ends where `/chat/completions` begins."""

    def __init__(
        self,
        name: str,
        session: aiohttp.ClientSession,
        base_url: str,
        key: SecretStr | None = None,
        timeouts: Timeouts | None = None,
        *,
        is_azure: bool = False,
    ) -> None:
        """Take what reaches the server. Azure wants the key in a header `api-key`."""
        self.name = name
        headers: dict[str, str] = {}
        if key:
            secret = key.get_secret_value().strip()
            headers = {"api-key": secret} if is_azure else {"Authorization": f"Bearer {secret}"}
        limits = ("max_tokens", "max_completion_tokens")
        # OpenAI's reasoning models refuse max_tokens.
        if is_azure or urlsplit(base_url).hostname == "api.openai.com":
            limits = ("max_completion_tokens", "max_tokens")
        self._server = ModelServer(
            name, session, base_url, headers, key, timeouts or Timeouts(), Dialect(limits)
        )

    def stream(self, request: Request) -> AbstractAsyncContextManager[AsyncIterator[Chunk]]:
        """Ask a model. What it refuses by name is left out, now and the next time."""

        def fail(refusal: Refusal) -> ProviderError:
            return self._server.make_error(f"{self.name}/{request.model}", refusal)

        return self._server.ask(
            Question(
                path="/chat/completions",
                model=request.model,
                make_payload=partial(make_payload, request),
                parser=CompletionParser(fail),
            )
        )

    async def load_models(self) -> Sequence[str]:
        """Ask for the names of the models that this server has. Raises ProviderError."""
        return await self._server.load_models("/models")

    async def aclose(self) -> None:
        """Nothing to release: the session is its owner's."""


def make_payload(request: Request, dialect: Dialect) -> dict[str, object]:
    """Word a request as the model's server wants it."""
    messages = [_render_message(message) for message in request.messages]
    if request.system:
        messages.insert(0, {"role": "system", "content": request.system})
    payload: dict[str, object] = {"model": request.model, "messages": messages, "stream": True}
    if dialect.limits:
        payload[dialect.limits[0]] = request.max_new_tokens
    if dialect.stream_options:
        payload["stream_options"] = {"include_usage": True}
    if dialect.temperature and request.temperature is not None:
        payload["temperature"] = request.temperature
    return payload


def _render_message(message: Message) -> dict[str, object]:
    """Word a message: its images in it, as data, or else a plain text, which every server takes."""
    if not message.images:
        return {"role": message.role, "content": message.text}
    parts: list[dict[str, object]] = [
        {"type": "image_url", "image_url": {"url": f"data:{image.media_type};base64,{data}"}}
        for image in message.images
        for data in (b64encode(image.content).decode(),)
    ]
    if message.text.strip():
        parts.append({"type": "text", "text": message.text})
    return {"role": message.role, "content": parts}


class CompletionParser:
    """Reads the chunks of a completion, or the one object of a server that does not stream."""

    def __init__(self, fail: Callable[[Refusal], ProviderError]) -> None:
        self.finish_reason: FinishReason | None = None
        self.usage: Usage | None = None
        self.is_done = False
        self._fail = fail
        self._thoughts = ThoughtFilter()

    def read(self, event: bytes) -> str | None:
        """Give the text of a chunk. See `AnswerParser`."""
        if event.strip() == b"[DONE]":
            self.is_done = True
            self.finish_reason = self.finish_reason or "other"
            return self._thoughts.finish() or None
        chunk = load_event(event)
        if refusal := parse_stream_error(chunk):
            raise self._fail(refusal)
        if usage := chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage"):
            self.usage = join_usages(self.usage, parse_usage(usage))
        choices = chunk.get("choices")
        return self._read_choice(choices[0]) if choices else None

    def _read_choice(self, choice: dict[str, Any]) -> str | None:
        message = choice.get("message")
        if reason := choice.get("finish_reason"):
            if reason == "error":
                raise self._fail(Refusal(500, "the answer ended in an error"))
            self.finish_reason = _FINISH_REASONS.get(str(reason).lower(), "other")
        elif message:
            self.finish_reason = "other"  # a whole message needs no reason to be whole
        delta = choice.get("delta") or message or {}
        if text := delta.get("content") or delta.get("refusal"):
            text = text if isinstance(text, str) else _join_parts(text)
            return self._thoughts.feed(text) + (self._thoughts.finish() if reason else "")
        if reason and (held := self._thoughts.finish()):
            return held
        return "" if delta.get("reasoning_content") or delta.get("reasoning") else None


def _join_parts(parts: Sequence[dict[str, Any]]) -> str:
    """Join the text of a content that comes in parts, as Mistral's reasoning models send it."""
    return "".join(part.get("text") or "" for part in parts if part.get("type") == "text")
