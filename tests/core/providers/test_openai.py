from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from core import errors
from core.conversation import Usage
from core.errors import (
    AuthError,
    BadRequestError,
    ContextTooLongError,
    ModelNotFoundError,
    OverloadedError,
    ProviderError,
    RateLimitedError,
    UnreachableError,
)
from core.providers.base import Chunk, Provider, Timeouts
from core.providers.openai import OpenAIProvider
from tests.core.providers.contract import Kit, ProviderContract, ask, read, text_of
from tests.core.providers.kits import HttpKit
from tests.core.providers.scripted_server import (
    Answer,
    Break,
    Cut,
    Hang,
    Plain,
    Raw,
    Refuse,
    ScriptedModelServer,
)

KEY = "sk-test-0123456789abcdef"
SHORT = timedelta(milliseconds=150)


def make_openai(
    session: aiohttp.ClientSession,
    server: ScriptedModelServer,
    key: str | None = None,
    timeouts: Timeouts | None = None,
) -> OpenAIProvider:
    secret = SecretStr(key) if key else None
    return OpenAIProvider("openai", session, server.openai_url, secret, timeouts)


def data(*chunks: Any, end: str = "\n\n") -> Raw:
    """Word chunks as events; a text stands for itself."""
    lines = [chunk if isinstance(chunk, str) else json.dumps(chunk) for chunk in chunks]
    return Raw("".join(f"data: {line}{end}" for line in lines).encode())


