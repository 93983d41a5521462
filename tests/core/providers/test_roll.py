"""Servers are asked for their models, and again; what one told stays when it goes."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import aiohttp
import pytest
from pydantic import SecretStr

from core.providers.catalogue import Catalogue
from core.providers.known.endpoints import Endpoint, load_endpoints, settle
from core.providers.known.listing import Listed
from core.providers.known.roll import Roll
from core.settings import load_settings
from tests.core.providers.scripted_server import ScriptedModelServer


def make_own(url: str, name: str = "vllm") -> Endpoint:
    return Endpoint(name, "openai", url, "default", is_own=True, serves_any_name=True)


async def ask(roll: Roll, endpoint: Endpoint) -> Endpoint:
    await roll.ask_own([endpoint])
    await roll.ask_others([endpoint])
    return roll.fill([endpoint])[0]


async def test_a_server_names_its_models_and_the_first_is_the_default(
    server: ScriptedModelServer, session: aiohttp.ClientSession
) -> None:
    server.models = ["text-embedding-small", "qwen3-8b", "phi-4"]
    endpoint = await ask(Roll(session), make_own(server.openai_url))
    assert endpoint.models == ("qwen3-8b", "phi-4")
    assert endpoint.default_model == "qwen3-8b"
    assert not endpoint.serves_any_name


async def test_a_model_that_is_added_later_does_not_become_the_default(
    server: ScriptedModelServer, session: aiohttp.ClientSession
) -> None:
    roll, endpoint = Roll(session), make_own(server.openai_url, "ollama")
    endpoint = replace(endpoint, base_url=server.ollama_url + "/v1")
    defaults: list[str] = []
    for installed in (["qwen3:8b"], ["gemma4:12b", "qwen3:8b"], ["gemma4:12b"]):
        server.ollama_models = installed
        defaults.append((await ask(roll, endpoint)).default_model)
    assert defaults == ["qwen3:8b", "qwen3:8b", "gemma4:12b"]


async def test_a_default_that_the_operator_chose_stays_though_it_is_not_listed(
    server: ScriptedModelServer,
    session: aiohttp.ClientSession,
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = server.openai_url
    chosen = Endpoint("mine", "openai", url, "alias", is_own=True, is_default_chosen=True)
    assert (await ask(Roll(session), chosen)).default_model == "alias"
    assert "mine does not name alias, its default_model" in caplog.text


async def test_a_window_and_sight_that_a_server_tells_count(
    server: ScriptedModelServer, session: aiohttp.ClientSession
) -> None:
    told = {"id": "m", "context_length": 12_345, "architecture": {"input_modalities": ["image"]}}
    server.listed = {"data": [told]}
    ref = Catalogue([await ask(Roll(session), make_own(server.openai_url))]).get("m")
    assert ref.window_tokens == 12_345
    assert ref.image_tokens > 0


async def test_lm_studio_is_asked_where_it_tells_most(
    server: ScriptedModelServer, session: aiohttp.ClientSession
) -> None:
    server.models = ["from-v1"]
    endpoint = make_own(server.openai_url, "lmstudio")
    assert (await ask(Roll(session), endpoint)).models == ("from-v1",)
    server.lists["/api/v0/models"] = {"data": [{"id": "from-v0", "type": "vlm"}]}
    assert (await ask(Roll(session), endpoint)).models == ("from-v0",)
    server.lists["/api/v1/models"] = {"models": [{"key": "from-new"}]}
    assert (await ask(Roll(session), endpoint)).models == ("from-new",)


class TestOllama:
    def make(self, server: ScriptedModelServer) -> Endpoint:
        return make_own(server.ollama_url + "/v1", "ollama")

    async def test_its_models_are_those_that_chat_with_what_it_shows_of_them(
        self, server: ScriptedModelServer, session: aiohttp.ClientSession
    ) -> None:
        server.ollama_models = ["llava:7b", "qwen3:8b", "nomic-embed-text:latest", "odd"]
        server.ollama_shown = {
            "llava:7b": {"capabilities": ["completion", "vision"], "parameters": "num_ctx 8192"},
            "qwen3:8b": {"capabilities": ["completion"]},
            "nomic-embed-text:latest": {"capabilities": ["embedding"]},
        }
        server.lists["/api/ps"] = {"models": [{"name": "qwen3:8b", "context_length": 32_768}]}
        endpoint = await ask(Roll(session), self.make(server))
        assert endpoint.models == ("llava:7b", "qwen3:8b", "odd")
        catalogue = Catalogue([endpoint])
        sizes = {name: catalogue.get(name).window_tokens for name in endpoint.models}
        assert sizes == {"llava:7b": 8_192, "qwen3:8b": 32_768, "odd": 4_096}
        assert [bool(catalogue.get(name).image_tokens) for name in endpoint.models] == [
            True,
            False,
            False,
        ]

    async def test_another_server_is_none(
        self, server: ScriptedModelServer, session: aiohttp.ClientSession
    ) -> None:
        for other in (None, {"error": "Unexpected endpoint"}):
            if other is not None:
                server.lists["/api/tags"] = other
            assert (await ask(Roll(session), self.make(server))).models == ()

    async def test_one_that_nobody_named_counts_only_where_it_runs(
        self, server: ScriptedModelServer, session: aiohttp.ClientSession
    ) -> None:
        settings = load_settings(use_environment=False)
        (found,) = load_endpoints(settings)
        assert found.is_found
        assert [each.name for each in settle([found], settings)] == ["demo"]
        server.ollama_models = ["phi3:mini"]
        running = await ask(Roll(session), self.make(server))
        assert [each.name for each in settle([running], settings)] == ["ollama"]


async def test_coming_changing_and_going_are_told_once_each(
    server: ScriptedModelServer, session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "skein.providers")
    roll, endpoint = Roll(session), make_own(server.openai_url)
    async with server.away():
        for _ in range(3):
            assert not await roll.ask_own([endpoint])
        assert roll.fill([endpoint])[0].default_model == "default"
    server.models = ["a", "b"]
    assert await roll.ask_own([endpoint])
    assert not await roll.ask_own([endpoint])
    server.models = ["b", "c"]
    assert await roll.ask_own([endpoint])
    async with server.away():
        for _ in range(3):
            assert not await roll.ask_own([endpoint])
        filled = roll.fill([endpoint])[0]
        assert (filled.models, filled.former) == (("b", "c"), {"a"})
    assert not await roll.ask_own([endpoint])
    records = [record for record in caplog.records if record.name == "skein.providers"]
    said = [record.getMessage().replace(server.openai_url, "URL") for record in records]
    assert [line.partition(" (")[0] for line in said] == [
        "vllm at URL does not say which models it has: it cannot be reached",
        "vllm at URL has a, b",
        "models of vllm: new: c; gone: a",
        "vllm at URL is gone: it cannot be reached",
        "vllm at URL is there again",
    ]


async def test_a_server_without_models_is_told_once(
    server: ScriptedModelServer, session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "skein.providers")
    server.models = []
    roll = Roll(session)
    for _ in range(3):
        await roll.ask_own([make_own(server.openai_url)])
    assert caplog.text.count("has no models") == 1


@pytest.mark.parametrize(
    ("path", "key", "reason"),
    [
        ("", "wrong", "it refuses the key (401)"),
        ("/nowhere", None, "(404)"),
        ("/..", None, "(404), and most addresses end in /v1"),
    ],
)
async def test_why_a_server_says_nothing_is_told(
    server: ScriptedModelServer,
    session: aiohttp.ClientSession,
    caplog: pytest.LogCaptureFixture,
    path: str,
    key: str | None,
    reason: str,
) -> None:
    server.key = key and "right"
    url = server.openai_url.removesuffix("/v1") if path == "/.." else server.openai_url + path
    await ask(Roll(session), make_own(url))
    assert reason in caplog.text


async def test_a_provider_that_only_tells_is_asked_in_the_background_and_seldom(
    server: ScriptedModelServer, session: aiohttp.ClientSession
) -> None:
    now = [0.0]
    roll = Roll(session, lambda: now[0])
    endpoint = Endpoint("openrouter", "openai", server.openai_url, "usual", tells=True)
    assert not await roll.ask_own([endpoint])
    assert server.list_count == 0
    assert await roll.ask_others([endpoint])
    filled = roll.fill([endpoint])[0]
    assert filled.default_model == "usual"
    assert filled.models == ("scripted-large", "scripted-small")
    await roll.ask_others([endpoint])
    assert server.list_count == 1
    now[0] = 3_700
    await roll.ask_others([endpoint])
    assert server.list_count == 2


async def test_anthropics_list_is_asked_for_in_its_own_way(
    server: ScriptedModelServer, session: aiohttp.ClientSession
) -> None:
    server.key = "right"
    seeing = {"id": "claude-x", "max_input_tokens": 1_000_000}
    server.listed = {"data": [seeing | {"capabilities": {"image_input": {"supported": True}}}]}
    endpoint = Endpoint(
        "anthropic", "anthropic", server.anthropic_url, "usual", SecretStr("right"), tells=True
    )
    told = (await ask(Roll(session), endpoint)).told
    assert told == {"claude-x": Listed(1_000_000, sees=True)}


async def test_where_nothing_listens_the_answer_is_soon(
    unused_url: str, session: aiohttp.ClientSession
) -> None:
    async with asyncio.timeout(5):
        assert (await ask(Roll(session), make_own(unused_url))).models == ()
