from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from core.errors import SettingsError, UnknownModelError
from core.providers.catalogue import (
    DEFAULT_WINDOW_TOKENS,
    Catalogue,
    find_window_tokens,
    load_endpoints,
)
from core.providers.ollama import probe_ollama
from core.providers.probe import probe_endpoints
from core.settings import load_settings
from tests.core.providers.scripted_server import ScriptedModelServer

ALL_KEYS = {
    f"{name}_api_key": f"{name}-key"
    for name in ("gemini", "groq", "openrouter", "openai", "anthropic")
}
MORE = {
    **{f"{name}_api_key": "k" for name in ("mistral", "deepseek", "xai", "together")},
    "azure_openai_api_key": "k",
    "azure_openai_base_url": "https://me.openai.azure.com/openai/v1",
    "vllm_base_url": "http://127.0.0.1:8000/v1",
    "lmstudio_base_url": "http://127.0.0.1:1234/v1",
}


def make_catalogue(ollama: tuple[str, ...] | None = None, **given: Any) -> Catalogue:
    settings = load_settings(use_environment=False, **given)
    return Catalogue(load_endpoints(settings, ollama), settings.model, settings.models)


def names_of(ollama: tuple[str, ...] | None = None, **given: Any) -> list[str]:
    settings = load_settings(use_environment=False, **given)
    return [endpoint.name for endpoint in load_endpoints(settings, ollama)]


class TestEndpoints:
    def test_nothing_configured_is_the_demo(self) -> None:
        assert names_of() == ["demo"]
        assert str(make_catalogue().default) == "demo/echo"

    def test_configured_ones_stand_in_the_order_of_preference(self) -> None:
        assert names_of(("phi3",), **ALL_KEYS) == [
            "gemini",
            "groq",
            "openrouter",
            "openai",
            "anthropic",
            "ollama",
        ]

    def test_every_known_provider_is_configured_by_its_own_settings(self) -> None:
        assert names_of(**MORE) == [
            "mistral",
            "deepseek",
            "xai",
            "together",
            "azure",
            "vllm",
            "lmstudio",
        ]
        for endpoint in load_endpoints(load_settings(use_environment=False, **MORE)):
            assert endpoint.base_url.startswith("http")
            assert endpoint.default_model

    def test_an_azure_key_without_an_address_configures_nothing(self) -> None:
        assert names_of(azure_openai_api_key="k") == ["demo"]

    @pytest.mark.parametrize("name", ["openai", "anthropic", "ollama"])
    def test_a_base_url_of_ones_own_counts_as_configured_without_a_key(self, name: str) -> None:
        settings = load_settings(
            use_environment=False, **{f"{name}_base_url": "http://127.0.0.1:1"}
        )
        (endpoint,) = load_endpoints(settings)
        assert endpoint.name == name
        assert endpoint.key is None

    def test_a_running_ollama_counts_and_its_first_model_is_the_default(self) -> None:
        assert str(make_catalogue(("phi3:mini", "llama3.3")).default) == "ollama/phi3:mini"

    def test_an_ollama_without_a_model_does_not_count(self) -> None:
        assert names_of(()) == ["demo"]

    @pytest.mark.parametrize(
        "url", ["http://box:11434", "http://box:11434/", "http://box:11434/v1"]
    )
    def test_ollamas_address_may_end_in_v1_or_not(self, url: str) -> None:
        settings = load_settings(use_environment=False, ollama_base_url=url)
        assert load_endpoints(settings)[0].base_url == "http://box:11434/v1"

    def test_a_key_never_shows_in_a_repr(self) -> None:
        settings = load_settings(use_environment=False, **ALL_KEYS)
        assert "gemini-key" not in repr(load_endpoints(settings))

    def test_the_demo_can_be_chosen_beside_real_providers(self) -> None:
        assert str(make_catalogue(model="demo/echo", **ALL_KEYS).default) == "demo/echo"


