"""LM Deluge, for what else it reaches: Bedrock, Vertex, Cloudflare, and more. The extra `skein-bot[deluge]`.

Of it is used what words one request and reads its answer. Its client is left alone, for that keeps every
prompt, blocks a model for good after one refusal, and has a limiter that restarts at every call. Here each
request has a context of its own, gone with it, and is sent once, over Skein's session (`_Line`).
"""

from __future__ import annotations

import asyncio
import difflib
import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from typing import Any, cast

import aiohttp
from lm_deluge import Conversation, SamplingParams, TextDeltaEvent
from lm_deluge import Message as DelugeMessage
from lm_deluge.api_requests.context import RequestContext
from lm_deluge.api_requests.response import APIResponse
from lm_deluge.models import APIModel, registry
from pydantic import SecretStr

from core.conversation import Message, Usage
from core.errors import AuthError, BadRequestError, ProviderError, UnreachableError
from core.providers.base import Chunk, FinishReason, Request, Timeouts
from core.providers.wire.bounds import Bounds
from core.providers.wire.dialect import Thinking
from core.providers.wire.http import read_refusal
from core.providers.wire.proxy import find_proxy
from core.providers.wire.refusal import Refusal, clean_detail, make_error, parse_refusal

KeyFinder = Callable[[str], SecretStr | None]
"""Gives the key that a variable has, if it has one."""

_KEY_HEADERS = {
    "anthropic": "x-api-key",
    "openai": "Authorization",
    "mistral": "Authorization",
    "nvidia": "Authorization",
    "cloudflare": "Authorization",
}
"""In which header a kind of API takes its key. For the others LM Deluge reads the environment itself."""
_STREAMING = ("anthropic", "bedrock", "gemini", "vertex")
_COUNTS_CACHE_APART = ("anthropic", "bedrock")
_FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "complete": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "content_filter": "refusal",
    "content_filtered": "refusal",
    "guardrail_intervened": "refusal",
    "refusal": "refusal",
    "safety": "refusal",
    "prohibited_content": "refusal",
}
_NOTES = re.compile(r" \((?:Rate limit|Context length|Thinking-prefix)[^()]*\)")
"""What LM Deluge adds to a provider's words."""
_MISUSES = (ValueError, RuntimeError, TypeError, LookupError, AssertionError, ImportError)
"""What it raises where a request cannot be worded, or another package is missing."""
_KEY_WORDS = re.compile(r"credentials|api key", re.IGNORECASE)
"""How it says that the operator has something to set."""


class DelugeProvider:
    """Any model that LM Deluge knows, by its own name for it."""

    def __init__(
        self,
        name: str,
        session: aiohttp.ClientSession,
        get_key: KeyFinder,
        timeouts: Timeouts | None = None,
        *,
        thinking: Thinking | None = None,
    ) -> None:
        self.name = name
        self._thinking = thinking or Thinking()
        self._session = session
        self._get_key = get_key
        self._timeouts = timeouts or Timeouts()
        _hush()

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncGenerator[AsyncIterator[Chunk]]:
        """Ask a model, once. Where LM Deluge does not stream, the whole text is one chunk."""
        label = f"{self.name}/{request.model}"
        model = _find_model(label, request.model)
        key = self._find_key(label, model)
        bounds = Bounds(_stretch(self._timeouts, model), label)
        line = _Line(label, self._session, bounds, key or (model.resolve_api_key() or ""))
        asking = _Asking(label, model, bounds, line)
        try:
            await asking.begin(_make_context(request, model, key, self._thinking))
            async with aclosing(asking.read()) as chunks:
                yield chunks
        finally:
            await asking.aclose()

    def find_room(self, request: Request) -> int:
        """Say how many tokens an answer may take at the most, thoughts and all, as far as is known."""
        if request.model not in registry:
            return request.max_new_tokens
        return _find_room(request, APIModel.from_registry(request.model), self._thinking)

    async def aclose(self) -> None:
        """Nothing to release: the session is its owner's."""

    def _find_key(self, label: str, model: APIModel) -> str:
        """Give the key to send; empty where LM Deluge finds it by itself."""
        variable = model.api_key_env_var
        found = self._get_key(variable) if variable and model.api_spec in _KEY_HEADERS else None
        if variable and not found and not model.resolve_api_key():
            raise AuthError(label, f"{variable} is not set in the environment")
        return found.get_secret_value().strip() if found else ""


