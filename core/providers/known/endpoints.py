"""Which providers an installation has: those of the settings, and those of `skein.toml`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import SecretStr

from core.config.tables import ProviderTable, Tables
from core.config.text import TableError
from core.providers.known.listing import Listed
from core.providers.known.table import PROVIDERS, KnownProvider
from core.providers.wire.headers import Kind
from core.settings import Settings

KeyFinder = Callable[[str], SecretStr | None]
"""Gives the key that a variable has, if it has one."""

KNOWN = {provider.name: provider for provider in PROVIDERS}
DELUGE = "deluge"


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
    """Whether it is a server of one's own, whose models are those that it names."""
    tells: bool = False
    """Whether it is worth asking for what it tells of its models."""
    is_found: bool = False
    """Whether it counts only where it has models: nobody named it."""
    is_default_chosen: bool = False
    """Whether the operator chose the default model, so that it stays."""
    is_list_chosen: bool = False
    """Whether the operator chose the models that are listed."""
    told: Mapping[str, Listed] = field(default_factory=dict[str, Listed])
    """What it tells of its models."""
    former: frozenset[str] = frozenset()
    """Models that it had before: their names keep their meaning."""
    only: frozenset[str] | None = None
    """All that it can serve, where that is known for good."""

    @property
    def is_guessed(self) -> bool:
        """Whether its default model is but a guess: a server of one's own that has told nothing."""
        return self.is_own and not self.told and not self.is_default_chosen

    def lists(self, model: str) -> bool:
        """Whether it lists a model, by this name, or by one with a date or a tag behind it."""
        return any(
            name == model or name == f"{model}:latest" or name.startswith(f"{model}-20")
            for name in self.told
        )

    def serves_place(self, place: str, *, surely: bool = True) -> bool:
        """Whether it has the model of a `provider/model`, as far as is known.

        A server of one's own that told has no other than it lists. Of any other provider that may have
        more that it does not list: `surely` not.
        """
        provider, _, model = place.partition("/")
        counts = bool(self.told) and (self.is_own or surely)
        return provider == self.name and (not counts or self.lists(model))

    def with_models(
        self,
        told: Mapping[str, Listed],
        former: frozenset[str] = frozenset(),
        default_before: str = "",
    ) -> Endpoint:
        """Give it with what it tells of its models; a server of one's own has those and no other.

        The default of such a server stays what it was, as long as it has that model.
        """
        if not told:
            return self
        names = tuple(told)
        if not self.is_own:
            more = () if self.is_list_chosen else names
            return replace(self, models=tuple(dict.fromkeys((*self.models, *more))), told=told)
        usual = () if self.name == "ollama" else (self.default_model,)
        default = next((name for name in (default_before, *usual) if name in told), names[0])
        return replace(
            self,
            default_model=self.default_model if self.is_default_chosen else default,
            models=names,
            serves_any_name=False,
            told=told,
            former=former,
        )


_DEMO = Endpoint("demo", "demo", "", "echo", models=("echo",))


def load_endpoints(
    settings: Settings, tables: Tables | None = None, get_key: KeyFinder = lambda _: None
) -> tuple[Endpoint, ...]:
    """List the configured providers, those of the tables first, then the settings' by preference.

    Raises TableError.
    """
    tables = tables or Tables()
    known = {made.name: made for each in PROVIDERS if (made := _find_endpoint(each, settings))}
    own = {
        name: _make_endpoint(name, table, known.get(name), get_key)
        for name, table in tables.providers.items()
        if name != DELUGE
    }
    rest = [endpoint for name, endpoint in known.items() if name not in own]
    return (*own.values(), *rest, *_find_deluge(settings, tables))


def settle(endpoints: Sequence[Endpoint], settings: Settings) -> tuple[Endpoint, ...]:
    """Leave out what was looked for and is not there, and add the demo where nothing else is."""
    settled = [each for each in endpoints if not each.is_found or each.models]
    if not settled or (settings.model or "").startswith("demo/"):
        settled.append(_DEMO)
    return tuple(settled)


def _find_endpoint(known: KnownProvider, settings: Settings) -> Endpoint | None:
    """Give a provider as the settings configure it, or None."""
    address = known.address.lower()
    base_url: str = known.base_url or getattr(settings, address) or ""
    is_custom = bool(address) and base_url != (type(settings).model_fields[address].default or "")
    key: SecretStr | None = getattr(settings, known.key.lower(), None) if known.key else None
    is_found = known.name == "ollama" and not is_custom
    if not base_url or not (key or is_custom or is_found):
        return None
    is_own = is_found or (is_custom and (known.is_own or known.name == "openai"))
    return Endpoint(
        known.name,
        known.kind,
        _end_in_v1(base_url) if known.name == "ollama" else base_url,
        known.default_model,
        key,
        serves_any_name=is_own and known.name != "ollama",
        is_own=is_own,
        tells=known.tells,
        is_found=is_found,
    )