class TestNames:
    @pytest.mark.parametrize(
        ("name", "meaning"),
        [
            ("gpt-4o", "openai/gpt-4o"),
            ("gpt-4o-mini", "openai/gpt-4o-mini"),
            ("claude-4-sonnet", "anthropic/claude-sonnet-4-20250514"),
            ("llama-3.3-70b", "groq/llama-3.3-70b-versatile"),
            ("gemini-2.0-flash", "gemini/gemini-2.0-flash"),
            (" GPT-4o ", "openai/gpt-4o"),
            ("gpt-4.1", "openai/gpt-4.1"),
            ("o3-mini", "openai/o3-mini"),
            ("claude-opus-4-1", "anthropic/claude-opus-4-1"),
            ("gemini-2.5-pro", "gemini/gemini-2.5-pro"),
            ("openrouter/meta-llama/llama-3.1-8b", "openrouter/meta-llama/llama-3.1-8b"),
            ("Groq/qwen/qwen3-32b", "groq/qwen/qwen3-32b"),
        ],
    )
    def test_a_name_means_a_model(self, name: str, meaning: str) -> None:
        assert str(make_catalogue(**ALL_KEYS).get(name)) == meaning

    @pytest.mark.parametrize(
        ("name", "meaning"),
        [
            ("gpt-4o", "openrouter/openai/gpt-4o"),
            ("claude-4-sonnet", "openrouter/anthropic/claude-sonnet-4"),
            ("llama-3.3-70b", "openrouter/meta-llama/llama-3.3-70b-instruct"),
            ("gemini-2.0-flash", "openrouter/google/gemini-2.0-flash-001"),
        ],
    )
    def test_an_alias_goes_to_whoever_serves_it(self, name: str, meaning: str) -> None:
        assert str(make_catalogue(openrouter_api_key="k").get(name)) == meaning

    def test_a_model_that_ollama_has_needs_no_prefix(self) -> None:
        catalogue = make_catalogue(("phi3:mini",))
        assert str(catalogue.get("phi3:mini")) == "ollama/phi3:mini"
        assert str(catalogue.get("llama-3.3-70b")) == "ollama/llama3.3"

    @pytest.mark.parametrize(
        "name", ["my-model", "meta-llama/Llama-3.1-8B", "claude-4-sonnet", "gpt-4o"]
    )
    def test_a_server_of_ones_own_serves_any_plain_name(self, name: str) -> None:
        catalogue = make_catalogue(openai_base_url="http://127.0.0.1:8000/v1")
        assert str(catalogue.get(name)) == f"openai/{name}"

    def test_a_maker_comes_before_a_server_of_ones_own(self) -> None:
        catalogue = make_catalogue(openai_base_url="http://127.0.0.1:8000", anthropic_api_key="k")
        assert str(catalogue.get("claude-opus-4-1")) == "anthropic/claude-opus-4-1"

    @pytest.mark.parametrize(
        ("name", "variable"),
        [
            ("claude-4-sonnet", "ANTHROPIC_API_KEY or OPENROUTER_API_KEY"),
            ("claude-opus-4-1", "ANTHROPIC_API_KEY"),
            ("groq/llama-3.1-8b-instant", "GROQ_API_KEY"),
            ("ollama/phi3", "OLLAMA_BASE_URL"),
        ],
    )
    def test_a_known_name_without_its_provider_says_what_to_set(
        self, name: str, variable: str
    ) -> None:
        with pytest.raises(UnknownModelError, match=variable):
            make_catalogue(openai_api_key="k").get(name)

    def test_an_unknown_name_says_what_comes_closest(self) -> None:
        with pytest.raises(UnknownModelError) as unknown:
            make_catalogue(openai_api_key="k").get("gtp-4o")
        assert "gpt-4o" in unknown.value.closest

    def test_closest_names_are_those_of_all_configured_providers(self) -> None:
        with pytest.raises(UnknownModelError) as unknown:
            make_catalogue(openai_api_key="k", xai_api_key="k").get("gork-4.3")
        assert "xai/grok-4.3" in unknown.value.closest

    @pytest.mark.parametrize("name", ["", "  ", "/", "openai/", "what is this", "a\nb"])
    def test_what_is_no_name_is_unknown(self, name: str) -> None:
        with pytest.raises(UnknownModelError):
            make_catalogue(openai_base_url="http://127.0.0.1:8000").get(name)


