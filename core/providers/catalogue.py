"""Which providers are configured, and which of them a model's name means. Pure.

`core/providers/known.py` has the table of those that are known by name.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import SecretStr

from core.errors import SettingsError, UnknownModelError
from core.prices import find_known_models, find_known_window
from core.providers.base import ModelRef
from core.providers.known import ALIASES, FAMILIES, PROVIDERS, WINDOWS, Kind, KnownProvider
from core.providers.sight import find_image_tokens
from core.settings import Settings

DEFAULT_WINDOW_TOKENS = 32_768
_MAX_LISTED = 100
"""How many of a server's models are listed; any other can be named all the same."""
_OLLAMA_WINDOW_TOKENS = 4_096
"""Ollama cuts at 4,096 tokens by default whatever the model can, from the front and in silence."""
_PROVIDERS = {provider.name: provider for provider in PROVIDERS}


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
    is_own: bool = False
    """Whether it is a server of one's own, which is asked for its models."""
    windows: Mapping[str, int] = field(default_factory=dict[str, int])
    """How much its models take in, as far as it tells."""

    def with_models(self, windows: Mapping[str, int | None]) -> Endpoint:
        """Give it with the models that it was found to have, and the first of them as its default."""
        names = tuple(windows)[:_MAX_LISTED]
        if not names:
            return self
        known = {name: tokens for name, tokens in windows.items() if tokens}
        default = self.default_model if self.default_model in windows else names[0]
        return replace(
            self, default_model=default, models=names, serves_any_name=False, windows=known
        )


_DEMO = Endpoint("demo", "demo", "", "echo", models=("echo",))


def load_endpoints(
    settings: Settings, ollama_models: Sequence[str] | None = None
) -> tuple[Endpoint, ...]:
    """List the configured providers, the preferred one first; the demo alone where there is none.

    `ollama_models` are those that a running Ollama has installed; None where none runs.
    """
    found = (_find_endpoint(known, settings, ollama_models) for known in PROVIDERS)
    endpoints = [endpoint for endpoint in (*found, _find_deluge(settings)) if endpoint]
    if not endpoints or (settings.model or "").startswith("demo/"):
        endpoints.append(_DEMO)
    return tuple(endpoints)


def _find_deluge(settings: Settings) -> Endpoint | None:
    """Give LM Deluge where a setting names one of its models: it has no key or address of its own."""
    named = (settings.model, *settings.models, *settings.fallback_models, settings.summary_model)
    models = [name.partition("/")[2] for name in named if name and name.startswith("deluge/")]
    return Endpoint("deluge", "deluge", "", models[0], models=tuple(models)) if models else None


def _find_endpoint(
    known: KnownProvider, settings: Settings, ollama_models: Sequence[str] | None
) -> Endpoint | None:
    """Give a provider as it is configured, or None."""
    prefix = "azure_openai" if known.name == "azure" else known.name
    setting, defaults = f"{prefix}_base_url", type(settings).model_fields
    base_url: str = known.base_url or getattr(settings, setting) or ""
    is_custom = not known.base_url and base_url != (defaults[setting].default or "")
    if known.name == "ollama":
        is_there = is_custom or bool(ollama_models)
        return _ollama_endpoint(base_url, ollama_models or ()) if is_there else None
    key: SecretStr | None = getattr(settings, f"{prefix}_api_key", None)
    if not base_url or not (key or is_custom):
        return None
    return Endpoint(
        known.name,
        known.kind,
        base_url,
        known.default_model,
        key,
        serves_any_name=is_custom and (known.is_own or known.name == "openai"),
        is_own=is_custom and (known.is_own or known.name == "openai"),
    )


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
    known = [(len(prefix), tokens) for prefix, tokens in WINDOWS if name.startswith(prefix)]
    if known:
        return max(known)[1]
    return find_known_window(provider, model) or DEFAULT_WINDOW_TOKENS


