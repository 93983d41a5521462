"""Which model a name means, among those of the configured providers. Pure.

`known/table.py` has those that are known by name, `known/endpoints.py` says which of them are configured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from core.config.tables import ModelTable
from core.config.text import TableError
from core.errors import SettingsError, UnknownModelError
from core.prices import Price, find_known_models, find_known_window
from core.providers.base import ModelRef
from core.providers.known.closest import MAX_CLOSEST, pick_closest
from core.providers.known.endpoints import KNOWN, Endpoint
from core.providers.known.listing import Listed, is_chat_name
from core.providers.known.sight import find_image_tokens
from core.providers.known.table import ALIASES, FAMILIES, WINDOWS

DEFAULT_WINDOW_TOKENS = 32_768
_MAX_VARIABLES = 3
_MAX_NAME = 200
_MAX_FEW = 3
_OLLAMA_WINDOW_TOKENS = 4_096
"""Ollama cuts at 4,096 tokens by default whatever the model can, from the front and in silence."""
_NOTHING_TOLD = Listed()
_NO_TABLE = ModelTable()


def find_window_tokens(provider: str, model: str) -> int:
    """Say how much a model takes in, question and answer together; a careful guess where unknown."""
    if provider == "ollama":
        return _OLLAMA_WINDOW_TOKENS
    name = model.rpartition("/")[2].lower()
    known = [(len(prefix), tokens) for prefix, tokens in WINDOWS if name.startswith(prefix)]
    if known:
        return max(known)[1]
    return find_known_window(provider, model) or DEFAULT_WINDOW_TOKENS


@dataclass(frozen=True, slots=True)
class Choice:
    """What the operator chose among models: by names that people give them."""

    model: str | None = None
    models: tuple[str, ...] = ()
    """Those that people may choose; all, if none."""
    fallbacks: tuple[str, ...] = ()
    """Who answers, in order, where a model cannot that has none of its own."""


class Catalogue:
    """The models that can be had from these endpoints, by the names that people give them."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        choice: Choice | None = None,
        tables: Mapping[str, ModelTable] | None = None,
    ) -> None:
        """Take the endpoints, what the operator chose, and what they say of models, by any of their names.

        Raises SettingsError where a name means no model, and TableError where that stands in a table.
        """
        choice = choice or Choice()
        self._endpoints = {endpoint.name: endpoint for endpoint in endpoints}
        self._tables: Mapping[str, ModelTable] = {}
        self._allowed: frozenset[ModelRef] | None = None
        self.names = _all_names(endpoints)
        self._tables = self._read_tables(tables or {})
        chosen = [self._get_set("MODELS", name) for name in choice.models]
        self.default = (
            self._get_set("MODEL", choice.model)
            if choice.model
            else self._choose(endpoints[0], chosen)
        )
        self._allowed = frozenset((*chosen, self.default)) if chosen else None
        if chosen:
            self.names = _plain_first((*choice.models, *([choice.model] if choice.model else [])))
        self._fallbacks = self._read_fallbacks(choice, tables or {})
        is_named = str(self.default) in self.names
        if not is_named and self.default not in map(self._resolve, self.names):
            self.names += (str(self.default),)

    def get(self, name: str | None) -> ModelRef:
        """Find a model by name; None is the default. Raises UnknownModelError."""
        if name is None:
            return self.default
        name = name.strip()
        if len(name) > _MAX_NAME:
            raise UnknownModelError(name[:_MAX_NAME] + "...")
        ref = self._resolve(name)
        if self._allowed is not None and ref not in self._allowed:
            closest = self._find_closest(name) or self.names[:MAX_CLOSEST]
            raise UnknownModelError(name, closest, "is not among those to choose from")
        return ref

    def find_fallbacks(self, ref: ModelRef) -> tuple[ModelRef, ...]:
        """Give the models that answer where one cannot, in order."""
        return self._fallbacks.get(str(ref), self._fallbacks[""])

    def find_address(self, provider: str) -> str:
        """Say where a provider is; empty where it is not configured."""
        endpoint = self._endpoints.get(provider)
        return endpoint.base_url if endpoint else ""

    def find_price(self, name: str) -> Price | None:
        """Give the price that the operator set for `provider/model`."""
        table = self._tables.get(name)
        if (
            not table
            or table.input_price_per_million is None
            or table.output_price_per_million is None
        ):
            return None
        return Price(
            table.input_price_per_million,
            table.output_price_per_million,
            table.cached_price_per_million,
        )

    def _read_tables(self, tables: Mapping[str, ModelTable]) -> dict[str, ModelTable]:
        """Give what is said of each model by its full name. Raises TableError."""
        found: dict[str, ModelTable] = {}
        named: dict[str, str] = {}
        for name, table in tables.items():
            full = str(self._get_named(("models", name), name))
            if full in found:
                mend = f"Put it into one with the table of {named[full]}."
                raise TableError(
                    ("models", name), f"this is {full}, which has a table already", mend
                )
            found[full], named[full] = table, name
        return found

    def _read_fallbacks(
        self, choice: Choice, tables: Mapping[str, ModelTable]
    ) -> dict[str, tuple[ModelRef, ...]]:
        """Give the fallbacks of models by their full names; under "" those of all others."""
        found = {"": tuple(self._get_set("FALLBACK_MODELS", name) for name in choice.fallbacks)}
        for model, table in tables.items():
            if table.fallback is not None:
                found[str(self._resolve(model))] = tuple(
                    self._get_named(("models", model, "fallback", str(number)), name)
                    for number, name in enumerate(table.fallback)
                )
        return found

    def _resolve(self, name: str) -> ModelRef:
        """Give a name its meaning: provider/model, an alias, a family, whatever a server may have."""
        provider, _, model = name.partition("/")
        if model and (endpoint := self._endpoints.get(provider.lower())):
            if endpoint.only is None or model in endpoint.only:
                return self._ref(endpoint.name, model)
            raise UnknownModelError(name, pick_closest(model, endpoint.only, f"{endpoint.name}/"))
        if found := self._find_alias(name):
            return found
        found = next(self._find_servers(name), None) if _is_plain(name) else None
        if found:
            return self._ref(*found)
        raise self._unknown(name)

    def _find_alias(self, name: str) -> ModelRef | None:
        """Find who serves a plain name: who lists that model, or else the first who may have it."""
        places = ALIASES.get(name.lower(), ())
        for surely in (True, False):
            for place in places:
                provider, _, model = place.partition("/")
                endpoint = self._endpoints.get(provider)
                if endpoint and endpoint.serves_place(place, surely=surely):
                    return self._ref(provider, model)
        return None

    def _find_servers(self, name: str) -> Iterator[tuple[str, str]]:
        """Find who serves a plain name, and as what: who is known to have it, its maker, any server."""
        endpoints = self._endpoints.values()
        yield from ((each.name, name) for each in endpoints if name in each.models)
        tagged = f"{name}:latest"  # what Ollama means by a name without a tag
        yield from ((each.name, tagged) for each in endpoints if tagged in each.models)
        yield from ((each.name, name) for each in endpoints if each.name == _family(name))
        yield from ((each.name, name) for each in endpoints if name in each.former)
        yield from (
            (each.name, model)
            for each in endpoints
            for model in each.models
            if model.endswith(f"/{name}")
        )
        yield from ((each.name, name) for each in endpoints if each.serves_any_name)

    def _unknown(self, name: str) -> UnknownModelError:
        """Say which setting is missing where the name is known, and else what comes closest."""
        if name.lower() in ALIASES:
            providers = [place.partition("/")[0] for place in ALIASES[name.lower()]]
        else:
            providers = [name.partition("/")[0].lower() if "/" in name else _family(name)]
        missing = (
            KNOWN[each] for each in providers if each in KNOWN and each not in self._endpoints
        )
        variables = [each.variable for each in missing if not each.is_by_table]
        if variables:
            named = " or ".join(variables[:_MAX_VARIABLES])
            reason = f"needs a provider that is not set up: set {named}"
            return UnknownModelError(name, self._find_closest(name), reason)
        if closest := self._find_closest(name):
            return UnknownModelError(name, closest)
        few = ", ".join(self.names[:_MAX_FEW])
        there = f"there are {few} and others" if len(self.names) > _MAX_FEW else f"there is {few}"
        return UnknownModelError(name, (), f"is no model here; {there}")

    def _find_closest(self, name: str) -> tuple[str, ...]:
        """Give the names that come closest, of all that the configured providers are known to serve."""
        names = list(self.names)
        if self._allowed is None:
            for endpoint in self._endpoints.values():
                known = () if endpoint.told else find_known_models(endpoint.name)
                names += (f"{endpoint.name}/{model}" for model in known if is_chat_name(model))
        return pick_closest(name, names)

    def _choose(self, endpoint: Endpoint, chosen: Sequence[ModelRef]) -> ModelRef:
        """Choose a provider's default, unless people may choose only among others."""
        first = self._ref(endpoint.name, endpoint.default_model)
        return first if not chosen or first in chosen else chosen[0]

    def _ref(self, provider: str, model: str) -> ModelRef:
        table = self._tables.get(f"{provider}/{model}", _NO_TABLE)
        told = self._endpoints[provider].told.get(model, _NOTHING_TOLD)
        sees = told.sees if table.sees is None else table.sees
        return ModelRef(
            provider,
            model,
            table.window_tokens or told.window_tokens or find_window_tokens(provider, model),
            find_image_tokens(provider, model, sees=sees),
            table.max_new_tokens,
            table.temperature,
        )

    def _get_set(self, variable: str, name: str) -> ModelRef:
        try:
            return self._resolve(name)
        except UnknownModelError as error:
            mend = "Name a model as provider/model, and set its provider's key."
            raise SettingsError(variable, str(error), mend) from error

    def _get_named(self, keys: Sequence[str], name: str) -> ModelRef:
        try:
            return self._resolve(name)
        except UnknownModelError as error:
            mend = "Name a model as provider/model, and set its provider up."
            raise TableError(keys, str(error), mend) from error


def _all_names(endpoints: Sequence[Endpoint]) -> tuple[str, ...]:
    sure = [endpoint for endpoint in endpoints if not endpoint.is_guessed]
    aliases = [
        alias
        for alias, places in ALIASES.items()
        if any(each.serves_place(place, surely=False) for place in places for each in sure)
    ]
    defaults = [f"{endpoint.name}/{endpoint.default_model}" for endpoint in sure]
    full = [f"{endpoint.name}/{model}" for endpoint in endpoints for model in endpoint.models]
    return _plain_first((*aliases, *defaults, *full))


def _is_plain(name: str) -> bool:
    """Whether a text can be a model's own name: slashes within are common, a provider's is none."""
    has_provider = name.partition("/")[0].lower() in KNOWN and "/" in name
    return bool(name) and name.strip("/") == name and len(name.split()) == 1 and not has_provider


def _family(name: str) -> str:
    lowered = name.lower()
    return next((family for starts, family in FAMILIES if lowered.startswith(starts)), "")


def _plain_first(names: Iterable[str]) -> tuple[str, ...]:
    """Drop doubles, and put plain names before those with a provider."""
    return tuple(sorted(dict.fromkeys(names), key=lambda name: "/" in name))
