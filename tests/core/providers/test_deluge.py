"""LM Deluge behind the protocol: the contract over three of its kinds, and its traps."""

from __future__ import annotations

import asyncio
import gc
import json
import os
from base64 import b64encode
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from io import BytesIO

import aiohttp
import PIL.Image
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from lm_deluge import Conversation
from lm_deluge.api_requests.base import APIRequestBase
from lm_deluge.api_requests.context import RequestContext
from lm_deluge.models import register_model, registry
from pydantic import SecretStr

from core import errors
from core.conversation import Message, Usage
from core.errors import (
    AuthError,
    BadRequestError,
    ContextTooLongError,
    ModelNotFoundError,
    RateLimitedError,
)
from core.files.values import Image
from core.providers.base import Request, Timeouts
from core.providers.deluge import DelugeProvider
from core.providers.wire.dialect import Thinking
from tests.core.providers.contract import Kit, ProviderContract, ask, read, text_of
from tests.core.providers.kits import HttpKit
from tests.core.providers.scripted_server import (
    Answer,
    Break,
    Cut,
    Hang,
    Plain,
    Refuse,
    ScriptedModelServer,
)

KEY = "sk-test-0123456789abcdef"


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Forget the models that a test registers: LM Deluge's registry is the process's."""
    before = set(registry)
    yield
    for name in set(registry) - before:
        del registry[name]


def register(
    server: ScriptedModelServer, name: str, spec: str, provider: str, *, is_thinker: bool = False
) -> None:
    registry.pop(name, None)
    base = server.openai_url
    register_model(
        id=name, name=name, api_base=base, api_key_env_var="SCRIPTED_KEY", api_spec=spec,
        provider=provider, reasoning_model=is_thinker,
    )  # fmt: skip


def make_deluge(
    session: aiohttp.ClientSession,
    server: ScriptedModelServer,
    spec: str = "openai",
    provider: str = "openai",
    timeouts: Timeouts | None = None,
) -> DelugeProvider:
    register(server, "scripted-small", spec, provider)
    return DelugeProvider("deluge", session, lambda _: SecretStr(KEY), timeouts)


class TestOverChatCompletions(ProviderContract):
    @pytest.fixture
    def kit(self) -> Kit:
        return HttpKit(make_deluge)


class TestOverMessages(ProviderContract):
    @pytest.fixture
    def kit(self) -> Kit:
        return HttpKit(
            lambda session, server: make_deluge(session, server, "anthropic", "anthropic")
        )


async def test_what_does_not_stream_comes_as_one_chunk(
    session: aiohttp.ClientSession, server: ScriptedModelServer
) -> None:
    server.default = Plain("Hello in one piece.")
    chunks = await read(make_deluge(session, server, provider="together"), ask("scripted-small"))
    assert [chunk.text for chunk in chunks] == ["Hello in one piece.", ""]
    assert chunks[-1].finish_reason == "stop"
    assert "stream" not in server.requests[0].payload


async def test_a_refusal_blocks_nothing_and_is_asked_once(
    session: aiohttp.ClientSession, server: ScriptedModelServer
) -> None:
    provider = make_deluge(session, server)
    for status, error in (
        (401, AuthError),
        (403, AuthError),
        (404, ModelNotFoundError),
        (400, BadRequestError),
    ):
        server.play(Refuse(status, f"No, {KEY}."))
        with pytest.raises(error) as refused:
            await read(provider, ask("scripted-small"))
        assert KEY not in str(refused.value)
    assert text_of(await read(provider, ask("scripted-small")))
    assert len(server.requests) == 5


async def test_no_request_waits_for_a_limiter_of_its_own(
    session: aiohttp.ClientSession, server: ScriptedModelServer
) -> None:
    provider = make_deluge(session, server)
    server.play(Refuse(429, "Slow down.", headers={"retry-after": "7"}))
    with pytest.raises(RateLimitedError) as refused:
        await read(provider, ask("scripted-small"))
    assert refused.value.retry_after == timedelta(seconds=7)
    async with asyncio.timeout(5):
        assert text_of(await read(provider, ask("scripted-small")))


async def test_errors_in_a_stream_are_typed(
    session: aiohttp.ClientSession, server: ScriptedModelServer
) -> None:
    provider = make_deluge(session, server)
    overflow = "This model's maximum context length is 300 tokens, you sent 450."
    for step, error in (
        (Break(), errors.OverloadedError),
        (Break("rate_limit_error", "Rate limit reached"), RateLimitedError),
        (Break("invalid_request_error", overflow), ContextTooLongError),
        (Cut(), errors.UnreachableError),
    ):
        server.play(Answer("Well", step))
        with pytest.raises(error):
            await read(provider, ask("scripted-small"))


@contextmanager
def nothing_printed(capfd: pytest.CaptureFixture[str]) -> Generator[None]:
    capfd.readouterr()
    yield
    assert capfd.readouterr().out == ""


async def test_it_prints_nothing(
    session: aiohttp.ClientSession, server: ScriptedModelServer, capfd: pytest.CaptureFixture[str]
) -> None:
    with nothing_printed(capfd):
        provider = make_deluge(session, server)
        broken = (
            Refuse(500),
            Refuse(400),
            Plain("{}"),
            Answer("a", Break("?", "?")),
            Answer("a", Cut()),
        )
        for behaviour in broken:
            server.play(behaviour)
            with suppress(errors.ProviderError):
                await read(provider, ask("scripted-small"))
        await read(provider, ask("scripted-small"))


async def test_nothing_is_kept_of_requests(
    session: aiohttp.ClientSession, server: ScriptedModelServer
) -> None:
    provider = make_deluge(session, server)
    for number in range(60):
        if number % 3 == 0:
            server.play(Refuse(500))
            with pytest.raises(errors.OverloadedError):
                await read(provider, ask("scripted-small", f"question {number}"))
        else:
            await read(provider, ask("scripted-small", f"question {number}"))
    gc.collect()
    kept = (Conversation, RequestContext, APIRequestBase)
    assert not [each for each in gc.get_objects() if isinstance(each, kept)]


async def test_images_are_sent_as_bytes(
    session: aiohttp.ClientSession, server: ScriptedModelServer
) -> None:
    drawn = BytesIO()
    PIL.Image.new("RGB", (8, 8)).save(drawn, "PNG")
    content = drawn.getvalue()
    message = Message("user", "What is this?", images=(Image("a.png", "image/png", content),))
    await read(make_deluge(session, server), Request("scripted-small", (message,)))
    assert b64encode(content).decode() in str(server.requests[0].payload)


@pytest.mark.parametrize(
    ("spec", "provider", "header", "value"),
    [
        ("openai", "openai", "authorization", f"Bearer {KEY}"),
        ("anthropic", "anthropic", "x-api-key", KEY),
    ],
)
async def test_the_key_goes_along_without_the_environment(
    session: aiohttp.ClientSession,
    server: ScriptedModelServer,
    monkeypatch: pytest.MonkeyPatch,
    spec: str,
    provider: str,
    header: str,
    value: str,
) -> None:
    monkeypatch.delenv("SCRIPTED_KEY", raising=False)
    await read(make_deluge(session, server, spec, provider), ask("scripted-small"))
    assert server.requests[0].headers[header] == value


async def test_what_is_asked_is_worded_whole(
    session: aiohttp.ClientSession, server: ScriptedModelServer
) -> None:
    question = ask("scripted-small", "One", "Two", "Three", system="Be brief.", temperature=0.5)
    await read(make_deluge(session, server), question)
    payload = server.requests[0].payload
    assert [message["role"] for message in payload["messages"]] == [
        "system", "user", "assistant", "user",
    ]  # fmt: skip
    assert (payload["temperature"], payload["max_completion_tokens"]) == (0.5, 100)


async def test_a_model_that_thinks_has_room_for_it_and_is_told_how_long(
    session: aiohttp.ClientSession, server: ScriptedModelServer
) -> None:
    question = ask("scripted-thinker")
    deeply, unsaid = Thinking(1000, "high"), Thinking(1000)
    for thinking, told in ((deeply, "high"), (unsaid, "low")):  # LM Deluge's own word for none
        provider = DelugeProvider("deluge", session, lambda _: SecretStr(KEY), thinking=thinking)
        register(server, "scripted-small", "openai", "openai")
        register(server, "scripted-thinker", "openai", "openai", is_thinker=True)
        await read(provider, question)
        payload = server.requests[-1].payload
        assert (payload["reasoning_effort"], payload["max_completion_tokens"]) == (told, 1100)
        assert provider.find_room(question) == 1100
        assert provider.find_room(ask("scripted-small")) == provider.find_room(ask("unknown"))
        await read(provider, ask("scripted-small"))
        assert "reasoning_effort" not in server.requests[-1].payload
        assert server.requests[-1].payload["max_completion_tokens"] == 100


async def test_a_missing_key_and_an_unknown_model_are_named(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if name.startswith(("ANTHROPIC_", "AWS_", "BEDROCK_")):
            monkeypatch.delenv(name)
    provider = DelugeProvider("deluge", session, lambda _: None)
    with pytest.raises(AuthError, match="ANTHROPIC_API_KEY is not set"):
        await read(provider, ask("claude-4.5-haiku"))
    with pytest.raises(AuthError, match="AWS_BEDROCK_API_KEY"):
        await read(provider, ask("claude-4.5-haiku-bedrock"))
    with pytest.raises(BadRequestError, match=r"claude-4\.5-haiku"):
        await read(provider, ask("claude-4.5-haiky"))


@pytest.mark.parametrize(
    "timeouts",
    [
        Timeouts(first_token=timedelta(milliseconds=150)),
        Timeouts(total=timedelta(milliseconds=150)),
    ],
)
async def test_every_wait_is_bounded(
    session: aiohttp.ClientSession, server: ScriptedModelServer, timeouts: Timeouts
) -> None:
    server.default = Answer(Hang())
    with pytest.raises(errors.TimeoutError):
        await read(make_deluge(session, server, timeouts=timeouts), ask("scripted-small"))
    await server.wait_until_abandoned()


def gemini_event(text: str, finish: str | None = None) -> bytes:
    candidate = {"index": 0, "content": {"role": "model", "parts": [{"text": text}]}}
    usage = {"promptTokenCount": 11, "candidatesTokenCount": 7}
    ended = {"finishReason": finish} if finish else {}
    event = {"candidates": [candidate | ended], "usageMetadata": usage}
    return b"data: " + json.dumps(event).encode() + b"\r\n\r\n"


async def test_what_skein_has_no_adapter_for_streams_too(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRIPTED_KEY", KEY)

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.headers["x-goog-api-key"] == KEY
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in (gemini_event("Hel"), gemini_event("lo", "MAX_TOKENS")):
            await response.write(event)
        return response

    app = web.Application()
    app.router.add_post("/models/scripted:streamGenerateContent", answer)
    async with TestServer(app) as gemini:
        base = str(gemini.make_url("")).rstrip("/")
        register_model("scripted", "scripted", base, "SCRIPTED_KEY", "gemini", "google")
        chunks = await read(DelugeProvider("deluge", session, lambda _: None), ask("scripted"))
    assert text_of(chunks) == "Hello"
    assert len(chunks) == 3
    assert chunks[-1].finish_reason == "length"
    assert chunks[-1].usage == Usage(11, 7, 0, 0)


async def test_a_key_that_lm_deluge_found_by_itself_gets_into_no_error(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCRIPTED_KEY", KEY)

    async def refuse(request: web.Request) -> web.Response:
        return web.json_response({"error": {"message": f"{KEY} is no key"}}, status=401)

    app = web.Application()
    app.router.add_post("/models/scripted:streamGenerateContent", refuse)
    async with TestServer(app) as gemini:
        base = str(gemini.make_url("")).rstrip("/")
        register_model("scripted", "scripted", base, "SCRIPTED_KEY", "gemini", "google")
        with pytest.raises(AuthError, match="is no key") as refused:
            await read(DelugeProvider("deluge", session, lambda _: None), ask("scripted"))
    assert KEY[:6] not in str(refused.value)
