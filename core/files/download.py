"""Fetches a file from a chat platform: from its own hosts, without a redirect, bounded in size and time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import SplitResult, urlsplit

import aiohttp

from core.errors import ExpiredFileError, FileError
from core.files.values import FileLimits, render_size

_ATTEMPTS = 3
_FIRST_PAUSE = timedelta(seconds=0.5)
_CHUNK_BYTES = 64 * 1024
_PORTS = {"http": 80, "https": 443}


class _BusyError(Exception):
    """The server may have it in a moment."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a file is, and what its server wants to see."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    login_means: str = ""
    """What it means where the server sends elsewhere, or a web page; empty for nothing."""
    may_be_page: bool = False
    """Whether the file itself is a web page."""


@asynccontextmanager
async def open_downloader(
    limits: FileLimits, find_proxy: Callable[[str], str | None] = lambda _: None
) -> AsyncGenerator[Downloader]:
    """Open the one session for all files. `find_proxy` says by which proxy an address is reached."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Downloader(session, limits, find_proxy)


class Downloader:
    """Fetches files."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        limits: FileLimits,
        find_proxy: Callable[[str], str | None],
    ) -> None:
        self._session = session
        self._find_proxy = find_proxy
        self._limits = limits

    async def fetch(self, address: Address) -> bytes:
        """Give a file's content. Raises FileError; ExpiredFileError where nothing is there any more."""
        try:
            async with asyncio.timeout(self._limits.timeout.total_seconds()):
                return await self._fetch_insistently(address)
        except TimeoutError:
            raise FileError("it could not be fetched in the time allowed") from None

    async def _fetch_insistently(self, address: Address) -> bytes:
        pause = _FIRST_PAUSE
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self._fetch(address)
            except (_BusyError, aiohttp.ClientError, OSError) as error:
                if attempt == _ATTEMPTS:
                    raise FileError("its server cannot be reached") from error
            await asyncio.sleep(pause.total_seconds())
            pause *= 2
        raise AssertionError

    async def _fetch(self, address: Address) -> bytes:
        async with self._session.get(
            address.url,
            headers=address.headers,
            proxy=self._find_proxy(address.url),
            allow_redirects=False,
        ) as response:
            self._check(response, address)
            content = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                content += chunk
                self._check_size(len(content))
            return bytes(content)

    def _check(self, response: aiohttp.ClientResponse, address: Address) -> None:
        status = response.status
        if status == 429 or status >= 500:
            raise _BusyError(status)
        if status in (403, 404, 410):
            raise ExpiredFileError("its server has it no more")
        if 300 <= status < 400:  # where Slack would ask a browser to log in
            raise FileError(address.login_means or "its server sends elsewhere")
        if status != 200:
            raise FileError(f"its server answers {status}")
        is_login = response.content_type == "text/html" and not address.may_be_page
        if address.login_means and is_login:
            raise FileError(address.login_means)
        self._check_size(response.content_length or 0)

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._limits.max_bytes:
            raise FileError(f"it is larger than {render_size(self._limits.max_bytes)}")


def is_on(url: str, hosts: Collection[str]) -> bool:
    """Tell whether an address is on one of these hosts, each `scheme://host[:port]`.

    A host that begins with a dot stands for all below it, too. The port has to be the same, and a
    user or password is nobody's.
    """
    try:
        parts = urlsplit(url)
        if parts.username is not None or parts.password is not None:
            return False
        return any(_is_same(parts, urlsplit(host)) for host in hosts)
    except ValueError:
        return False


def _is_same(parts: SplitResult, host: SplitResult) -> bool:
    name, wanted = parts.hostname or "", host.hostname or ""
    is_there = name == wanted or (wanted.startswith(".") and f".{name}".endswith(wanted))
    return bool(name) and is_there and parts.scheme == host.scheme and _port(parts) == _port(host)


def _port(parts: SplitResult) -> int | None:
    return parts.port or _PORTS.get(parts.scheme)
