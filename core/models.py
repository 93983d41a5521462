"""The composition root of models: settings and `skein.toml` -> providers, limits, one router."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp

from core.beside import beside
from core.config.file import LOOK_INTERVAL, ConfigFile
from core.logs import hide_from_logs
from core.metrics import Metrics
from core.providers.asking.retry import RetryPolicy
from core.providers.router import Router
from core.providers.wire.proxy import list_proxy_passwords
from core.settings import Settings
from core.store.database import Database
from core.supply import Supply

_DEFAULT_CONFIG = Path("skein.toml")


@asynccontextmanager
async def open_models(
    settings: Settings,
    shared: Database | None = None,
    config: ConfigFile | None = None,
    look_interval: timedelta = LOOK_INTERVAL,
    metrics: Metrics | None = None,
) -> AsyncGenerator[Router]:
    """Open the configured models over one HTTP session. Raises SettingsError.

    `config` (None: the installation's) is loaded, and looked at so often. Limits are kept together
    by all processes on a shared database, if there is one. `metrics` hear of requests.
    """
    for password in list_proxy_passwords():
        hide_from_logs(password)
    # No limit of connections: the limiters decide who may ask, and no thread waits for another.
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session, AsyncExitStack() as stack:
        config = config or open_config(settings)
        supply = Supply(settings, session, shared, stack)
        setup = await supply.build(await config.load())
        policy = _make_policy(settings)
        router = Router(setup.catalogue, setup.providers, setup.limiters, policy, metrics=metrics)
        async with aclosing(router):
            supply.attach(router)
            config.subscribe(supply.change)
            async with beside(config.watch(look_interval)), beside(supply.watch()):
                yield router


def _make_policy(settings: Settings) -> RetryPolicy:
    return RetryPolicy(
        settings.max_attempts,
        max_retry_after=timedelta(seconds=settings.max_retry_after_seconds),
        retry_within=timedelta(seconds=settings.retry_within_seconds),
        max_queue_wait=timedelta(seconds=settings.max_queue_seconds),
        fallback_after=timedelta(seconds=settings.fallback_after_seconds),
        on_break=settings.on_break,
    )


def open_config(settings: Settings) -> ConfigFile:
    """Give the installation's `skein.toml`, which only one that was named has to have."""
    if settings.skein_config is not None:
        return ConfigFile(settings.skein_config)
    return ConfigFile(_DEFAULT_CONFIG if settings.heeds_environment else None, is_required=False)
