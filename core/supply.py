"""Supplies the router: builds what there is to ask, and again when `skein.toml` or a server changes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta

import aiohttp

from core.adapters import build_provider, choose_key_finder, list_deluge_models, open_limiter
from core.config.tables import ProviderTable, Tables
from core.config.text import TableError
from core.errors import SettingsError
from core.prices import load_prices
from core.providers.base import Limiter, Provider
from core.providers.catalogue import Catalogue, Choice
from core.providers.known.endpoints import DELUGE, Endpoint, list_named, load_endpoints, settle
from core.providers.known.roll import Roll
from core.providers.router import Router, Setup
from core.settings import Settings
from core.store.database import Database

log = logging.getLogger("skein.providers")

LOOK_AGAIN_SECONDS = 10.0
"""How long after servers were asked nobody's unknown name has them asked again."""
_PATIENCE_SECONDS = 1.5
"""How long somebody waits for that: Discord wants a command answered within 3 seconds."""


class Supply:
    """Builds providers, limiters and the catalogue, and keeps what has not changed."""

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
        self._roll = Roll(session)
        self._tables = Tables()
        self._endpoints: tuple[Endpoint, ...] = ()
        self._router: Router | None = None
        self._providers: dict[str, tuple[Endpoint, Provider]] = {}
        self._limiters: dict[object, Limiter] = {}
        self._asking = asyncio.Lock()
        self._asked_at = 0.0

    def attach(self, router: Router) -> None:
        """Keep this router up to date from now on."""
        self._router = router
        router.subscribe(self.look_again)

    async def build(self, tables: Tables) -> Setup:
        """Build what the tables and the settings say. Raises SettingsError, with file and line."""
        async with self._asking:
            try:
                endpoints = await asyncio.to_thread(self._load, tables)
                await self._roll.ask_own(endpoints)
                self._providers = {}  # what they learnt may be what was mended
                setup = await self._assemble(endpoints, tables)
            except TableError as error:
                raise tables.locate(error) from error
            self._tables, self._endpoints = tables, endpoints
            self._asked_at = time.monotonic()
            return setup

    async def change(self, tables: Tables) -> None:
        """Take in tables that have changed. Raises SettingsError; then everything stays."""
        setup = await self.build(tables)
        if self._router:
            self._router.change(setup)

    async def watch(self) -> None:
        """Ask servers again and again until cancelled: nothing that is under way hears of it."""
        interval = self._settings.model_check_seconds
        if not interval:
            await asyncio.Event().wait()
        while True:
            await self._take_in(self._roll.ask_others)
            await asyncio.sleep(interval)
            await self._ask_own()

    async def look_again(self) -> None:
        """Ask servers again, since a name is unknown, unless they were asked just now. Never raises."""
        if time.monotonic() - self._asked_at < LOOK_AGAIN_SECONDS:
            return
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._ask_own()
        except TimeoutError:
            return

    async def _ask_own(self) -> None:
        self._asked_at = time.monotonic()
        await self._take_in(self._roll.ask_own)

    async def _take_in(self, ask: Callable[[Sequence[Endpoint]], Awaitable[bool]]) -> None:
        """Ask servers, and have the router know what is new. What fails is logged: answers do not need it."""
        async with self._asking:
            try:
                if await ask(self._endpoints) and self._router:
                    self._router.relist(await self._assemble(self._endpoints, self._tables))
            except SettingsError as error:
                log.warning("%s The models from before stay.", error)
            except Exception:
                log.exception("what servers say of their models cannot be taken in")

    def _load(self, tables: Tables) -> tuple[Endpoint, ...]:
        """List the endpoints. Raises TableError and SettingsError. Blocks."""
        load_prices()
        get_key = choose_key_finder(self._settings)
        endpoints = load_endpoints(self._settings, tables, get_key)
        return tuple(
            replace(each, only=self._list_deluge(tables)) if each.name == DELUGE else each
            for each in endpoints
        )

    def _list_deluge(self, tables: Tables) -> frozenset[str]:
        try:
            return list_deluge_models()
        except ModuleNotFoundError as error:
            problem = f"the models {DELUGE}/... need a package that is not installed ({error.name})"
            mend = "Install it: pip install 'skein-bot[deluge]'"
            named = list_named(self._settings, tables)
            keys = next((keys for keys, name in named if name.startswith(f"{DELUGE}/")), None)
            if keys and len(keys) == 1:
                raise SettingsError(keys[0], problem, mend) from error
            raise TableError(keys or ("providers", DELUGE), problem, mend) from error

    async def _assemble(self, endpoints: Sequence[Endpoint], tables: Tables) -> Setup:
        """Put together what is asked. Raises SettingsError."""
        settings = self._settings
        settled = settle(self._roll.fill(endpoints), settings)
        choice = Choice(settings.model, settings.models, settings.fallback_models)
        catalogue = Catalogue(settled, choice, tables.models)
        providers = {each.name: self._get_provider(each) for each in settled}
        limiters = {
            each.name: await self._get_limiter(each, tables.providers.get(each.name))
            for each in settled
        }
        return Setup(catalogue, providers, limiters)

    def _get_provider(self, endpoint: Endpoint) -> Provider:
        """Give an endpoint's adapter: the one from before, which has learnt, as long as its place stays."""
        made = self._providers.get(endpoint.name)
        if made and _is_same_place(made[0], endpoint):
            return made[1]
        provider = build_provider(endpoint, self._session, self._settings)
        self._providers[endpoint.name] = endpoint, provider
        return provider

    async def _get_limiter(self, endpoint: Endpoint, table: ProviderTable | None) -> Limiter:
        """Give the queue before a provider: the one from before, as long as limits, place and key stay."""
        settings, table = self._settings, table or ProviderTable()
        requests = table.max_requests_per_minute or settings.max_requests_per_minute
        tokens = table.max_tokens_per_minute or settings.max_tokens_per_minute
        key = endpoint.name, endpoint.base_url, endpoint.key, requests, tokens
        if key not in self._limiters:
            max_wait = timedelta(seconds=settings.max_queue_seconds)
            opened = open_limiter(endpoint.name, requests, tokens, max_wait, self._shared)
            self._limiters[key] = await self._stack.enter_async_context(opened)
        return self._limiters[key]


def _is_same_place(one: Endpoint, other: Endpoint) -> bool:
    return (one.kind, one.base_url, one.key) == (other.kind, other.base_url, other.key)
