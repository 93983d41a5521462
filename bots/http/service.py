"""Composes the HTTP service of `skein run`. A new page is one more line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Protocol

from bots.frontend import Frontend
from bots.http.health import Health
from bots.http.readiness import Readiness, Watch
from bots.http.server import serve_pages
from bots.link import Link
from core.beside import beside
from core.settings import Settings


class PingableStore(Protocol):
    """What the service needs of a store."""

    async def ping(self) -> None:
        """Return if the store serves. Raises StoreError."""
        ...


@asynccontextmanager
async def open_service(
    settings: Settings, store: PingableStore, frontends: Sequence[Frontend], stop: asyncio.Event
) -> AsyncGenerator[None]:
    """Serve beside the body, also while it winds down. Does nothing where HTTP_PORT is not set.

    Raises SettingsError where the port cannot be opened.
    """
    if settings.http_port is None:
        yield
        return
    grace = timedelta(seconds=settings.readiness_grace_seconds)
    store_link = Link()
    links = {"store": store_link} | {frontend.name: frontend.link for frontend in frontends}
    readiness = Readiness(links, grace, stop.is_set)
    pages = [Health(readiness)]
    watch = Watch(readiness, store_link, store.ping, grace)
    async with serve_pages(pages, settings.http_host, settings.http_port), beside(watch.run()):
        yield
