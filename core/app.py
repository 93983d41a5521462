"""The composition root: opens store, models and turns from the settings, and closes them in reverse.

Concrete backends are named here, and those of models in `core/models.py`, alone: a new kind is one more line.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from core.beside import beside
from core.config.file import ConfigFile
from core.config.tables import Tables
from core.errors import SettingsError, UnknownModelError
from core.files.download import open_downloader
from core.gate import Gate
from core.intake import Intake
from core.limits.quotas import Quotas, load_quotas
from core.limits.table import parse_limits
from core.memory.gauge import Gauge
from core.memory.memory import Memory
from core.memory.prompts import ConfiguredPrompts, LivePrompts
from core.memory.ratios import keep_ratios
from core.memory.summaries import Summaries
from core.metrics import GuardedMetrics, Metrics, NullMetrics
from core.models import open_config, open_models
from core.prices import Prices, load_prices
from core.providers.base import Models
from core.providers.router import Router
from core.providers.wire.proxy import find_proxy
from core.run import TurnOptions
from core.scheduler import run_scheduler
from core.settings import Settings
from core.store.base import Store
from core.store.migrate import Migrator
from core.store.sql import SqlStore
from core.store.sqlite import lock_sqlite, open_sqlite, open_sqlite_migrator
from core.threads import Threads
from core.turns import Turns

log = logging.getLogger("skein.app")


@dataclass(frozen=True, slots=True)
class App:
    """Everything that frontends and commands need of the core."""

    settings: Settings
    store: Store
    models: Router
    turns: Turns
    threads: Threads


@asynccontextmanager
async def open_app(
    settings: Settings, *, is_runner: bool = False, metrics: Metrics | None = None
) -> AsyncGenerator[App]:
    """Open the core until the context ends. A runner shares the work with others, where there may be any.

    `metrics` hear of what happens.

    Raises SettingsError for what has to be mended first, StoreBusyError where another runner holds
    the database, NewerDatabaseError and StoreError where the store cannot be used.
    """
    metrics = GuardedMetrics(metrics or NullMetrics())
    async with AsyncExitStack() as stack:
        backend = find_backend(settings.database_url)
        if is_runner:
            await stack.enter_async_context(backend.lock_runner(settings.database_url))
        store = await stack.enter_async_context(backend.open_store(settings.database_url))
        if is_runner:
            await store.free_the_deads()
        shared = store.database if store.is_shared else None
        config = open_config(settings)
        models = await stack.enter_async_context(
            open_models(settings, shared, config, metrics=metrics)
        )
        limits = settings.file_limits
        downloader = await stack.enter_async_context(open_downloader(limits, find_proxy))
        intake = Intake(store, downloader, limits)
        options = turn_options(settings)
        prices = Prices(models.find_address, models.find_price)
        metrics.price_by(prices.find_cost)
        gauge = Gauge()
        memory = build_memory(store, models, options, settings, config, prices, gauge)
        quotas = LiveQuotas(load_quotas(settings), config) if is_runner else Quotas
        gate = Gate(store, prices, quotas, settings.queue_notice)
        if is_runner:
            await asyncio.to_thread(warn_of_unknown_prices, quotas(), models, prices)
        turns = await stack.enter_async_context(
            Turns(store, models, options, intake=intake, memory=memory, gate=gate, metrics=metrics)
        )
        if is_runner:
            await stack.enter_async_context(beside(turns.share()))
            await stack.enter_async_context(keep_ratios(store, gauge))
            await stack.enter_async_context(beside(run_scheduler(store, settings.retention)))
        yield App(settings, store, models, turns, Threads(store, models, turns))


@dataclass(frozen=True, slots=True)
class Backend:
    """A kind of database: each function takes DATABASE_URL. All raise SettingsError and StoreError."""

    open_store: Callable[[str], AbstractAsyncContextManager[SqlStore]]
    open_migrator: Callable[[str], AbstractAsyncContextManager[Migrator]]
    lock_runner: Callable[[str], AbstractAsyncContextManager[None]]
    """Held by each `skein run`."""
    lock_alone: Callable[[str], AbstractAsyncContextManager[None]]
    """Held by what bears no `skein run` beside it."""


def find_backend(url: str, variable: str = "DATABASE_URL") -> Backend:
    """Give the kind of database that serves an address. Raises SettingsError when none does."""
    match url.partition(":")[0]:
        case "sqlite":
            return Backend(open_sqlite, open_sqlite_migrator, lock_sqlite, lock_sqlite)
        case "postgresql" | "postgres":
            # Imported only where it is used: asyncpg takes a tenth of a second.
            from core.store.postgres import open_postgres, open_postgres_migrator
            from core.store.runner import lock_postgres

            lock_alone = partial(lock_postgres, is_alone=True)
            return Backend(open_postgres, open_postgres_migrator, lock_postgres, lock_alone)
        case _:
            raise SettingsError(
                variable,
                "no store serves this kind of address",
                "Use an SQLite file, for instance sqlite:///skein.db, or a PostgreSQL database, "
                "for instance postgresql://user:password@host/database.",
            )


class LiveQuotas:
    """The limits of people: those of the settings, with those of `skein.toml` as it is now over them."""

    def __init__(self, base: Quotas, config: ConfigFile) -> None:
        self._base = base
        self._now = parse_limits(config.tables.limits, base)
        config.subscribe(self._apply)

    def __call__(self) -> Quotas:
        """Give what holds now."""
        return self._now

    async def _apply(self, tables: Tables) -> None:
        self._now = parse_limits(tables.limits, self._base)


def build_memory(
    store: Store,
    models: Models,
    options: TurnOptions,
    settings: Settings,
    config: ConfigFile,
    prices: Prices,
    gauge: Gauge,
) -> Memory:
    """Build what prepares questions. Raises SettingsError where no model summarizes."""
    summary_model = settings.summary_model
    if summary_model is not None:
        try:
            models.get_model(summary_model)
        except UnknownModelError as error:
            mend = "Name a model that a configured provider serves, or leave it empty."
            raise SettingsError("SUMMARY_MODEL", str(error), mend) from error
    summaries = Summaries(store, models, summary_model, gauge, prices)
    return Memory(
        store,
        models,
        options,
        prompts=LivePrompts(
            lambda: ConfiguredPrompts(
                config.tables.prompts.workspace, config.tables.prompts.channel
            )
        ),
        summaries=summaries,
        gauge=gauge,
        admins=frozenset(settings.admins),
    )


def read_system_prompt(settings: Settings) -> str:
    """Give the installation's prompt, from its file if it has one. Raises SettingsError."""
    if settings.system_prompt_file is None:
        return settings.system_prompt
    try:
        return settings.system_prompt_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        mend = "Name a file of UTF-8 text that the bot's user can read."
        raise SettingsError("SYSTEM_PROMPT_FILE", f"cannot be read: {error}", mend) from error


def warn_of_unknown_prices(quotas: Quotas, models: Models, prices: Prices) -> None:
    """Load the table of prices, and log where a limit of money has nothing to go by. Blocks."""
    load_prices()
    default = models.default
    if quotas.limits_cost and not prices.knows(default.provider, default.model):
        log.warning(
            "the price of %s is unknown, so that its answers add nothing to the limits of cost: "
            'set it in skein.toml ([models."%s"] input_price_per_million, output_price_per_million), '
            "or limit tokens too (LIMIT_USER_TOKENS_PER_DAY, ...)",
            default,
            default,
        )


def turn_options(settings: Settings) -> TurnOptions:
    """Give the settings that concern turns."""
    return TurnOptions(
        system_prompt=read_system_prompt(settings),
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        max_context_tokens=settings.max_context_tokens,
        max_attempts=settings.max_attempts,
        waiting=settings.waiting,
        max_age=settings.max_question_age,
        store_patience=timedelta(seconds=settings.store_patience_seconds),
    )