def _end_in_v1(base_url: str) -> str:
    return base_url.removesuffix("/v1") + "/v1"


def _make_endpoint(
    name: str, table: ProviderTable, set_up: Endpoint | None, get_key: KeyFinder
) -> Endpoint:
    """Give a provider of the tables, which may change one of the settings, or set up a known one."""
    known = KNOWN.get(name)
    base_url = table.base_url or (set_up.base_url if set_up else known.base_url if known else "")
    if not base_url:
        raise TableError(("providers", name), "there is no base_url", _mend_address(known))
    made = set_up or Endpoint(
        name,
        known.kind if known else "openai",
        base_url,
        known.default_model if known else "default",
        tells=bool(known and known.tells),
    )
    key = _find_key(name, table, made, get_key)
    default = table.default_model or (table.models[0] if table.models else made.default_model)
    kind = table.kind or made.kind
    _check_models(name, table, kind, is_set_up=set_up is not None)
    is_own = table.base_url is not None and kind == "openai" and not table.models
    return replace(
        made,
        kind=kind,
        base_url=_end_in_v1(base_url) if name == "ollama" else base_url,
        default_model=default,
        key=key or made.key,
        models=table.models or made.models,
        is_own=(is_own or made.is_own) and not table.models,
        is_found=made.is_found and table.base_url is None,
        tells=kind != "azure" and (made.tells or table.base_url is not None),
        is_default_chosen=table.default_model is not None,
        is_list_chosen=bool(table.models),
        serves_any_name=made.serves_any_name or is_own,
    )


def _check_models(name: str, table: ProviderTable, kind: Kind, *, is_set_up: bool) -> None:
    """Raise TableError where the default is none of the models, or has to be named."""
    if table.models and table.default_model and table.default_model not in table.models:
        raise TableError(
            ("providers", name, "default_model"),
            f"{table.default_model} is not among this provider's models",
            f"Name one of them ({', '.join(table.models)}), or add it to models.",
        )
    if kind == "azure" and not (table.models or table.default_model or is_set_up):
        problem = "there are no models, and Azure does not list its deployments"
        mend = 'Name them, for instance models = ["gpt-4o"].'
        raise TableError(("providers", name), problem, mend)


def _mend_address(known: KnownProvider | None) -> str:
    if known:
        return f"Name its address, or set {known.variable}."
    return 'Name its address, for instance base_url = "http://127.0.0.1:8000/v1".'


def _find_key(
    name: str, table: ProviderTable, made: Endpoint, get_key: KeyFinder
) -> SecretStr | None:
    """Find the key of a provider of the tables. Raises TableError where it has to be set, and is not."""
    mend = "Set it in the environment or in .env, and save this file again."
    if table.api_key_env:
        key = get_key(table.api_key_env)
        if key is None:
            keys = ("providers", name, "api_key_env")
            raise TableError(keys, f"{table.api_key_env} is not set", mend)
        return key
    if made.key or table.base_url or made.is_own or made.is_found:
        return made.key
    variable = KNOWN[name].key
    key = get_key(variable)
    if key is None and variable:
        raise TableError(("providers", name), f"its key {variable} is not set", mend)
    return key


def _find_deluge(settings: Settings, tables: Tables) -> Iterator[Endpoint]:
    """Give LM Deluge where one of its models is named: it has no key or address of its own."""
    table = tables.providers.get(DELUGE)
    named = [name for _, name in list_named(settings, tables)]
    prefix = f"{DELUGE}/"
    models = [name.removeprefix(prefix) for name in named if name.startswith(prefix)]
    if table is not None:
        _check_deluge(table)
        models = [*filter(None, [table.default_model]), *table.models, *models]
    models = list(dict.fromkeys(models))
    if models:
        yield Endpoint(DELUGE, "deluge", "", models[0], models=tuple(models))


def _check_deluge(table: ProviderTable) -> None:
    for key in ("base_url", "api_key_env", "kind"):
        if getattr(table, key) is not None:
            problem = "LM Deluge knows the addresses of its models, and their keys' variables"
            raise TableError(("providers", DELUGE, key), problem, "Take it out.")


def list_named(settings: Settings, tables: Tables) -> Iterator[tuple[tuple[str, ...], str]]:
    """Give all models that settings and tables name, each with its place: a variable, or keys of a table."""
    named = {
        "MODEL": (settings.model,),
        "MODELS": settings.models,
        "FALLBACK_MODELS": settings.fallback_models,
        "SUMMARY_MODEL": (settings.summary_model,),
    }
    for variable, names in named.items():
        yield from (((variable,), name) for name in names if name)
    for model, table in tables.models.items():
        yield ("models", model), model
        for number, name in enumerate(table.fallback or ()):
            yield ("models", model, "fallback", str(number)), name