class TestChoice:
    def test_the_first_providers_default_is_the_default(self) -> None:
        assert make_catalogue(**ALL_KEYS).default.provider == "gemini"
        assert make_catalogue(**ALL_KEYS).get(None).provider == "gemini"

    def test_plain_names_are_listed_first(self) -> None:
        names = make_catalogue(("phi3",), **ALL_KEYS).names
        assert names[:5] == (
            "gpt-4o",
            "gpt-4o-mini",
            "claude-4-sonnet",
            "llama-3.3-70b",
            "gemini-2.0-flash",
        )
        assert "ollama/phi3" in names
        assert len(set(names)) == len(names)

    def test_every_listed_name_can_be_chosen(self) -> None:
        for catalogue in (
            make_catalogue(),
            make_catalogue(("phi3",), **ALL_KEYS),
            make_catalogue(models="gpt-4o,groq/x", model="gemini-2.5-pro", **ALL_KEYS),
        ):
            assert [catalogue.get(name) for name in catalogue.names]
            assert catalogue.default in [catalogue.get(name) for name in catalogue.names]

    def test_only_what_models_names_may_be_chosen_and_the_model_itself(self) -> None:
        catalogue = make_catalogue(models="gpt-4o, groq/x", model="claude-4-sonnet", **ALL_KEYS)
        assert catalogue.names == ("gpt-4o", "claude-4-sonnet", "groq/x")
        assert str(catalogue.get("openai/gpt-4o")) == "openai/gpt-4o"
        with pytest.raises(UnknownModelError, match="not among"):
            catalogue.get("gpt-4o-mini")

    def test_without_a_model_the_default_is_among_those_that_models_names(self) -> None:
        assert str(make_catalogue(models="gpt-4o,groq/x", **ALL_KEYS).default) == "openai/gpt-4o"

    @pytest.mark.parametrize(
        ("given", "variable"), [({"model": "groq/x"}, "MODEL"), ({"models": "wat"}, "MODELS")]
    )
    def test_a_setting_that_means_no_model_is_named(
        self, given: dict[str, str], variable: str
    ) -> None:
        with pytest.raises(SettingsError) as wrong:
            make_catalogue(openai_api_key="k", **given)
        assert wrong.value.variable == variable


@pytest.mark.parametrize(
    ("provider", "model", "tokens"),
    [
        ("openai", "gpt-4o-mini", 128_000),
        ("openai", "gpt-4", 8_192),
        ("openrouter", "anthropic/claude-sonnet-4", 200_000),
        ("groq", "llama-3.3-70b-versatile", 131_072),
        ("gemini", "gemini-2.0-flash", 1_048_576),
        ("ollama", "llama3.3", 4_096),
        ("openai", "something-else", DEFAULT_WINDOW_TOKENS),
    ],
)
def test_windows_are_known_or_guessed_with_care(provider: str, model: str, tokens: int) -> None:
    assert find_window_tokens(provider, model) == tokens


class TestProbe:
    async def test_a_server_of_ones_own_is_asked_for_its_models_and_the_first_is_the_default(
        self, server: ScriptedModelServer, session: aiohttp.ClientSession
    ) -> None:
        server.models = ["text-embedding-small", "qwen3-8b", "phi-4"]
        settings = load_settings(use_environment=False, openai_base_url=server.openai_url)
        catalogue = Catalogue(await probe_endpoints(session, load_endpoints(settings)))
        assert str(catalogue.default) == "openai/qwen3-8b"
        assert str(catalogue.get("phi-4")) == "openai/phi-4"
        with pytest.raises(UnknownModelError, match="the closest are openai/qwen3-8b"):
            catalogue.get("qwen-8b")

    async def test_a_server_that_says_nothing_has_the_usual_default(
        self, unused_url: str, session: aiohttp.ClientSession
    ) -> None:
        settings = load_settings(use_environment=False, openai_base_url=unused_url)
        (endpoint,) = await probe_endpoints(session, load_endpoints(settings))
        assert endpoint.default_model == "gpt-4o-mini"

    async def test_a_window_that_a_server_tells_counts(
        self, server: ScriptedModelServer, session: aiohttp.ClientSession
    ) -> None:
        server.windows = {"scripted-small": 12_345}
        settings = load_settings(use_environment=False, vllm_base_url=server.openai_url)
        catalogue = Catalogue(await probe_endpoints(session, load_endpoints(settings)))
        assert catalogue.get("scripted-small").window_tokens == 12_345

    async def test_a_running_ollama_names_its_models(
        self, server: ScriptedModelServer, session: aiohttp.ClientSession
    ) -> None:
        server.ollama_models = ["phi3:mini", "llama3.3"]
        assert await probe_ollama(session, server.ollama_url) == ("phi3:mini", "llama3.3")
        assert await probe_ollama(session, server.ollama_url + "/v1") == ("phi3:mini", "llama3.3")

    async def test_another_server_is_no_ollama(
        self, server: ScriptedModelServer, session: aiohttp.ClientSession
    ) -> None:
        assert await probe_ollama(session, server.ollama_url) is None

    async def test_where_nothing_listens_none_runs(
        self, unused_url: str, session: aiohttp.ClientSession
    ) -> None:
        async with asyncio.timeout(5):
            assert await probe_ollama(session, unused_url) is None
