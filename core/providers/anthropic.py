"""Anthropic's Messages API, and every server that speaks as it does."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import aiohttp
from pydantic import SecretStr

from core.conversation import Message, Usage
from core.errors import ProviderError
from core.files.values import Image
from core.providers.base import Chunk, FinishReason, ModelRef, Request, Timeouts
from core.providers.wire.answer import load_event
from core.providers.wire.dialect import Dialect, Thinking
from core.providers.wire.headers import make_headers
from core.providers.wire.http import ModelServer, Question
from core.providers.wire.refusal import Refusal, parse_stream_error
from core.providers.wire.speech import Speech
from core.tokens import estimate_input_tokens

_MAX_TEMPERATURE = 1.0
_LEAST_CACHED_TOKENS = 512
"""From here on marks are worth it: Anthropic caches nothing below 1,024, and an estimate may err."""
_EFFORTS = {"minimal": "low"}
"""How much effort to make, where Anthropic's word for it is another."""
_FINISH_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
}


class AnthropicProvider:
    """A server that speaks the Messages API; `base_url` ends where `/v1/messages` begins."""

    def __init__(
        self,
        name: str,
        session: aiohttp.ClientSession,
        base_url: str,
        key: SecretStr | None = None,
        timeouts: Timeouts | None = None,
        *,
        thinking: Thinking | None = None,
    ) -> None:
        self.name = name
        self._thinking = thinking or Thinking()
        headers = make_headers("anthropic", key)
        base_url = base_url.rstrip("/").removesuffix("/v1")
        dialect = Dialect(needs_limit=True)
        self._server = ModelServer(
            name, session, base_url, headers, key, timeouts or Timeouts(), dialect
        )

    def stream(self, request: Request) -> AbstractAsyncContextManager[AsyncIterator[Chunk]]:
        """Ask a model. What it refuses by name is left out, now and the next time."""

        ref = ModelRef(self.name, request.model, 0)

        def fail(refusal: Refusal) -> ProviderError:
            return self._server.make_error(str(ref), refusal)

        return self._server.ask(
            Question(
                path="/v1/messages",
                model=request.model,
                make_payload=partial(make_payload, request, self._thinking),
                make_parser=partial(MessageParser, fail, request.model),
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
    """Word a request: the system prompt apart, roles alternating, no empty text."""
    systems = [message.text for message in request.messages if message.role == "system"]
    system = "\n\n".join(filter(None, [request.system, *systems]))
    messages = _alternate(request.messages)
    is_marked = (
        dialect.takes("cache_control")
        and request.purpose == "answer"
        and estimate_input_tokens(system, messages) >= _LEAST_CACHED_TOKENS
    )
    payload: dict[str, object] = {
        "model": request.model,
        **dialect.find_limit(request.max_new_tokens, thinking),
        "messages": [_render_message(message, is_marked=is_marked) for message in messages],
        "stream": True,
    }
    if system:
        payload["system"] = [_render_text(system)] if is_marked else system
    if request.temperature is not None:
        payload["temperature"] = min(request.temperature, _MAX_TEMPERATURE)
    if thinking.effort:
        payload["output_config"] = {"effort": _EFFORTS.get(thinking.effort, thinking.effort)}
    if is_marked:
        _mark_for_cache(payload)
    return {name: value for name, value in payload.items() if dialect.takes(name)}


def _mark_for_cache(payload: dict[str, Any]) -> None:
    """Mark what the next question of the conversation will begin with, so that it pays for new text only.

    A mark writes all up to it into the cache, and is read where an earlier request had one not more than
    20 blocks before; 4 are allowed (docs.claude.com, "Prompt caching"). The question before this one was
    the last mark of the request before: a mark there finds it however many images came in between.
    """
    questions = [message for message in payload["messages"] if message["role"] == "user"]
    ends = [payload.get("system"), *(message["content"] for message in questions[-2:])]
    for blocks in filter(None, ends):
        blocks[-1]["cache_control"] = {"type": "ephemeral"}


def _alternate(messages: Sequence[Message]) -> list[Message]:
    merged: list[Message] = []
    for message in messages:
        if message.role == "system" or not (message.text.strip() or message.images):
            continue
        if merged and merged[-1].role == message.role:
            merged[-1] = merged[-1].join(message)
        else:
            merged.append(message)
    return merged


def _render_message(message: Message, *, is_marked: bool) -> dict[str, object]:
    """Word a message; its images stand before its text, as the API's guide advises.

    A lone text is no list, which every server takes, but where there are marks: what is cached has to be
    worded the same the next time.
    """
    if not is_marked and not message.images:
        return {"role": message.role, "content": message.text}
    blocks: list[dict[str, object]] = [_render_image(image) for image in message.images]
    if message.text.strip():
        blocks.append(_render_text(message.text))
    return {"role": message.role, "content": blocks}


def _render_text(text: str) -> dict[str, object]:
    return {"type": "text", "text": text}


def _render_image(image: Image) -> dict[str, object]:
    data = b64encode(image.content).decode()
    source = {"type": "base64", "media_type": image.media_type, "data": data}
    return {"type": "image", "source": source}


class MessageParser:
    """Reads the events of a message, or the one object of a server that does not stream."""

    def __init__(
        self, fail: Callable[[Refusal], ProviderError], model: str, dialect: Dialect
    ) -> None:
        self.finish_reason: FinishReason | None = None
        self.usage: Usage | None = None
        self.is_done = False
        self.speech = Speech(model, dialect)
        self._fail = fail
        self._counts: dict[str, int] = {}

    def read(self, event: bytes) -> str | None:
        """Give the text of an event. See `AnswerParser`."""
        data = load_event(event)
        match data.get("type"):
            case "content_block_delta":
                return self.speech.hear(data["delta"].get("text") or "")
            case "content_block_start":
                return self._begin_block(data["content_block"])
            case "message_start":
                self._count(data["message"].get("usage"))
            case "message_delta":
                return self._end(data["delta"].get("stop_reason"), data.get("usage"))
            case "message_stop":
                self.is_done = True
                self.finish_reason = self.finish_reason or "other"
                return self.speech.finish(self.finish_reason) or None
            case "message":
                text = "".join(self._begin_block(block) or "" for block in data["content"])
                rest = self._end(data.get("stop_reason") or "unsaid", data.get("usage"))
                return text + (rest or "")
            case _:
                if refusal := parse_stream_error(data):
                    raise self._fail(refusal)
        return None

    def _begin_block(self, block: dict[str, Any]) -> str | None:
        if "thinking" in str(block.get("type")):
            self.speech.note_thought()
        return self.speech.hear(block.get("text") or "") or None

    def _end(self, reason: str | None, usage: dict[str, Any] | None) -> str | None:
        """Take in why the answer ended, and give what was held back of it."""
        self._count(usage)
        if not reason:
            return None
        self.finish_reason = _FINISH_REASONS.get(reason, "other")
        return self.speech.finish(self.finish_reason) or None

    def _count(self, usage: dict[str, Any] | None) -> None:
        """Take in usage, which comes in two parts; what is read from a cache is input, too."""
        details = (usage or {}).get("output_tokens_details") or {}
        self.speech.note_count(details.get("thinking_tokens") or 0)
        self._counts |= {name: n for name, n in (usage or {}).items() if isinstance(n, int)}
        counts = self._counts
        if not counts:
            return
        cached = counts.get("cache_read_input_tokens", 0)
        written = counts.get("cache_creation_input_tokens", 0)
        fresh = counts.get("input_tokens")
        self.usage = Usage(
            input_tokens=None if fresh is None else fresh + cached + written,
            output_tokens=counts.get("output_tokens"),
            cached_tokens=counts.get("cache_read_input_tokens"),
            written_tokens=counts.get("cache_creation_input_tokens"),
        )
