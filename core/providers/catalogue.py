"""Which providers there are, which of them are configured, and which of them a model's name means. Pure.

A new provider that speaks Chat Completions is one entry in `PROVIDERS` and one setting for its key.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import SecretStr

from core.errors import SettingsError, UnknownModelError
from core.prices import find_known_window
from core.providers.base import ModelRef
from core.providers.sight import find_image_tokens
from core.settings import Settings

Kind = Literal["openai", "anthropic", "demo"]

DEFAULT_WINDOW_TOKENS = 32_768


@dataclass(frozen=True, slots=True)
class KnownProvider:
    """A provider that Skein knows. `base_url` is empty where a setting has it."""

    name: str
    kind: Kind
    base_url: str
    default_model: str
    variable: str
    """The setting that makes it configured."""


PROVIDERS = (
    KnownProvider(
        "gemini",
        "openai",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "gemini-flash-latest",
        "GEMINI_API_KEY",
    ),
    KnownProvider(
        "groq",
        "openai",
        "https://api.groq.com/openai/v1",
        "llama-3.3-70b-versatile",
        "GROQ_API_KEY",
    ),
    KnownProvider(
        "openrouter",
        "openai",
        "https://openrouter.ai/api/v1",
        "openai/gpt-4o-mini",
        "OPENROUTER_API_KEY",
    ),
    KnownProvider("openai", "openai", "", "gpt-4o-mini", "OPENAI_API_KEY"),
    KnownProvider("anthropic", "anthropic", "", "claude-sonnet-4-5", "ANTHROPIC_API_KEY"),
    KnownProvider("ollama", "openai", "", "llama3.3", "OLLAMA_BASE_URL"),
)
_PROVIDERS = {provider.name: provider for provider in PROVIDERS}

ALIASES = {
    "gpt-4o": ("openai/gpt-4o", "openrouter/openai/gpt-4o"),
    "gpt-4o-mini": ("openai/gpt-4o-mini", "openrouter/openai/gpt-4o-mini"),
    "claude-4-sonnet": (
        "anthropic/claude-sonnet-4-20250514",
        "openrouter/anthropic/claude-sonnet-4",
    ),
    "llama-3.3-70b": (
        "groq/llama-3.3-70b-versatile",
        "openrouter/meta-llama/llama-3.3-70b-instruct",
        "ollama/llama3.3",
    ),
    "gemini-2.0-flash": ("gemini/gemini-2.0-flash", "openrouter/google/gemini-2.0-flash-001"),
}
"""Plain names, and who serves them, in order: the first that is configured answers."""

_FAMILIES = (
    (("gpt-", "chatgpt-", "o1", "o3", "o4"), "openai"),
    (("claude-",), "anthropic"),
    (("gemini-",), "gemini"),
)

_WINDOWS = (
    ("gpt-3.5", 16_385),
    ("gpt-4", 8_192),
    ("gpt-4-turbo", 128_000),
    ("gpt-4o", 128_000),
    ("gpt-4.1", 1_047_576),
    ("gpt-5", 400_000),
    ("gpt-oss", 131_072),
    ("chatgpt-4o", 128_000),
    ("o1", 200_000),
    ("o1-mini", 128_000),
    ("o3", 200_000),
    ("o4", 200_000),
    ("claude-", 200_000),
    ("gemini-", 1_048_576),
    ("llama-3", 131_072),
    ("llama-3-", 8_192),
    ("deepseek-", 65_536),
    ("mistral-large", 131_072),
    ("mistral-small", 131_072),
    ("qwen3", 40_960),
)
_OLLAMA_WINDOW_TOKENS = 4_096
"""Ollama cuts at 4,096 tokens by default whatever the model can, from the front and in silence."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A configured provider: where it is, and what it serves when nobody chose."""

    name: str
    kind: Kind
    base_url: str
    default_model: str
    key: SecretStr | None = None
    serves_any_name: bool = False
    """Whether it stands for servers of all kinds, so that any plain name may be one of its models."""
    models: tuple[str, ...] = ()
    """The models it is known to have; not all, where it was not asked."""


_DEMO = Endpoint("demo", "demo", "", "echo", models=("echo",))


def load_endpoints(
    settings: Settings, ollama_models: Sequence[str] | None = None
) -> tuple[Endpoint, ...]:
    """List the configured providers, the preferred one first; the demo alone where there is none.

    `ollama_models` are those that a running Ollama has installed; None where none runs.
    """
    defaults = type(settings).model_fields
    endpoints: list[Endpoint] = []
    for known in PROVIDERS:
        setting = f"{known.name}_base_url"
        base_url: str = known.base_url or getattr(settings, setting)
        is_custom = not known.base_url and base_url != defaults[setting].default
        if known.name == "ollama":
            if is_custom or ollama_models:
                endpoints.append(_ollama_endpoint(base_url, ollama_models or ()))
            continue
        key: SecretStr | None = getattr(settings, known.variable.lower())
        if key or is_custom:
            any_name = is_custom and known.name == "openai"
            endpoints.append(
                Endpoint(known.name, known.kind, base_url, known.default_model, key, any_name)
            )
    if not endpoints or (settings.model or "").startswith("demo/"):
        endpoints.append(_DEMO)
    return tuple(endpoints)


def _ollama_endpoint(base_url: str, models: Sequence[str]) -> Endpoint:
    return Endpoint(
        "ollama",
        "openai",
        base_url.removesuffix("/v1") + "/v1",
        models[0] if models else _PROVIDERS["ollama"].default_model,
        models=tuple(models),
    )


