from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from core import errors
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
from core.providers.base import Provider, Timeouts
from core.providers.openai import OpenAIProvider
from core.providers.wire.dialect import MAX_LESSONS
from tests.core.providers.completions import (
    KEY,
    SHORT,
    OneAddressResolver,
    data,
    delta,
    make_openai,
)
from tests.core.providers.contract import ask, read, text_of
from tests.core.providers.scripted_server import (
    Answer,
    Drip,
    Hang,
    Raw,
    Refuse,
    ScriptedModelServer,
)


@pytest.fixture
def provider(session: aiohttp.ClientSession, server: ScriptedModelServer) -> Provider:
    return make_openai(session, server, KEY)


KEEP_ALIVE = Drip(b": OPENROUTER PROCESSING\n\n")


class TestRefusals:
    @pytest.mark.parametrize(
        ("refusal", "kind"),
        [
            (Refuse(400, "The model `x` does not exist"), ModelNotFoundError),
            (Refuse(400, "messages must not be empty"), BadRequestError),
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

    @pytest.mark.parametrize("key", ["sk-test\nX-Evil: 1", "sk-\rtest", "sk-te\x00st"])
    async def test_a_key_that_no_header_can_hold_is_refused_before_it_is_sent(
        self, session: aiohttp.ClientSession, server: ScriptedModelServer, key: str
    ) -> None:
        provider = make_openai(session, server, key)
        with pytest.raises(AuthError, match="copy it again") as refused:
            await read(provider, ask("m"))
        assert "sk-" not in str(refused.value)
        assert refused.value.model == "openai/m"
        assert not server.requests

    async def test_a_server_that_refuses_one_thing_after_another_is_not_asked_for_ever(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        def refuse(payload: dict[str, Any]) -> Refuse:
            limit = payload["max_tokens"]
            return Refuse(400, f"max_tokens is too large: the valid range is [1, {limit - 1}]")

        server.default = refuse
        with pytest.raises(BadRequestError):
            await read(provider, ask("m"))
        assert len(server.requests) == MAX_LESSONS

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
        server.play(Refuse(307, headers={"Location": "http://127.0.0.1:1/elsewhere?token=t0p"}))
        told = "HTTP 307: sent on to http://127.0.0.1:1/elsewhere: is the address right"
        with pytest.raises(ModelNotFoundError, match=told) as refused:
            await read(provider, ask("m"))
        assert "t0p" not in str(refused.value)


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
            (Timeouts(first_token=SHORT), Answer(KEEP_ALIVE), "no first word"),
            (Timeouts(first_token=SHORT), Answer(Raw(b"\n"), Drip(b"\n")), "no first word"),
            (Timeouts(between_tokens=SHORT), Answer("Hel", KEEP_ALIVE), "no further word"),
            (Timeouts(total=SHORT), Answer(Drip(data(delta("x")).data)), "no whole answer"),
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


class NeverResolver(OneAddressResolver):
    """Never finds an address."""

    def __init__(self) -> None:
        super().__init__(0)

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[Any]:
        await asyncio.Event().wait()
        return []
