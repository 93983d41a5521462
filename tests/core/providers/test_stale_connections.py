"""Which connections are used again: none that the server closed, as llama.cpp does, but one that it kept."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from core.providers.openai import OpenAIProvider
from tests.core.providers.contract import ask, read, text_of

EVENTS = (
    b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
    b"Keep-Alive: timeout=5, max=100\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(EVENTS), EVENTS)
)


async def answer_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    await reader.readexactly(int(length[1]) if length else 0)
    writer.write(ANSWER)
    writer.close()


@asynccontextmanager
async def serve() -> AsyncGenerator[str]:
    server = await asyncio.start_server(answer_and_close, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


async def test_a_question_on_a_connection_just_closed_is_sent_on_another(
    session: aiohttp.ClientSession,
) -> None:
    async with serve() as url:
        provider = OpenAIProvider("openai", session, url)
        for _ in range(4):
            assert text_of(await read(provider, ask("m"))) == "Hi"


async def test_a_connection_whose_answer_ends_a_moment_late_is_used_again(
    session: aiohttp.ClientSession,
) -> None:
    ports = list[int]()

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport
        ports.append(request.transport.get_extra_info("peername")[1])
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(EVENTS)
        await asyncio.sleep(0.02)  # a server's own pace
        return response

    app = web.Application()
    app.router.add_post("/chat/completions", answer)
    async with TestServer(app) as server:
        provider = OpenAIProvider("openai", session, str(server.make_url("")))
        for _ in range(2):
            await read(provider, ask("m"))
    assert len(set(ports)) == 1
