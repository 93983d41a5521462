"""The playground: simulated platforms and the page in one server on 127.0.0.1."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from aiohttp import web

from bots.playground.base import Simulation
from bots.playground.keep import keep_simulations
from bots.playground.page.assets import load_assets
from bots.playground.page.guard import refuse_foreigners
from bots.playground.page.hub import Hub
from bots.playground.page.page import Page
from bots.playground.page.views import LoadConversation
from core.errors import SkeinError

HOST = "127.0.0.1"
MAX_REQUEST_BYTES = 32 * 1024 * 1024
"""What a bot may send at once; the platforms take files with their messages."""
CLOSING = timedelta(seconds=2)


class ServedSimulation(Simulation, Protocol):
    """A simulation that can be served from an application."""

    def add_to(self, app: web.Application, prefix: str = ...) -> None:
        """Serve the platform's network side below a path."""
        ...

    def locate(self, url: str) -> None:
        """Learn the address at which it is served, with its path and without a slash at the end."""
        ...

    @property
    def api_url(self) -> str:
        """The address that a bot is pointed to, in the form that its own variable wants."""
        ...


class PortTakenError(SkeinError):
    """Another program listens on the port."""

    def __init__(self, port: int) -> None:
        super().__init__(
            f"port {port} of {HOST} is in use. Stop what uses it, or choose another with --port."
        )
        self.port = port


@dataclass(frozen=True, slots=True)
class Playground:
    """A playground that runs."""

    url: str
    """The page's address."""
    api_urls: dict[str, str]
    """Where a bot reaches each platform."""


@asynccontextmanager
async def serve_playground(
    simulations: Sequence[ServedSimulation],
    conversations: LoadConversation,
    *,
    port: int = 0,
    keep: Path | None = None,
    model: str = "",
    notice: str = "",
) -> AsyncGenerator[Playground]:
    """Serve simulations and the page until the context ends; port 0 lets the system choose.

    `keep` is the file in which the simulations outlive a restart. `model` and `notice` stand on the
    page. Raises PortTakenError, and OSError for what else keeps a port from being opened.
    """
    assets = await asyncio.to_thread(load_assets)
    async with AsyncExitStack() as stack:
        if keep is not None:
            await stack.enter_async_context(keep_simulations(simulations, keep))
        hub = await stack.enter_async_context(Hub(simulations).run())
        app = web.Application(middlewares=[refuse_foreigners], client_max_size=MAX_REQUEST_BYTES)
        Page(hub, conversations, assets, model, notice).add_routes(app)
        for simulation in simulations:
            simulation.add_to(app, f"/{simulation.platform}")
        bound = await stack.enter_async_context(_listen(app, port))
        url = f"http://{HOST}:{bound}"
        for simulation in simulations:
            simulation.locate(f"{url}/{simulation.platform}")
        yield Playground(f"{url}/", {each.platform: each.api_url for each in simulations})


@asynccontextmanager
async def _listen(app: web.Application, port: int) -> AsyncGenerator[int]:
    """Open the port and give its number. A browser's open streams are not waited for long."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSING.total_seconds())
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
    except OSError as error:
        await runner.cleanup()
        if error.errno in (errno.EADDRINUSE, errno.EACCES) and port:
            raise PortTakenError(port) from error
        raise
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