class _Line:
    """What LM Deluge takes for an HTTP session: one request, in Skein's bounds, its refusal kept.

    The key is taken out of errors, whoever found it.
    """

    def __init__(
        self, label: str, session: aiohttp.ClientSession, bounds: Bounds, key: str
    ) -> None:
        self.error: ProviderError | None = None
        self.on_answer: Callable[[], None] = lambda: None
        self._label = label
        self._session = session
        self._bounds = bounds
        self._key = key

    @asynccontextmanager
    async def post(
        self, *, url: str, headers: dict[str, str], **rest: Any
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Send the request. Raises ProviderError, which LM Deluge would swallow: `error` has it, too."""
        body = {name: rest[name] for name in ("json", "data") if name in rest}
        try:
            response = await self._send(url, headers, body)
        except ProviderError as error:
            self.error = error
            raise
        try:
            self.on_answer()
            yield response
        finally:
            response.close()

    async def _send(
        self, url: str, headers: dict[str, str], body: dict[str, Any]
    ) -> aiohttp.ClientResponse:
        async with self._bounds.limited():
            response = await self._session.post(
                url,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=None),
                proxy=find_proxy(url),
                allow_redirects=False,  # a redirect to another host would take the key along
                **body,
            )
            if 200 <= response.status < 300:
                return response
            async with response:
                raise self.make_error(await read_refusal(response))

    def make_error(self, refusal: Refusal) -> ProviderError:
        """Make a refusal's typed error, free of the key."""
        return make_error(self._label, refusal, self._key)


class _Tally:
    """Takes the place of LM Deluge's tracker, which paces requests and draws progress bars."""

    total_requests = 0

    def rate_limit_exceeded(self, retry_after: float | None = None) -> None:
        """Do nothing: Skein's limiter paces requests."""


class _Asking:
    """One request under way, in a task of its own."""

    def __init__(self, label: str, model: APIModel, bounds: Bounds, line: _Line) -> None:
        self._label = label
        self._model = model
        self._bounds = bounds
        self._line = line
        self._texts = asyncio.Queue[str | None]()
        self._task: asyncio.Task[APIResponse] | None = None

    async def begin(self, context: RequestContext) -> None:
        """Send the request, and wait until it is taken. Raises ProviderError where it is refused."""
        self._line.on_answer = lambda: self._texts.put_nowait("")
        context.http_session = cast("aiohttp.ClientSession", self._line)
        context.on_text_delta = self._hear
        self._task = asyncio.create_task(self._ask(context))
        if await self._next() is None:
            self._get_response()
            self._texts.put_nowait(None)

    async def read(self) -> AsyncGenerator[Chunk]:
        """Give the text as it comes, then why it ended. Raises ProviderError between chunks."""
        has_text = False
        while (text := await self._next()) is not None:
            has_text = True
            self._bounds.restart()
            yield Chunk(text)
        response = self._get_response()
        if not has_text and response.completion:
            yield Chunk(response.completion)
        reason = _FINISH_REASONS.get(str(response.finish_reason).lower(), "other")
        yield Chunk("", reason, _parse_usage(response, self._model))

    async def aclose(self) -> None:
        """End the request, however far it came."""
        if self._task:
            self._task.cancel()
            await asyncio.wait([self._task])
            if not self._task.cancelled():
                self._task.exception()  # looked at, so that nobody complains that it was not

    async def _ask(self, context: RequestContext) -> APIResponse:
        try:
            return await self._model.make_request(context).execute_once()
        finally:
            self._texts.put_nowait(None)

    async def _hear(self, event: TextDeltaEvent) -> None:
        if event.text:
            self._texts.put_nowait(event.text)

    async def _next(self) -> str | None:
        async with self._bounds.limited():
            return await self._texts.get()

    def _get_response(self) -> APIResponse:
        """Give the answer that has ended. Raises ProviderError where it is none."""
        if self._line.error:
            raise self._line.error
        try:
            response = cast("asyncio.Task[APIResponse]", self._task).result()
        except _MISUSES as error:
            detail = clean_detail(str(error))
            kind = AuthError if _KEY_WORDS.search(detail) else BadRequestError
            raise kind(self._label, detail) from error
        if response.is_error:
            raise self._translate(response)
        return response

    def _translate(self, response: APIResponse) -> ProviderError:
        status, told = response.status_code, _NOTES.sub("", response.error_message or "")
        if status is None:
            return UnreachableError(self._label, clean_detail(told) or "the answer broke off")
        if 200 <= status < 300:
            return UnreachableError(self._label, "the server sent an answer that makes no sense")
        return self._line.make_error(parse_refusal(status, told, {}))


def list_models() -> frozenset[str]:
    """Name all models that LM Deluge knows."""
    return frozenset(registry)


def _find_model(label: str, name: str) -> APIModel:
    try:
        return APIModel.from_registry(name)
    except ValueError as error:
        closest = ", ".join(difflib.get_close_matches(name, registry, n=3)) or "none"
        detail = f"LM Deluge knows no model of that name; the closest are: {closest}"
        raise BadRequestError(label, detail) from error


def _stretch(timeouts: Timeouts, model: APIModel) -> Timeouts:
    """Let the first word take as long as all, where nothing is heard of a model that still thinks."""
    is_openai = model.api_spec == "openai" and model.provider == "openai"
    if (model.api_spec in _STREAMING or is_openai) and not model.reasoning_model:
        return timeouts
    return replace(timeouts, first_token=timeouts.total)


def _find_room(request: Request, model: APIModel, thinking: Thinking) -> int:
    return request.max_new_tokens + (thinking.max_tokens if model.reasoning_model else 0)


def _make_context(
    request: Request, model: APIModel, key: str, thinking: Thinking
) -> RequestContext:
    """Word a request for LM Deluge: one attempt, and nothing shared with any other."""
    sampling = SamplingParams(max_new_tokens=_find_room(request, model, thinking))
    if model.reasoning_model:
        sampling.reasoning_effort = thinking.effort
    if request.temperature is not None:
        sampling.temperature = request.temperature
    messages = [_make_message(message) for message in request.messages]
    if request.system:
        messages.insert(0, DelugeMessage.system(request.system))
    prefix = "" if model.api_spec == "anthropic" else "Bearer "
    return RequestContext(
        task_id=0,
        model_name=request.model,
        prompt=Conversation(messages),
        sampling_params=sampling,
        attempts_left=1,
        # Never reached: Skein's bounds are narrower.
        request_timeout=int(timedelta(days=1).total_seconds()),
        status_tracker=cast("Any", _Tally()),
        extra_headers={_KEY_HEADERS[model.api_spec]: prefix + key} if key else None,
        cache="last_2_user_messages" if model.api_spec == "anthropic" else None,
    )


def _make_message(message: Message) -> DelugeMessage:
    if message.role == "system":
        return DelugeMessage.system(message.text)
    if message.role == "assistant":
        return DelugeMessage.ai(message.text)
    made = DelugeMessage.user(message.text or None)
    for image in message.images:
        made = made.with_image(image.content, media_type=cast("Any", image.media_type))
    return made


def _parse_usage(response: APIResponse, model: APIModel) -> Usage | None:
    """Read what an answer took; Anthropic's API counts what is read from its cache apart from the input."""
    told = response.usage
    if told is None or not told.input_tokens:
        return None
    is_apart = model.api_spec in _COUNTS_CACHE_APART and "openai." not in model.name
    return Usage(
        input_tokens=told.total_input_tokens if is_apart else told.input_tokens,
        output_tokens=told.output_tokens,
        cached_tokens=told.cache_read_tokens,
        written_tokens=told.cache_write_tokens,
    )


def _hush() -> None:
    """Let LM Deluge print nothing: whoever reads Skein's output wants Skein's, and it prints what people say.

    Each of its modules gets a `print` of its own; what it prints of errors comes as errors, too.
    """
    import_module("lm_deluge.api_requests.common")  # it brings in all others
    for name, module in list(sys.modules.items()):
        if name.startswith("lm_deluge."):
            vars(module)["print"] = _print_nothing


def _print_nothing(*_: object, **__: object) -> None:
    """Do nothing."""
