"""The composition root of models: settings and `skein.toml` -> providers, limits, one router."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import aiohttp
from pydantic import SecretStr

from core.adapters import build_provider, choose_key_finder, open_limiter
from core.beside import beside
from core.config_file import LOOK_INTERVAL, ConfigFile
from core.errors import SettingsError
from core.providers.base import Limiter
from core.providers.catalogue import Catalogue, Endpoint, load_endpoints
from core.providers.ollama import probe_ollama
from core.providers.probe import probe_endpoints
from core.providers.retry import RetryPolicy
from core.providers.router import Router, Setup
from core.settings import Settings
from core.store.database import Database
from core.tables import ProviderTable, Tables

_DEFAULT_CONFIG = Path("skein.toml")


@asynccontextmanager
async def open_models(
    settings: Settings,
    shared: Database | None = None,
    config: ConfigFile | None = None,
    look_interval: timedelta = LOOK_INTERVAL,
) -> AsyncGenerator[Router]:
    """Open the configured models over one HTTP session. Raises SettingsError.

    `config` (None: the installation's) is loaded, and looked at so often. Limits are kept together
    by all processes on a shared database, if there is one.
    """
    # No limit of connections: the limiters decide who may ask, and no thread waits for another.
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session, AsyncExitStack() as stack:
        config = config or open_config(settings)
        house = _House(settings, session, shared, stack)
        setup = await house.build(await config.load())
        policy = RetryPolicy(settings.max_attempts, on_break=settings.on_break)
        router = Router(setup.catalogue, setup.providers, setup.limiters, policy)
        async with aclosing(router):

            async def apply(tables: Tables) -> None:
                router.change(await house.build(tables))

            config.subscribe(apply)
            async with beside(config.watch(look_interval)):
                yield router


def open_config(settings: Settings) -> ConfigFile:
    """Give the installation's `skein.toml`, which only one that was named has to have."""
    if settings.skein_config is not None:
        return ConfigFile(settings.skein_config)
    return ConfigFile(_DEFAULT_CONFIG if settings.heeds_environment else None, is_required=False)


class _House:
    """Builds what there is to ask, and keeps what has not changed."""

    def __init__(
        self,
        settings: Settings,
        session: aiohttp.ClientSession,
        shared: Database | None,
        stack: AsyncExitStack,
    ) -> None:
        self._settings = settings
        self._session = session
        self._shared = shared
        self._stack = stack
        self._limiters: dict[tuple[str, int | None, int | None], Limiter] = {}

    async def build(self, tables: Tables) -> Setup:
        """Build providers, limiters and the catalogue. Raises SettingsError."""
        settings, session = self._settings, self._session
        installed = await probe_ollama(session, settings.ollama_base_url)
        known = load_endpoints(settings, installed)
        get_key = choose_key_finder(settings)
        own = await asyncio.to_thread(add_endpoints, known, tables, get_key)
        endpoints = await probe_endpoints(session, own)
        catalogue = Catalogue(
            endpoints,
            settings.model,
            settings.models,
            {name: t.window_tokens for name, t in tables.models.items() if t.window_tokens},
            {"": settings.fallback_models}
            | {name: t.fallback for name, t in tables.models.items() if t.fallback is not None},
        )
        providers = {each.name: build_provider(each, session, settings) for each in endpoints}
        limiters = {
            each.name: await self._get_limiter(each.name, tables.providers.get(each.name))
            for each in endpoints
        }
        return Setup(catalogue, providers, limiters)

    async def _get_limiter(self, name: str, table: ProviderTable | None) -> Limiter:
        """Give the queue before a provider: the one from before, as long as its limits stay."""
        settings, table = self._settings, table or ProviderTable()
        requests = table.max_requests_per_minute or settings.max_requests_per_minute
        tokens = table.max_tokens_per_minute or settings.max_tokens_per_minute
        key = name, requests, tokens
        if key not in self._limiters:
            opened = open_limiter(name, requests, tokens, self._shared)
            self._limiters[key] = await self._stack.enter_async_context(opened)
        return self._limiters[key]


def add_endpoints(
    endpoints: tuple[Endpoint, ...], tables: Tables, get_key: Callable[[str], SecretStr | None]
) -> tuple[Endpoint, ...]:
    """Add the providers of `skein.toml`, before the others, whose settings it may change."""
    known = {endpoint.name: endpoint for endpoint in endpoints}
    own: dict[str, Endpoint] = {}
    for name, table in tables.providers.items():
        own[name] = _make_endpoint(name, table, known.get(name), get_key)
    rest = [e for e in endpoints if e.name not in own and (e.kind != "demo" or not own)]
    return (*own.values(), *rest)


def _make_endpoint(
    name: str,
    table: ProviderTable,
    known: Endpoint | None,
    get_key: Callable[[str], SecretStr | None],
) -> Endpoint:
    base_url = table.base_url or (known.base_url if known else "")
    if not base_url:
        mend = "Name its address, or set up the provider of that name."
        raise SettingsError("skein.toml", f"providers.{name}: there is no base_url", mend)
    key = get_key(table.api_key_env) if table.api_key_env else None
    if table.api_key_env and key is None:
        problem = f"providers.{name}.api_key_env: {table.api_key_env} is not set"
        raise SettingsError("skein.toml", problem, "Set it in the environment or in .env.")
    first = table.models[0] if table.models else ""
    made = known or Endpoint(name, table.kind or "openai", base_url, first or "default")
    default = table.default_model or first or made.default_model
    is_own = table.base_url is not None and table.kind != "anthropic" and not table.models
    return replace(
        made,
        kind=table.kind or made.kind,
        base_url=base_url,
        default_model=default,
        key=key or made.key,
        models=table.models or made.models,
        is_own=is_own or made.is_own,
        serves_any_name=made.serves_any_name or is_own,
    )