class Catalogue:
    """The models that can be had from these endpoints, by the names that people give them."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        model: str | None = None,
        models: Sequence[str] = (),
        windows: Mapping[str, int] | None = None,
        fallbacks: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Take the endpoints, the installation's model, and those that people may choose (all, if none).

        `windows` are how many tokens models take in, by `provider/model` or by any name that means
        one, where the operator knows better. `fallbacks` are who answers where a model cannot, in order,
        by the same names; under "" those of all others.

        Raises SettingsError where a name among them means no model.
        """
        self._endpoints = {endpoint.name: endpoint for endpoint in endpoints}
        self._windows: Mapping[str, int] = {}
        self._allowed: frozenset[ModelRef] | None = None
        self._windows = {
            str(self._get_set("models in skein.toml", name)): n
            for name, n in (windows or {}).items()
        }
        self.names = _all_names(endpoints)
        chosen = [self._get_set("MODELS", name) for name in models]
        self.default = (
            self._get_set("MODEL", model) if model else self._choose(endpoints[0], chosen)
        )
        self._allowed = frozenset((*chosen, self.default)) if chosen else None
        if chosen:
            self.names = _plain_first((*models, *([model] if model else [])))
        self._fallbacks = {
            self._get_set("models in skein.toml", name) if name else None: tuple(
                self._get_set("FALLBACK_MODELS", fallback) for fallback in names
            )
            for name, names in (fallbacks or {}).items()
        }
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

    def find_fallbacks(self, ref: ModelRef) -> tuple[ModelRef, ...]:
        """Give the models that answer where one cannot, in order."""
        return self._fallbacks.get(ref, self._fallbacks.get(None, ()))

    def find_address(self, provider: str) -> str:
        """Say where a provider is; empty where it is not configured."""
        endpoint = self._endpoints.get(provider)
        return endpoint.base_url if endpoint else ""

    def _resolve(self, name: str) -> ModelRef:
        """Give a name its meaning: provider/model, an alias, a family, whatever a server may have."""
        provider, _, model = name.partition("/")
        if model and provider.lower() in self._endpoints:
            return self._ref(provider.lower(), model)
        for place in ALIASES.get(name.lower(), ()):
            provider_of_alias, _, model_of_alias = place.partition("/")
            if provider_of_alias in self._endpoints:
                return self._ref(provider_of_alias, model_of_alias)
        endpoint = self._find_server(name) if _is_plain(name) else None
        if endpoint:
            return self._ref(endpoint.name, name)
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
        return UnknownModelError(name, self._find_closest(name))

    def _find_closest(self, name: str) -> tuple[str, ...]:
        """Give the names that come closest, of all that the configured providers are known to serve."""
        names = {known.lower(): known for known in self.names}
        if self._allowed is None:
            for provider in self._endpoints:
                for model in find_known_models(provider):
                    names.setdefault(model.lower(), f"{provider}/{model}")
        closest = difflib.get_close_matches(name.lower(), names, cutoff=0.5)
        return tuple(dict.fromkeys(names[found] for found in closest))

    def _choose(self, endpoint: Endpoint, chosen: Sequence[ModelRef]) -> ModelRef:
        """Choose a provider's default, unless people may choose only among others."""
        first = self._ref(endpoint.name, endpoint.default_model)
        return first if not chosen or first in chosen else chosen[0]

    def _ref(self, provider: str, model: str) -> ModelRef:
        window_tokens = (
            self._windows.get(f"{provider}/{model}")
            or self._endpoints[provider].windows.get(model)
            or find_window_tokens(provider, model)
        )
        return ModelRef(provider, model, window_tokens, find_image_tokens(provider, model))

    def _get_set(self, variable: str, name: str) -> ModelRef:
        try:
            return self._resolve(name)
        except UnknownModelError as error:
            mend = "Name a model as provider/model, and set its provider's key."
            raise SettingsError(variable, str(error), mend) from error


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


def _is_plain(name: str) -> bool:
    """Whether a text can be a model's own name: slashes within are common, a provider's is none."""
    has_provider = name.partition("/")[0].lower() in _PROVIDERS and "/" in name
    return bool(name) and name.strip("/") == name and len(name.split()) == 1 and not has_provider


def _family(name: str) -> str:
    lowered = name.lower()
    return next((family for starts, family in FAMILIES if lowered.startswith(starts)), "")


def _plain_first(names: Iterable[str]) -> tuple[str, ...]:
    """Drop doubles, and put plain names before those with a provider."""
    return tuple(sorted(dict.fromkeys(names), key=lambda name: "/" in name))
