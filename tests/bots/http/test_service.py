"""The service over real sockets: what it answers, and what keeps it from opening."""

import asyncio
import logging
import re
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bots.http.service import open_service
from bots.link import Link
from core.errors import SettingsError
from core.settings import Settings, load_settings
from core.store.base import Store
from core.store.sqlite import open_sqlite


@dataclass
class Served:
    """A service that runs, and a client for it."""

    url: str
    slack: Link
    stop: asyncio.Event
    client: aiohttp.ClientSession

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        async with self.client.get(self.url + path) as response:
            return response.status, await response.json()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_sqlite(f"sqlite:///{tmp_path / 'skein.db'}") as store:
        yield store


async def settings_with(**given: object) -> Settings:
    return await asyncio.to_thread(load_settings, use_environment=False, **given)


@pytest.fixture
async def served(store: Store, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Served]:
    caplog.set_level(logging.INFO, "skein.http")
    slack, stop = Link(), asyncio.Event()
    settings = await settings_with(http_port=0, readiness_grace_seconds=0)
    async with (
        asyncio.timeout(20),
        open_service(settings, store, {"slack": slack}, stop),
        aiohttp.ClientSession() as client,
    ):
        url = re.search(r"http://127\.0\.0\.1:\d+", caplog.text)
        assert url, "the log names the address"
        yield Served(url[0], slack, stop, client)


async def wait_until_ready(served: Served) -> None:
    """The first look at the store comes right after the start."""
    served.slack.connect()
    while (await served.get("/readyz"))[0] != 200:  # noqa: ASYNC110 -- the service does it
        await asyncio.sleep(0)


async def test_it_is_alive_before_anything_is_connected(served: Served):
    assert await served.get("/livez") == (200, {"status": "alive"})
    status, body = await served.get("/readyz")
    assert status == 503
    assert body["status"] == "not ready"
    assert body["parts"]["slack"] == {"state": "connecting"}


async def test_it_is_ready_when_store_and_platform_are_there(served: Served):
    await wait_until_ready(served)
    both = {"store": {"state": "connected"}, "slack": {"state": "connected"}}
    for path in ("/readyz", "/healthz"):
        assert await served.get(path) == (200, {"status": "ready", "parts": both})


async def test_a_lost_part_is_named_with_its_seconds(served: Served):
    await wait_until_ready(served)
    served.slack.lose()
    status, body = await served.get("/readyz")
    assert status == 503
    assert body["parts"]["slack"] == {"state": "down", "down_seconds": 0}
    assert await served.get("/livez") == (200, {"status": "alive"})


async def test_it_is_not_ready_while_it_winds_down(served: Served):
    await wait_until_ready(served)
    served.stop.set()
    status, body = await served.get("/readyz")
    assert (status, body["status"]) == (503, "stopping")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/nowhere"])
async def test_no_answer_names_a_library_or_may_be_kept(served: Served, path: str):
    async with served.client.get(served.url + path) as response:
        said = str(response.headers) + await response.text()
        assert response.headers["Cache-Control"] == "no-store"
    assert not re.search(r"python|aiohttp|\d\.\d", said, re.IGNORECASE)


async def test_what_is_no_http_leaves_no_traceback_in_the_log(
    served: Served, caplog: pytest.LogCaptureFixture
):
    port = int(served.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n")
    assert (await reader.readline()).split()[1] == b"400"
    writer.close()
    await writer.wait_closed()
    assert "Traceback" not in caplog.text
    assert await served.get("/livez") == (200, {"status": "alive"})


async def test_without_a_port_nothing_listens(store: Store, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, "skein.http")
    before = asyncio.all_tasks()
    async with open_service(await settings_with(), store, {}, asyncio.Event()):
        assert asyncio.all_tasks() == before
    assert caplog.text == ""


@asynccontextmanager
async def opened(store: Store, **given: object) -> AsyncGenerator[None]:
    settings = await settings_with(**given)
    async with asyncio.timeout(20), open_service(settings, store, {}, asyncio.Event()):
        yield


async def test_a_port_in_use_is_a_settings_error(store: Store):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(SettingsError, match=f"HTTP_PORT: another program uses port {port}"):
            async with opened(store, http_port=port):
                pass


@pytest.mark.parametrize("host", ["203.0.113.1", "no.such.host.invalid", "a" * 70, "two words"])
async def test_a_host_that_is_not_this_machines_is_a_settings_error(store: Store, host: str):
    with pytest.raises(SettingsError, match="HTTP_HOST: this machine has no such address"):
        async with opened(store, http_port=0, http_host=host):
            pass


async def test_nothing_goes_on_once_it_is_closed(store: Store):
    before = asyncio.all_tasks()
    async with opened(store, http_port=0):
        pass
    assert asyncio.all_tasks() <= before
