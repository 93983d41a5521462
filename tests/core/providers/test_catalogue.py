from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.errors import SettingsError, UnknownModelError
from core.providers.catalogue import (
    DEFAULT_WINDOW_TOKENS,
    Catalogue,
    Choice,
    find_window_tokens,
)
from core.providers.known.endpoints import Endpoint, load_endpoints, settle
from core.providers.known.listing import Listed
from core.providers.known.table import ALIASES, PROVIDERS
from core.settings import Settings, load_settings

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


def find_endpoints(ollama: tuple[str, ...], /, **given: Any) -> tuple[Endpoint, ...]:
    """Give the endpoints, with an Ollama that has these models."""
    settings = load_settings(use_environment=False, **given)
    told = dict.fromkeys(ollama, Listed())
    found = [
        endpoint.with_models(told) if endpoint.name == "ollama" else endpoint
        for endpoint in load_endpoints(settings)
    ]
    return settle(found, settings)


def make_catalogue(ollama: tuple[str, ...] = (), /, **given: Any) -> Catalogue:
    settings = load_settings(use_environment=False, **given)
    choice = Choice(settings.model, settings.models)
    return Catalogue(find_endpoints(ollama, **given), choice)


def names_of(ollama: tuple[str, ...] = (), /, **given: Any) -> list[str]:
    return [endpoint.name for endpoint in find_endpoints(ollama, **given)]


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
        for endpoint in find_endpoints((), **MORE):
            assert endpoint.base_url.startswith("http")
            assert endpoint.default_model

    def test_an_azure_key_without_an_address_configures_nothing(self) -> None:
        assert names_of(azure_openai_api_key="k") == ["demo"]

    @pytest.mark.parametrize("name", ["openai", "anthropic", "ollama"])
    def test_a_base_url_of_ones_own_counts_as_configured_without_a_key(self, name: str) -> None:
        (endpoint,) = find_endpoints((), **{f"{name}_base_url": "http://127.0.0.1:1"})
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
        assert find_endpoints((), ollama_base_url=url)[0].base_url == "http://box:11434/v1"

    def test_a_key_never_shows_in_a_repr(self) -> None:
        assert "gemini-key" not in repr(find_endpoints((), **ALL_KEYS))

    def test_the_demo_can_be_chosen_beside_real_providers(self) -> None:
        assert str(make_catalogue(model="demo/echo", **ALL_KEYS).default) == "demo/echo"


class TestNames:
    @pytest.mark.parametrize(
        ("name", "meaning"),
        [
            ("gpt-4o", "openai/gpt-4o"),
            ("gpt-4o-mini", "openai/gpt-4o-mini"),
            ("claude-4-sonnet", "anthropic/claude-sonnet-5-5"),
            ("llama-3.3-70b", "openrouter/meta-llama/llama-3.3-70b-instruct"),
            ("gemini-2.0-flash", "gemini/gemini-flash-latest"),
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
            ("gemini-2.0-flash", "openrouter/~google/gemini-flash-latest"),
        ],
    )
    def test_an_alias_goes_to_whoever_serves_it(self, name: str, meaning: str) -> None:
        assert str(make_catalogue(openrouter_api_key="k").get(name)) == meaning

    def test_a_model_that_ollama_has_needs_no_prefix(self) -> None:
        catalogue = make_catalogue(("phi3:mini",))
        assert str(catalogue.get("phi3:mini")) == "ollama/phi3:mini"
        assert "llama-3.3-70b" not in catalogue.names
        with pytest.raises(UnknownModelError):
            catalogue.get("llama-3.3-70b")
        catalogue = make_catalogue(("phi3:mini", "llama3.3:latest"))
        assert str(catalogue.get("llama-3.3-70b")) == "ollama/llama3.3"
        assert str(catalogue.get("llama3.3")) == "ollama/llama3.3:latest"

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
            ("claude-4-sonnet", "ANTHROPIC_API_KEY or OPENROUTER_API_KEY or AI_GATEWAY_API_KEY"),
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


