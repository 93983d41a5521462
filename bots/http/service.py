"""Composes the HTTP service of `skein run`. A new page is one more line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

from bots.http.health import Health
from bots.http.metrics import MetricsPage, add_link_gauge
from bots.http.prometheus import PrometheusMetrics
from bots.http.readiness import Readiness, Watch
from bots.http.server import Page, serve_pages
from bots.link import Link
from core.beside import beside
from core.settings import Settings
from core.store.base import Store


@asynccontextmanager
async def open_service(
    settings: Settings,
    store: Store,
    platforms: Mapping[str, Link],
    stop: asyncio.Event,
    metrics: PrometheusMetrics | None = None,
) -> AsyncGenerator[None]:
    """Serve beside the body, also while it winds down. Does nothing where HTTP_PORT is not set.

    `platforms` are the frontends' links by their names; once `stop` is set, nothing is ready.

    Raises SettingsError where the port cannot be opened.
    """
    if settings.http_port is None:
        yield
        return
    grace = timedelta(seconds=settings.readiness_grace_seconds)
    store_link = Link()
    links = {"store": store_link, **platforms}
    readiness = Readiness(links, grace, stop.is_set)
    pages: list[Page] = [Health(readiness)]
    if metrics is not None:
        add_link_gauge(metrics, links)
        pages.append(MetricsPage(metrics))
    watch = Watch(readiness, store_link, store.ping, grace)
    async with serve_pages(pages, settings.http_host, settings.http_port), beside(watch.run()):
        yield