def find_window_tokens(provider: str, model: str) -> int:
    """Say how much a model takes in, question and answer together; a careful guess where unknown."""
    if provider == "ollama":
        return _OLLAMA_WINDOW_TOKENS
    name = model.rpartition("/")[2].lower()
    known = [(len(prefix), tokens) for prefix, tokens in _WINDOWS if name.startswith(prefix)]
    if known:
        return max(known)[1]
    return find_known_window(provider, model) or DEFAULT_WINDOW_TOKENS


class Catalogue:
    """The models that can be had from these endpoints, by the names that people give them."""

    def __init__(
        self, endpoints: Sequence[Endpoint], model: str | None = None, models: Sequence[str] = ()
    ) -> None:
        """Take the endpoints, the installation's model, and those that people may choose (all, if none).

        Raises SettingsError where a name among them means no model.
        """
        self._endpoints = {endpoint.name: endpoint for endpoint in endpoints}
        self.names = _all_names(endpoints)
        chosen = [self._get_set("MODELS", name) for name in models]
        self.default = self._get_set("MODEL", model) if model else _first(endpoints, chosen)
        self._allowed = frozenset((*chosen, self.default)) if chosen else None
        if chosen:
            self.names = _plain_first((*models, *([model] if model else [])))
        if self.default not in map(self._resolve, self.names):
            self.names += (str(self.default),)

    def get(self, name: str | None) -> ModelRef:
        """Find a model by name; None is the default. Raises UnknownModelError."""
        if name is None:
            return self.default
        ref = self._resolve(name.strip())
        if self._allowed is not None and ref not in self._allowed:
            raise UnknownModelError(name, self.names[:5], "is not among those to choose from")
        return ref

    def find_address(self, provider: str) -> str:
        """Say where a provider is; empty where it is not configured."""
        endpoint = self._endpoints.get(provider)
        return endpoint.base_url if endpoint else ""

    def _resolve(self, name: str) -> ModelRef:
        """Give a name its meaning: provider/model, an alias, a family, whatever a server may have."""
        provider, _, model = name.partition("/")
        if model and provider.lower() in self._endpoints:
            return _ref(provider.lower(), model)
        for place in ALIASES.get(name.lower(), ()):
            provider_of_alias, _, model_of_alias = place.partition("/")
            if provider_of_alias in self._endpoints:
                return _ref(provider_of_alias, model_of_alias)
        endpoint = self._find_server(name) if _is_plain(name) else None
        if endpoint:
            return _ref(endpoint.name, name)
        raise self._unknown(name)

    def _find_server(self, name: str) -> Endpoint | None:
        """Find who serves a plain name: who is known to have it, its maker, a server of any kind."""
        endpoints = self._endpoints.values()
        ranked = [
            *(endpoint for endpoint in endpoints if name in endpoint.models),
            *(endpoint for endpoint in endpoints if endpoint.name == _family(name)),
            *(endpoint for endpoint in endpoints if endpoint.serves_any_name),
        ]
        return ranked[0] if ranked else None

    def _unknown(self, name: str) -> UnknownModelError:
        """Say which setting is missing where the name is known, and else what comes closest."""
        if name.lower() in ALIASES:
            providers = [place.partition("/")[0] for place in ALIASES[name.lower()]]
        else:
            providers = [name.partition("/")[0].lower() if "/" in name else _family(name)]
        variables = [_PROVIDERS[name].variable for name in providers if name in _PROVIDERS]
        if variables:
            reason = f"needs a provider that is not set up: set {' or '.join(variables)}"
            return UnknownModelError(name, (), reason)
        return UnknownModelError(
            name, difflib.get_close_matches(name.lower(), self.names, cutoff=0.5)
        )

    def _get_set(self, variable: str, name: str) -> ModelRef:
        try:
            return self._resolve(name)
        except UnknownModelError as error:
            mend = "Name a model as provider/model, and set its provider's key."
            raise SettingsError(variable, str(error), mend) from error


def _first(endpoints: Sequence[Endpoint], chosen: Sequence[ModelRef]) -> ModelRef:
    """Choose the first provider's default, unless people may choose only among others."""
    first = _ref(endpoints[0].name, endpoints[0].default_model)
    return first if not chosen or first in chosen else chosen[0]


def _all_names(endpoints: Sequence[Endpoint]) -> tuple[str, ...]:
    configured = {endpoint.name for endpoint in endpoints}
    aliases = [
        alias
        for alias, places in ALIASES.items()
        if any(place.partition("/")[0] in configured for place in places)
    ]
    full = [
        f"{endpoint.name}/{model}"
        for endpoint in endpoints
        for model in (endpoint.default_model, *endpoint.models)
    ]
    return _plain_first((*aliases, *full))


def _ref(provider: str, model: str) -> ModelRef:
    window_tokens = find_window_tokens(provider, model)
    return ModelRef(provider, model, window_tokens, find_image_tokens(provider, model))


def _is_plain(name: str) -> bool:
    """Whether a text can be a model's own name: slashes within are common, a provider's is none."""
    has_provider = name.partition("/")[0].lower() in _PROVIDERS and "/" in name
    return bool(name) and name.strip("/") == name and len(name.split()) == 1 and not has_provider


def _family(name: str) -> str:
    lowered = name.lower()
    return next((family for starts, family in _FAMILIES if lowered.startswith(starts)), "")


def _plain_first(names: Iterable[str]) -> tuple[str, ...]:
    """Drop doubles, and put plain names before those with a provider."""
    return tuple(sorted(dict.fromkeys(names), key=lambda name: "/" in name))