class TestGuideNames:
    @pytest.mark.parametrize("name", list(ALIASES))
    def test_each_goes_to_whichever_provider_is_set_up(self, name: str) -> None:
        for place in ALIASES[name]:
            provider, _, model = place.partition("/")
            first = next(each for each in ALIASES[name] if each.startswith(f"{provider}/"))
            assert str(Catalogue([make_endpoint(provider)]).get(name)) == first
            listing = make_endpoint(provider).with_models({f"{model}-20260101": Listed()})
            assert str(Catalogue([listing]).get(name)) == f"{provider}/{model}"

    def test_one_that_lists_the_model_comes_before_one_that_does_not(self) -> None:
        made = make_endpoint("openai").with_models({"gpt-6-luna": Listed()})
        assert str(Catalogue([made]).get("gpt-4o")) == "openai/gpt-6-luna"
        router = make_endpoint("openrouter").with_models({"openai/gpt-4o": Listed()})
        assert str(Catalogue([made, router]).get("gpt-4o")) == "openrouter/openai/gpt-4o"

    def test_where_none_lists_it_the_first_is_taken_at_its_word(self) -> None:
        made = make_endpoint("gemini").with_models({"gemini-9": Listed()})
        assert str(Catalogue([made]).get("gemini-2.0-flash")) == "gemini/gemini-flash-latest"

    def test_they_go_to_known_providers(self) -> None:
        known = {provider.name for provider in PROVIDERS}
        assert {place.partition("/")[0] for places in ALIASES.values() for place in places} <= known

    def test_what_a_maker_retired_is_no_default_and_no_alias(self) -> None:
        retired = {
            "groq/llama-3.3-70b-versatile",
            "anthropic/claude-sonnet-4-20250514",
            "gemini/gemini-2.0-flash",
            "deepseek/deepseek-chat",
            "cerebras/llama-3.3-70b",
        }
        meant = {place for places in ALIASES.values() for place in places}
        meant |= {f"{each.name}/{each.default_model}" for each in PROVIDERS}
        assert not retired & meant


def make_endpoint(name: str, *models: str, **given: Any) -> Endpoint:
    return Endpoint(name, "openai", "http://127.0.0.1:1/v1", "default", models=models, **given)


class TestLongLists:
    MODELS = (
        *(f"maker-{number}/model-{number}-instruct" for number in range(300)),
        "anthropic/claude-opus-4.8",
        "anthropic/claude-sonnet-5.5",
    )

    def make(self) -> Catalogue:
        endpoint = make_endpoint("openrouter")
        return Catalogue([endpoint.with_models(dict.fromkeys(self.MODELS, Listed()))])

    def test_a_part_of_a_name_finds_what_contains_it(self) -> None:
        catalogue = self.make()
        with pytest.raises(UnknownModelError) as unknown:
            catalogue.get("claude")
        assert unknown.value.closest[:3] == (
            "claude-4-sonnet",
            "openrouter/anthropic/claude-opus-4.8",
            "openrouter/anthropic/claude-sonnet-5.5",
        )

    def test_a_slip_in_the_last_part_of_a_name_is_seen_through(self) -> None:
        catalogue = self.make()
        with pytest.raises(UnknownModelError) as unknown:
            catalogue.get("cluade-sonnet-5.5")
        assert "openrouter/anthropic/claude-sonnet-5.5" in unknown.value.closest

    def test_no_more_than_a_handful_are_named(self) -> None:
        with pytest.raises(UnknownModelError) as unknown:
            self.make().get("instruct")
        assert len(unknown.value.closest) == 5

    def test_a_plain_name_goes_to_whoever_lists_it_under_its_maker(self) -> None:
        catalogue = self.make()
        assert str(catalogue.get("claude-opus-4.8")) == "openrouter/anthropic/claude-opus-4.8"

    def test_a_very_long_name_is_answered_soon(self) -> None:
        catalogue = self.make()
        with pytest.raises(UnknownModelError):
            catalogue.get("claude" * 10_000)


class TestServersOfOnesOwn:
    def test_a_model_that_is_gone_keeps_its_name_and_is_not_listed(self) -> None:
        endpoint = make_endpoint("ollama", is_own=True)
        endpoint = endpoint.with_models({"new": Listed()}, frozenset({"old"}))
        catalogue = Catalogue([endpoint])
        assert str(catalogue.get("old")) == "ollama/old"
        assert catalogue.names == ("ollama/new",)

    def test_all_that_can_be_had_is_known_of_some(self) -> None:
        only = frozenset({"claude-5-sonnet", "default", "x"})
        catalogue = Catalogue([make_endpoint("deluge", only=only)])
        with pytest.raises(UnknownModelError) as unknown:
            catalogue.get("deluge/claude-5-sonet")
        assert unknown.value.closest[0] == "deluge/claude-5-sonnet"
        assert str(catalogue.get("deluge/x")) == "deluge/x"


def test_every_key_that_is_a_setting_sets_its_provider_up() -> None:
    for provider in PROVIDERS:
        variable = provider.key.lower()
        if provider.name != "azure" and variable in Settings.model_fields:
            assert names_of(**{variable: "k"}) == [provider.name]


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


def test_the_guide_names_every_provider_its_key_and_its_default_model() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "models.md").read_text()
    for provider in PROVIDERS:
        assert f"`{provider.variable}" in guide
        if not provider.is_own and provider.kind != "azure":
            assert f"`{provider.name}/{provider.default_model}`" in guide
