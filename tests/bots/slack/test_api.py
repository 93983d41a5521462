"""Whatever a server answers becomes one of three errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web

from bots.delivery import SlowDownError, TransientError
from bots.slack.api import RefusedCallError, answer_of, back_off, insist
from bots.slack.bolt import make_client
from core.errors import DeliveryError

Answer = Callable[[], web.Response]


class Server:
    """Answers each call with what it is told."""

    def __init__(self) -> None:
        self.url = ""
        self.calls = 0
        self.answers: list[web.Response] = []
        self.hangs = False

    async def handle(self, request: web.Request) -> web.Response:
        self.calls += 1
        if self.hangs:
            await asyncio.sleep(5)
        return self.answers.pop(0)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server, app = Server(), web.Application()
    app.router.add_post("/api/{method}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/"
    yield server
    await runner.cleanup()


async def ask(server: Server, limit: timedelta = timedelta(seconds=5)) -> object:
    async with aiohttp.ClientSession() as session:
        client = make_client(server.url, "xoxb-test")
        client.session = session
        return await answer_of(client.chat_postMessage(channel="C1", text="hi"), limit)


async def test_answer_is_given(server: Server) -> None:
    server.answers = [web.json_response({"ok": True, "ts": "1.2"})]
    assert await ask(server) == {"ok": True, "ts": "1.2"}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda: web.json_response({"ok": False, "error": "is_archived"}), "is_archived"),
        (lambda: web.json_response({"ok": False}), "unreadable_answer"),
        (lambda: web.json_response([1]), "unreadable_answer"),
        (lambda: web.Response(text="<html>", content_type="text/html"), "unreadable_answer"),
        (lambda: web.Response(text="fine"), "unreadable_answer"),
        (lambda: web.Response(text="{", content_type="application/json"), "unreadable_answer"),
        (lambda: web.Response(status=404, text="not here"), "http_404"),
        (lambda: web.Response(status=404, text="<html>", content_type="text/html"), "http_404"),
    ],
    ids=["code", "no code", "list", "html", "text", "broken", "404 text", "404 html"],
)
async def test_refusal_carries_a_code(server: Server, answer: Answer, code: str) -> None:
    server.answers = [answer()]
    with pytest.raises(RefusedCallError) as caught:
        await ask(server)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.Response(status=502, text="bad gateway"),
        lambda: web.json_response({"ok": False, "error": "internal_error"}),
        lambda: web.json_response({"ok": False, "error": "fatal_error"}, status=500),
    ],
)
async def test_trouble_at_slack_may_pass(server: Server, answer: Answer) -> None:
    server.answers = [answer()]
    with pytest.raises(TransientError):
        await ask(server)
    assert server.calls == 1


@pytest.mark.parametrize(("header", "seconds"), [("30", 30), ("0.5", 0.5), ("soon", 1), ("-1", 0)])
async def test_retry_after_is_read(server: Server, header: str, seconds: float) -> None:
    answer = web.json_response({"ok": False, "error": "ratelimited"}, status=429)
    answer.headers["Retry-After"] = header
    server.answers = [answer]
    with pytest.raises(SlowDownError) as caught:
        await ask(server)
    assert caught.value.retry_after == timedelta(seconds=seconds)


async def test_silence_is_not_waited_out(server: Server) -> None:
    server.hangs = True
    with pytest.raises(TransientError, match="no answer"):
        await ask(server, timedelta(seconds=0.05))


async def test_closed_port_may_open() -> None:
    server = Server()
    server.url = "http://127.0.0.1:1/api/"
    with pytest.raises(TransientError):
        await ask(server)


async def test_insisting_ends_after_three_calls() -> None:
    calls = 0

    async def fail() -> None:
        nonlocal calls
        calls += 1
        raise SlowDownError(timedelta())

    with pytest.raises(DeliveryError, match="gave up"):
        await insist(fail)
    assert calls == 3


async def test_insisting_does_not_wait_for_ever() -> None:
    async def fail() -> None:
        raise SlowDownError(timedelta(hours=1))

    with pytest.raises(DeliveryError):
        await insist(fail)


def test_proxy_is_for_the_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "slack.internal.example")
    assert make_client("https://slack.com/api/").proxy == "http://proxy.example:3128"
    for address in (
        "http://127.0.0.1:80/api/",
        "http://[::1]:80/",
        "http://slack.internal.example/",
    ):
        assert make_client(address).proxy is None


def test_back_off_grows_to_a_bound() -> None:
    assert back_off(1) <= timedelta(seconds=0.5)
    assert timedelta(seconds=15) <= back_off(100) <= timedelta(seconds=30)