def delta(content: Any, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": content, **more}, "finish_reason": finish}
    return {"choices": [choice]}


def raw(*chunks: Any, end: str = "\n\n") -> Answer:
    return Answer(data(*chunks, end=end), finish=None)


class TestContract(ProviderContract):
    @pytest.fixture
    def kit(self) -> Kit:
        return HttpKit(make_openai)


@pytest.fixture
def provider(session: aiohttp.ClientSession, server: ScriptedModelServer) -> Provider:
    return make_openai(session, server, KEY)


class TestRequests:
    async def test_a_request_says_what_was_asked(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        await read(provider, ask("m", "Hi", "Hello", "And?", system="Be brief", temperature=0.5))
        (request,) = server.requests
        assert request.path == "/v1/chat/completions"
        assert request.headers["authorization"] == f"Bearer {KEY}"
        assert request.payload == {
            "model": "m",
            "messages": [
                {"role": "system", "content": "Be brief"},
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
                {"role": "user", "content": "And?"},
            ],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 100,
            "temperature": 0.5,
        }

    async def test_without_a_key_no_authorization_is_sent(
        self, session: aiohttp.ClientSession, server: ScriptedModelServer
    ) -> None:
        await read(make_openai(session, server), ask("m"))
        assert "authorization" not in server.requests[0].headers
        assert "temperature" not in server.requests[0].payload

    async def test_one_connection_serves_one_question_after_another(
        self, server: ScriptedModelServer
    ) -> None:
        connections = list[object]()

        async def count(*event: object) -> None:
            connections.append(event)

        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(count)
        async with aiohttp.ClientSession(trace_configs=[trace]) as session:
            for _ in range(3):
                await read(make_openai(session, server), ask("m"))
        assert len(connections) == 1

    async def test_a_refused_parameter_is_swapped_and_the_model_remembered(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        server.play(Refuse(400, message, "invalid_request_error"))
        assert text_of(await read(provider, ask("m")))
        await read(provider, ask("m"))
        await read(provider, ask("other"))
        sent = [set(r.payload) & {"max_tokens", "max_completion_tokens"} for r in server.requests]
        assert sent == [
            {"max_tokens"},
            {"max_completion_tokens"},
            {"max_completion_tokens"},
            {"max_tokens"},
        ]

    async def test_parameters_are_left_out_one_after_another(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.play(
            Refuse(
                422,
                body='{"detail": [{"loc": ["stream_options"], "msg": "Extra inputs are not permitted"}]}',
            ),
            Refuse(400, "Unsupported value: 'temperature' does not support 0.5 with this model."),
        )
        await read(provider, ask("m", temperature=0.5))
        assert set(server.requests[-1].payload) == {"model", "messages", "stream", "max_tokens"}

    async def test_openai_itself_is_sent_the_newer_name_for_the_limit(
        self, server: ScriptedModelServer
    ) -> None:
        port = int(server.anthropic_url.rpartition(":")[2])
        connector = aiohttp.TCPConnector(resolver=OneAddressResolver(port))
        async with aiohttp.ClientSession(connector=connector) as session:
            url = f"http://api.openai.com:{port}/v1"
            await read(OpenAIProvider("openai", session, url), ask("gpt-4o"))
        assert server.requests[0].payload["max_completion_tokens"] == 100
        assert "max_tokens" not in server.requests[0].payload


class TestStreams:
    @pytest.mark.parametrize(
        "answer",
        [
            raw(delta("Hel"), delta("lo"), delta(None, "stop"), "[DONE]"),
            raw(delta("Hel"), delta("lo", "stop")),
            raw(delta("Hel"), delta("lo"), "[DONE]"),
            raw(delta(None), delta("Hel"), {"choices": []}, delta("lo", "stop"), "[DONE]"),
            raw(delta("Hel"), delta("lo"), delta("", "stop"), "[DONE]", end="\r\n\r\n"),
            raw(delta("", reasoning_content="Hm"), delta("Hel"), delta("lo", "stop")),
            raw({"choices": None}, delta("Hel", role=None), delta("lo", "stop"), "[DONE]"),
            raw(
                delta(
                    [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Hello"}],
                    "stop",
                )
            ),
            raw(delta("Hello", "stop") | {"error": None}, "[DONE]"),
            Answer(Raw(b": keep-alive\n\n"), data(delta("Hello", "stop"), "[DONE]"), finish=None),
            Answer(Raw(b"\n\n"), data(delta("Hello", "stop")), finish=None),
            Answer(data(delta("Hello", "stop")), Cut(), finish=None),
            Answer(data(delta("Hello", "stop")), Raw(b"data: {garbled\n\n"), finish=None),
            Plain("Hello"),
        ],
        ids=str,
    )
    async def test_every_servers_way_gives_the_same_text(
        self, provider: Provider, server: ScriptedModelServer, answer: Answer | Plain
    ) -> None:
        server.play(answer)
        chunks = await read(provider, ask("m"))
        assert text_of(chunks) == "Hello"
        assert chunks[-1].finish_reason in ("stop", "other")

    async def test_usage_after_the_finish_reason_is_read(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        usage = {
            "prompt_tokens": 20,
            "completion_tokens": 3,
            "prompt_tokens_details": {"cached_tokens": 16},
        }
        server.play(raw(delta("Hi", "stop"), {"choices": [], "usage": usage}, "[DONE]"))
        chunks = await read(provider, ask("m"))
        assert chunks[-1] == Chunk("", "stop", Usage(20, 3, 16))

    @pytest.mark.parametrize(
        ("finish", "reason"),
        [
            ("stop", "stop"),
            ("length", "length"),
            ("content_filter", "refusal"),
            ("tool_calls", "other"),
            ("whatever", "other"),
        ],
    )
    async def test_finish_reasons_are_translated(
        self, provider: Provider, server: ScriptedModelServer, finish: str, reason: str
    ) -> None:
        server.play(Answer("Hi", finish=finish))
        assert (await read(provider, ask("m")))[-1].finish_reason == reason

    async def test_a_character_split_across_reads_stays_whole(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        event = (
            b"data: " + json.dumps(delta("Zoë 🧶", "stop"), ensure_ascii=False).encode() + b"\n\n"
        )
        pieces = [Raw(event[at : at + 1]) for at in range(len(event))]
        server.play(Answer(*pieces, finish=None))
        assert text_of(await read(provider, ask("m"))) == "Zoë 🧶"

    async def test_half_a_character_never_gets_through(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        joined = Raw(data(delta("\ud83e")).data + data(delta("\uddf6 and \ud83e", "stop")).data)
        server.play(Answer(joined, finish=None))
        assert text_of(await read(provider, ask("m"))) == "🧶 and \ufffd"

    async def test_text_is_given_before_the_next_comes(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        gate = asyncio.Event()
        server.play(Answer("Hel", gate, "lo"))
        async with asyncio.timeout(10), provider.stream(ask("m")) as chunks:
            assert (await anext(aiter(chunks))).text == "Hel"
            gate.set()
            assert text_of([chunk async for chunk in chunks]) == "lo"

    async def test_what_hangs_after_the_finish_reason_is_whole_all_the_same(
        self, session: aiohttp.ClientSession, server: ScriptedModelServer
    ) -> None:
        provider = make_openai(session, server, timeouts=Timeouts(between_tokens=SHORT))
        server.play(Answer(data(delta("Hello", "stop")), Hang(), finish=None))
        chunks = await read(provider, ask("m"))
        assert text_of(chunks) == "Hello"
        assert chunks[-1].finish_reason == "stop"


class TestBrokenStreams:
    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (Answer("Hel", finish=None), UnreachableError),
            (Answer("Hel", Cut()), UnreachableError),
            (Answer("Hel", Raw(b"data: {garbled\n\n")), UnreachableError),
            (Answer("Hel", Raw(b'data: "text"\n\n')), UnreachableError),
            (Answer("Hel", Raw(b'data: {"choices": [7]}\n\n')), UnreachableError),
            (Answer("Hel", Raw(b"data: " + b"x" * 5_000_000)), UnreachableError),
            (Answer("Hel", Raw(b"data: " + b"[" * 100_000 + b"\n\n")), UnreachableError),
            (Answer("Hel", Break()), OverloadedError),
            (Answer("Hel", Break("rate_limit_error", "Slow down")), RateLimitedError),
            (Answer("Hel", Break("x", "maximum context length is 10 tokens")), ContextTooLongError),
            (Answer("Hel", data({"error": {"code": 502, "message": "Gone"}})), OverloadedError),
            (Answer("Hel", data([{"error": {"code": 429, "message": "Quota"}}])), RateLimitedError),
            (Answer("Hel", data(delta("", "error"))), OverloadedError),
        ],
        ids=lambda value: str(value)[:60],
    )
    async def test_a_break_is_told_after_the_text_before_it(
        self,
        provider: Provider,
        server: ScriptedModelServer,
        answer: Answer,
        kind: type[ProviderError],
    ) -> None:
        server.play(answer)
        received = list[Chunk]()

        async def listen() -> None:
            async with asyncio.timeout(20), provider.stream(ask("m")) as chunks:
                async for chunk in chunks:
                    received.append(chunk)

        with pytest.raises(kind):
            await listen()
        assert text_of(received) == "Hel"

    async def test_an_answer_that_breaks_before_a_word_is_unreachable(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.play(Answer(finish=None))
        with pytest.raises(UnreachableError):
            await read(provider, ask("m"))

    async def test_an_error_as_plain_json_with_status_200_is_an_error(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.play(Refuse(200, "Overloaded", "overloaded_error"))
        with pytest.raises(OverloadedError, match="Overloaded"):
            await read(provider, ask("m"))


class TestRefusals:
    @pytest.mark.parametrize(
        ("refusal", "kind"),
        [
            (Refuse(400, "The model `x` does not exist"), BadRequestError),
            (Refuse(404), ModelNotFoundError),
            (Refuse(403), AuthError),
            (Refuse(429), RateLimitedError),
            (Refuse(500, body="<html>Oops</html>"), OverloadedError),
            (Refuse(400, "maximum context length is 8192 tokens", "x"), ContextTooLongError),
        ],
        ids=str,
    )
    async def test_a_refusal_has_its_error(
        self,
        provider: Provider,
        server: ScriptedModelServer,
        refusal: Refuse,
        kind: type[ProviderError],
    ) -> None:
        server.play(refusal)
        with pytest.raises(kind) as refused:
            await read(provider, ask("m"))
        assert refused.value.model == "openai/m"
        assert len(server.requests) == 1

    async def test_a_wrong_key_is_refused_without_showing_it(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.key = "another"
        with pytest.raises(AuthError) as refused:
            await read(provider, ask("m"))
        assert "Incorrect API key" in str(refused.value)
        assert KEY[:6] not in str(refused.value)
        with pytest.raises(AuthError):
            await provider.load_models()

    async def test_how_long_to_wait_is_told(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.play(Refuse(429, "Slow down", headers={"Retry-After": "7"}))
        with pytest.raises(RateLimitedError) as refused:
            await read(provider, ask("m"))
        assert refused.value.retry_after == timedelta(seconds=7)

    async def test_a_redirect_is_not_followed_with_the_key(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.play(Refuse(307, headers={"Location": "http://127.0.0.1:1/elsewhere"}))
        with pytest.raises(BadRequestError, match="307"):
            await read(provider, ask("m"))


class TestBounds:
    async def test_no_connection_is_unreachable(
        self, session: aiohttp.ClientSession, unused_url: str
    ) -> None:
        with pytest.raises(UnreachableError):
            await read(OpenAIProvider("openai", session, unused_url), ask("m"))

    @pytest.mark.parametrize(
        ("timeouts", "answer", "what"),
        [
            (Timeouts(first_token=SHORT), Answer(Hang()), "no first word"),
            (Timeouts(first_token=SHORT), Answer(data(delta("")), Hang()), "no first word"),
            (Timeouts(between_tokens=SHORT), Answer("Hel", Hang()), "no further word"),
            (Timeouts(total=SHORT), Answer("Hel", Hang()), "no whole answer"),
        ],
    )
    async def test_every_wait_is_bounded(
        self,
        session: aiohttp.ClientSession,
        server: ScriptedModelServer,
        timeouts: Timeouts,
        answer: Answer,
        what: str,
    ) -> None:
        server.play(answer)
        with pytest.raises(errors.TimeoutError, match=what):
            await read(make_openai(session, server, timeouts=timeouts), ask("m"))

    async def test_a_server_that_never_answers_is_bounded(
        self, session: aiohttp.ClientSession
    ) -> None:
        listening = asyncio.Event()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()
            listening.set()

        async with await asyncio.start_server(accept, "127.0.0.1", 0) as silent:
            port = silent.sockets[0].getsockname()[1]
            url = f"http://127.0.0.1:{port}"
            provider = OpenAIProvider("openai", session, url, None, Timeouts(first_token=SHORT))
            with pytest.raises(errors.TimeoutError, match="no first word"):
                await read(provider, ask("m"))
            async with asyncio.timeout(5):
                await listening.wait()

    async def test_a_connection_that_is_not_made_is_bounded(self) -> None:
        connector = aiohttp.TCPConnector(resolver=NeverResolver())
        async with aiohttp.ClientSession(connector=connector) as session:
            provider = OpenAIProvider(
                "openai", session, "http://model.invalid", None, Timeouts(connect=SHORT)
            )
            with pytest.raises(errors.TimeoutError, match="no connection"):
                await read(provider, ask("m"))

    async def test_a_slow_reader_does_not_make_the_server_late(
        self, session: aiohttp.ClientSession, server: ScriptedModelServer
    ) -> None:
        gate = asyncio.Event()
        server.play(Answer("Hel", gate, "lo"))
        provider = make_openai(session, server, timeouts=Timeouts(between_tokens=SHORT))
        async with asyncio.timeout(10), provider.stream(ask("m")) as chunks:
            assert (await anext(aiter(chunks))).text == "Hel"
            gate.set()
            await asyncio.sleep(2 * SHORT.total_seconds())
            assert text_of([chunk async for chunk in chunks]) == "lo"


async def test_models_are_listed_without_geminis_prefix(
    provider: Provider, server: ScriptedModelServer
) -> None:
    server.models = ["models/gemini-2.0-flash", "gpt-4o"]
    assert await provider.load_models() == ("gemini-2.0-flash", "gpt-4o")


class OneAddressResolver(aiohttp.abc.AbstractResolver):
    """Resolves every name to a port of 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[Any]:
        found = {"hostname": host, "host": "127.0.0.1", "port": self._port}
        return [found | {"family": 2, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        pass


class NeverResolver(OneAddressResolver):
    """Never finds an address."""

    def __init__(self) -> None:
        super().__init__(0)

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[Any]:
        await asyncio.Event().wait()
        return []


async def test_azure_gets_the_key_in_a_header_of_its_own(
    session: aiohttp.ClientSession, server: ScriptedModelServer
) -> None:
    secret = SecretStr(KEY)
    provider = OpenAIProvider("azure", session, server.openai_url, secret, is_azure=True)
    await read(provider, ask("m", "Hi"))
    (request,) = server.requests
    assert request.headers["api-key"] == KEY
    assert "authorization" not in request.headers
    assert "max_completion_tokens" in request.payload


class TestQuirks:
    async def test_thinking_in_the_text_is_kept_out(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.play(Answer("<th", "ink>Hm, what", " to say?</thi", "nk>\n\nHel", "lo"))
        assert text_of(await read(provider, ask("m"))) == "Hello"

    async def test_a_short_text_that_only_looks_like_a_mark_comes_through(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.play(Answer("<th"))
        assert text_of(await read(provider, ask("m"))) == "<th"

    @pytest.mark.parametrize(
        "last",
        [
            {"choices": [], "usage": {"prompt_tokens": 9, "prompt_cache_hit_tokens": 4}},
            {
                "choices": [],
                "x_groq": {
                    "usage": {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}}
                },
            },
        ],
        ids=["deepseek", "groq"],
    )
    async def test_usage_is_read_in_the_servers_own_words(
        self, provider: Provider, server: ScriptedModelServer, last: dict[str, Any]
    ) -> None:
        server.play(raw(delta("Hi", "stop"), last, "[DONE]"))
        usage = (await read(provider, ask("m")))[-1].usage
        assert usage
        assert (usage.input_tokens, usage.cached_tokens) == (9, 4)
