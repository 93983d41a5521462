"""Files come from the platform's own hosts, within limits, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiohttp import web

from core.errors import ExpiredFileError, FileError
from core.files.download import Address, Downloader, is_on, open_downloader
from core.files.values import FileLimits

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LIMITS = FileLimits(max_bytes=100_000, timeout=timedelta(seconds=5))


@asynccontextmanager
async def serve(
    handler: Handler, limits: FileLimits = LIMITS
) -> AsyncGenerator[tuple[Downloader, str]]:
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with open_downloader(limits) as downloader:
            yield downloader, f"http://127.0.0.1:{runner.addresses[0][1]}/file"
    finally:
        await runner.cleanup()


def answer(status: int = 200, **more: object) -> Handler:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=status, **more)  # pyright: ignore[reportArgumentType]

    return handle


async def test_file_comes_with_the_headers_that_its_server_wants() -> None:
    async def handle(request: web.Request) -> web.Response:
        return web.Response(text=request.headers.get("Authorization", ""))

    async with serve(handle) as (downloader, url):
        content = await downloader.fetch(Address(url, {"Authorization": "Bearer x"}))
    assert content == b"Bearer x"


async def test_redirect_is_not_followed() -> None:
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async with serve(handle) as (downloader, url):
        with pytest.raises(FileError, match="sends elsewhere"):
            await downloader.fetch(Address(url))
    assert asked == ["/file"]


async def test_page_in_place_of_a_file_is_told() -> None:
    handler = answer(text="<html>Sign in", content_type="text/html")
    async with serve(handler) as (downloader, url):
        with pytest.raises(FileError, match="the app needs"):
            await downloader.fetch(Address(url, login_means="the app needs files:read"))
        assert await downloader.fetch(Address(url)) == b"<html>Sign in"
        page = Address(url, login_means="the app needs files:read", may_be_page=True)
        assert await downloader.fetch(page) == b"<html>Sign in"


async def test_redirect_to_log_in_is_told_even_for_a_page() -> None:
    page_means = "the app needs files:read"
    async with serve(answer(302, headers={"Location": "/signin"})) as (downloader, url):
        with pytest.raises(FileError, match=page_means):
            await downloader.fetch(Address(url, login_means=page_means, may_be_page=True))


@pytest.mark.parametrize("is_told", [True, False])
async def test_file_that_is_too_large_is_not_read_to_its_end(is_told: bool) -> None:
    sent = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        if is_told:
            response.content_length = 50_000_000
        await response.prepare(request)
        try:
            while sent < 50_000_000:
                await response.write(bytes(50_000))
                sent += 50_000
        except ConnectionResetError:
            pass
        return response

    async with serve(handle) as (downloader, url):
        with pytest.raises(FileError, match="larger than 100 kB"):
            await downloader.fetch(Address(url))
    assert sent < 50_000_000


async def test_file_that_does_not_come_is_given_up() -> None:
    async def handle(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    limits = FileLimits(timeout=timedelta(seconds=0.2))
    async with serve(handle, limits) as (downloader, url):
        with pytest.raises(FileError, match="in the time allowed"):
            await downloader.fetch(Address(url))


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_address_that_is_good_no_more_is_told_apart(status: int) -> None:
    async with serve(answer(status)) as (downloader, url):
        with pytest.raises(ExpiredFileError):
            await downloader.fetch(Address(url))


async def test_server_that_fails_once_is_asked_again() -> None:
    answers = iter([answer(503), answer(text="here")])

    async def handle(request: web.Request) -> web.StreamResponse:
        return await next(answers)(request)

    async with serve(handle) as (downloader, url):
        assert await downloader.fetch(Address(url)) == b"here"


@pytest.mark.parametrize(
    ("url", "is_there"),
    [
        ("https://files.slack.com/files-pri/T1-F1/a.png", True),
        ("https://slack.com/a", True),
        ("https://slack.com:443/a", True),
        ("https://acme.enterprise.slack.com/a", True),
        ("http://files.slack.com/a", False),
        ("https://files.slack.com:8443/a", False),
        ("https://evilslack.com/a", False),
        ("https://slack.com.evil.test/a", False),
        ("https://user@slack.com/a", False),
        ("https://evil.test\\@slack.com/a", False),
        ("https://evil.test/https://slack.com/", False),
        ("//slack.com/a", False),
        ("file:///etc/passwd", False),
        ("https://[::1", False),
        ("https://slack.com:notaport/", False),
        ("", False),
    ],
)
def test_only_own_hosts_count(url: str, is_there: bool) -> None:
    assert is_on(url, ("https://slack.com", "https://.slack.com")) is is_there
