"""Servers other than Slack's own answer with less, and are understood all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bots.delivery import FrozenError
from bots.slack.bolt import make_client
from bots.slack.events import parse_ts
from bots.slack.sink import SlackOutlet
from bots.slack.support import Support
from core.conversation import Author, Incoming, ThreadKey
from tests.bots.slack.fakes import make_turn


class SparseSlack:
    """Answers every call with a bare success, but for what it is told to answer."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.calls: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        self.calls.append(method)
        return web.json_response({"ok": True, **self.answers.get(method, {})})


@pytest.fixture
def sparse() -> SparseSlack:
    return SparseSlack()


@pytest.fixture
async def outlet(sparse: SparseSlack) -> AsyncIterator[SlackOutlet]:
    app = web.Application()
    app.add_routes([web.post("/api/{method}", sparse.answer)])
    key, ts = ThreadKey("slack", "T1", "C1", "1.0"), "1.0"
    turn = make_turn(Incoming(key, ts, Author("U1", "Ada"), "hi", parse_ts(ts)))
    async with TestServer(app, host="127.0.0.1") as server, aiohttp.ClientSession() as session:
        client = make_client(str(server.make_url("/api/")), "xoxb-1")
        client.session = session
        yield SlackOutlet(client, turn, "U2", Support(), lambda: None, _load_known)


async def _load_known() -> frozenset[str]:
    return frozenset()


async def test_message_that_is_not_named_stands_and_is_not_changed(
    sparse: SparseSlack, outlet: SlackOutlet
) -> None:
    reply = await outlet.post(0, "one")
    assert sparse.calls == ["chat.startStream", "chat.postMessage"]
    assert await outlet.seal(reply, "one") == reply
    with pytest.raises(FrozenError):
        await outlet.seal(reply, "one two")
    await outlet.remove(reply)
    assert sparse.calls == ["chat.startStream", "chat.postMessage"]


async def test_message_is_named_by_what_comes_back_of_it(
    sparse: SparseSlack, outlet: SlackOutlet
) -> None:
    sparse.answers["chat.postMessage"] = {"message": {"ts": "2.0"}}
    reply = await outlet.post(0, "one")
    assert reply.message_id == "2.0"
    await outlet.seal(reply, "one two")
    assert sparse.calls[-1] == "chat.update"
