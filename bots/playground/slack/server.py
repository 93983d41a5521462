"""A simulated workspace with a server of its own, for tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import web

from bots.playground.slack.files import MAX_BYTES
from bots.playground.slack.simulated import SimulatedSlack

HOST = "127.0.0.1"


@asynccontextmanager
async def serve_slack(
    slack: SimulatedSlack | None = None, *, port: int = 0
) -> AsyncGenerator[SimulatedSlack]:
    """Serve a workspace on loopback, on a port chosen by the system unless told, until the context ends."""
    slack = slack or SimulatedSlack()
    app = web.Application(client_max_size=MAX_BYTES)
    slack.add_to(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        slack.base_url = f"http://{HOST}:{runner.addresses[0][1]}/slack"
        yield slack
    finally:
        await runner.cleanup()
