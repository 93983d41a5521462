"""Chat Completions: OpenAI, and every server that speaks as it does."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from pydantic import SecretStr

from core.conversation import Message, Usage
from core.errors import ProviderError
from core.providers.base import Chunk, FinishReason, ModelRef, Request, Timeouts
from core.providers.wire.answer import load_event
from core.providers.wire.dialect import Dialect, Thinking
from core.providers.wire.headers import make_headers
from core.providers.wire.http import ModelServer, Question
from core.providers.wire.refusal import Refusal, parse_stream_error
from core.providers.wire.speech import Speech
from core.providers.wire.usage import count_thinking, join_usages, parse_usage

_FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",  # Mistral: the window is full
    "model_context_window_exceeded": "length",
    "content_filter": "refusal",
    "refusal": "refusal",
    "safety": "refusal",  # from here on Gemini's own
    "recitation": "refusal",
    "prohibited_content": "refusal",
    "blocklist": "refusal",
    "spii": "refusal",
    "sensitive": "refusal",  # GLM
}
_BREAKS = frozenset(("error", "abort", "insufficient_system_resource", "network_error"))
"""Ends that are none: of OpenRouter and Mistral, vLLM and SGLang, DeepSeek, and GLM."""
_THOUGHTS = frozenset(("reasoning_content", "reasoning", "reasoning_details", "thinking"))
"""Where servers put what a model thinks, when they send it apart."""


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
        thinking: Thinking | None = None,
    ) -> None:
        """Take what reaches the server. Azure wants the key in a header `api-key`."""
        self.name = name
        self._thinking = thinking or Thinking()
        headers = make_headers("azure" if is_azure else "openai", key)
        limits = ("max_tokens", "max_completion_tokens")
        # OpenAI's reasoning models refuse max_tokens.
        if is_azure or urlsplit(base_url).hostname == "api.openai.com":
            limits = ("max_completion_tokens", "max_tokens")
        self._server = ModelServer(
            name, session, base_url, headers, key, timeouts or Timeouts(), Dialect(limits)
        )

    def stream(self, request: Request) -> AbstractAsyncContextManager[AsyncIterator[Chunk]]:
        """Ask a model. What it refuses by name is left out, now and the next time."""

        ref = ModelRef(self.name, request.model, 0)

        def fail(refusal: Refusal) -> ProviderError:
            return self._server.make_error(str(ref), refusal)

        return self._server.ask(
            Question(
                path="/chat/completions",
                model=request.model,
                make_payload=partial(make_payload, request, self._thinking),
                make_parser=partial(CompletionParser, fail, request.model),
                on_attempt=partial(request.asker.on_attempt, ref),
            )
        )

    def find_room(self, request: Request) -> int:
        """Say how many tokens an answer may take at the most, thoughts and all, as far as is known."""
        dialect = self._server.dialects.get(request.model)
        return dialect.find_room(request.max_new_tokens, self._thinking)

    async def aclose(self) -> None:
        """Nothing to release: the session is its owner's."""


def make_payload(request: Request, thinking: Thinking, dialect: Dialect) -> dict[str, object]:
    """Word a request as the model's server wants it."""
    payload: dict[str, object] = {
        "model": request.model,
        "messages": _render_messages(request, dialect),
        "stream": True,
        "stream_options": {"include_usage": True},
        **dialect.find_limit(request.max_new_tokens, thinking),
    }
    if request.temperature is not None:
        payload["temperature"] = request.temperature
    if thinking.effort:
        payload["reasoning_effort"] = thinking.effort
    return {name: value for name, value in payload.items() if dialect.takes(name)}


def _render_messages(request: Request, dialect: Dialect) -> list[dict[str, object]]:
    """Word the messages; the system prompt stands in the first one where the model knows no other place."""
    first, *others = request.messages
    if request.system and not dialect.has_system_role:
        first = Message.system(request.system).join(first)
        first = replace(first, role="user")
    messages = [_render_message(message) for message in (first, *others)]
    if request.system and dialect.has_system_role:
        messages.insert(0, {"role": "system", "content": request.system})
    return messages


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

    def __init__(
        self, fail: Callable[[Refusal], ProviderError], model: str, dialect: Dialect
    ) -> None:
        self.finish_reason: FinishReason | None = None
        self.usage: Usage | None = None
        self.is_done = False
        self._fail = fail
        self.speech = Speech(model, dialect)
        self._was_refused = False

    def read(self, event: bytes) -> str | None:
        """Give the text of a chunk. See `AnswerParser`."""
        if event.strip() == b"[DONE]":
            self.is_done = True
            self.finish_reason = self.finish_reason or "other"
            return self.speech.finish(self.finish_reason) or None
        chunk = load_event(event)
        if refusal := parse_stream_error(chunk):
            raise self._fail(refusal)
        choices = chunk.get("choices")
        choice = choices[0] if choices else {}
        self._count(chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage"))
        self._count(choice.get("usage"))  # Moonshot
        return self._read_choice(choice) if choice else None

    def _count(self, usage: dict[str, Any] | None) -> None:
        if usage:
            self.usage = join_usages(self.usage, parse_usage(usage))
            self.speech.note_count(count_thinking(usage))

    def _read_choice(self, choice: dict[str, Any]) -> str | None:
        message = choice.get("message")
        reason = choice.get("finish_reason")
        if reason or message:
            self._end(choice, _normalize(reason))
        delta = choice.get("delta") or message or {}
        text, thinks = _read_content(delta.get("content"))
        if not _THOUGHTS.isdisjoint(delta):
            thinks = thinks or any(delta.get(name) for name in _THOUGHTS)
        if thinks:
            self.speech.note_thought()
        if not text and (text := delta.get("refusal") or ""):
            self._was_refused = True
        given = self.speech.hear(text) if text else ""
        if reason or message:
            given += self.speech.finish(self.finish_reason)
        self._mark_refusal()
        return given if given or text or thinks else None

    def _end(self, choice: dict[str, Any], reason: str) -> None:
        """Take in why the answer ended: a whole message needs no reason to be whole."""
        if reason in _BREAKS:
            refusal = parse_stream_error(choice)  # OpenRouter
            raise self._fail(refusal or Refusal(503, f"the answer ended for: {reason}"))
        self.finish_reason = _FINISH_REASONS.get(reason, "other")

    def _mark_refusal(self) -> None:
        """OpenAI words a refusal in a field of its own, and ends it with `stop`."""
        if self._was_refused and self.finish_reason in ("stop", "other"):
            self.finish_reason = "refusal"


def _normalize(reason: object) -> str:
    """Give a finish reason as most write it, and not `FinishReason.MAX_TOKENS` or `content_filter: OTHER`."""
    return str(reason).lower().partition(":")[0].rpartition(".")[2].strip()


def _read_content(content: str | Sequence[dict[str, Any]] | None) -> tuple[str, bool]:
    """Give the text, and whether a thought stood beside it: Mistral's content comes in parts."""
    if content is None or isinstance(content, str):
        return content or "", False
    text = "".join(part.get("text") or "" for part in content if part.get("type") == "text")
    return text, any(part.get("type") == "thinking" for part in content)
