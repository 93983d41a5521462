from __future__ import annotations

import aiohttp
import pytest
from pydantic import SecretStr

from core.providers.base import Provider
from core.providers.openai import OpenAIProvider
from tests.core.providers.completions import (
    KEY,
    OneAddressResolver,
    make_openai,
)
from tests.core.providers.contract import Kit, ProviderContract, ask, read, text_of
from tests.core.providers.kits import HttpKit
from tests.core.providers.scripted_server import Plain, Refuse, ScriptedModelServer


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

    async def test_a_model_that_knows_no_system_prompt_gets_it_with_the_first_question(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.play(Refuse(400, "System role not supported"))
        for _ in range(2):
            await read(provider, ask("m", "Hi", "Hello", "And?", system="Be brief"))
        first, *others = [request.payload["messages"] for request in server.requests]
        assert first[0] == {"role": "system", "content": "Be brief"}
        assert [[each["content"] for each in messages] for messages in others] == [
            ["Be brief\n\nHi", "Hello", "And?"]
        ] * 2

    async def test_a_model_that_does_not_stream_answers_as_a_whole(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        message = "Unsupported value: 'stream' does not support true with this model."
        server.play(Refuse(400, message), Plain("Hello"))
        assert text_of(await read(provider, ask("m"))) == "Hello"
        assert set(server.requests[-1].payload) == {"model", "messages", "max_tokens"}

    async def test_a_longest_answer_that_the_model_tells_is_heeded(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        message = "max_tokens is too large: 100. This model supports at most 64 completion tokens."
        server.play(Refuse(400, message))
        await read(provider, ask("m"))
        await read(provider, ask("m"))
        assert [request.payload["max_tokens"] for request in server.requests] == [100, 64, 64]

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
