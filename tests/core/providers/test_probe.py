"""What a server may send that is asked for its models, whatever it is."""

from __future__ import annotations

import gzip
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from core.providers.known.probe import SilentError, fetch_json


@asynccontextmanager
async def serving(make: Callable[[], web.Response]) -> AsyncGenerator[str]:
    async def answer(_: web.Request) -> web.Response:
        return make()

    app = web.Application()
    app.router.add_get("/models", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("/models"))


ZEROS = gzip.compress(b"0" * (17 * 1024 * 1024))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: web.Response(body=ZEROS, headers={"Content-Encoding": "gzip"}), "too long"),
        (lambda: web.Response(text="[" * 100_000), "no JSON"),
        (lambda: web.Response(text="9" * 5_000), "no JSON"),
        (lambda: web.Response(body=b"\xff\xfe{"), "no JSON"),
        (lambda: web.Response(text=""), "no JSON"),
    ],
    ids=["a bomb", "deep", "long number", "other encoding", "nothing"],
)
async def test_an_answer_of_any_kind_is_told_as_silence(
    session: aiohttp.ClientSession, make: Callable[[], web.Response], told: str
) -> None:
    async with serving(make) as url:
        with pytest.raises(SilentError, match=told):
            await fetch_json(session, url, seconds=20)


async def test_a_list_is_given_as_it_is(session: aiohttp.ClientSession) -> None:
    async with serving(lambda: web.json_response({"data": [{"id": "m"}]})) as url:
        assert await fetch_json(session, url) == {"data": [{"id": "m"}]}


async def test_a_redirect_is_not_followed_with_the_key(session: aiohttp.ClientSession) -> None:
    async with serving(lambda: web.json_response({"data": []})) as elsewhere:

        def send_on() -> web.Response:
            return web.Response(status=307, headers={"Location": elsewhere})

        async with serving(send_on) as url:
            with pytest.raises(SilentError, match="307"):
                await fetch_json(session, url, {"Authorization": "Bearer k"})
