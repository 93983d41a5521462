"""The page's routes, asked as a browser or a foreign website would ask them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from tests.bots.playground.page_kit import Stage, serve_stage, stored


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with serve_stage(model="demo/echo", notice="It plays.") as stage:
        yield stage


@pytest.fixture
async def client(stage: Stage) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(stage.url, timeout=timeout) as session:
        yield session


async def read_events(response: aiohttp.ClientResponse) -> AsyncGenerator[tuple[str, Any]]:
    name = ""
    async for raw in response.content:
        line = raw.decode().rstrip("\n")
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


async def post(client: aiohttp.ClientSession, path: str, **fields: Any) -> tuple[int, Any]:
    async with client.post(path, json=fields) as response:
        return response.status, await response.json()


# What is shown


async def test_page_names_only_its_own_files(client: aiohttp.ClientSession) -> None:
    async with client.get("/") as response:
        text = await response.text()
        assert response.status == 200
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "http://" not in text
    assert "https://" not in text
    assert "<script>" not in text


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/static/app.js", "text/javascript"),
        ("/static/format/markdown.js", "text/javascript"),
        ("/static/base.css", "text/css"),
        ("/static/mark.svg", "image/svg+xml"),
    ],
)
async def test_files_carry_their_type(
    client: aiohttp.ClientSession, path: str, content_type: str
) -> None:
    async with client.get(path) as response:
        assert response.status == 200
        assert response.content_type == content_type
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/static/none.js", "/static/../page.py", "/static/%2e%2e/page.py"]
)
async def test_other_files_are_not_served(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(path) as response:
        assert response.status == 404


async def test_state_has_both_platforms(client: aiohttp.ClientSession) -> None:
    async with client.get("/api/state") as response:
        state = await response.json()
    assert [each["platform"] for each in state["platforms"]] == ["slack", "discord"]
    assert (state["model"], state["notice"]) == ("demo/echo", "It plays.")


async def test_event_stream_begins_with_the_state_and_goes_on_with_the_feed(
    stage: Stage, client: aiohttp.ClientSession
) -> None:
    async with client.get("/api/events") as response:
        events = read_events(response)
        name, state = await anext(events)
        assert name == "state"
        assert len(state["platforms"]) == 2
        stage.discord.post("C1", "hello\nthere 🧶")
        name, event = await anext(events)
        assert (name, event["platform"], event["type"]) == ("feed", "discord", "message")
        assert event["message"]["text"] == "hello\nthere 🧶"


async def test_late_page_still_sees_recent_calls(
    stage: Stage, client: aiohttp.ClientSession
) -> None:
    async with client.get("/api/events") as response:
        events = read_events(response)
        await anext(events)
        stage.slack.call("chat.postMessage", 429, "ratelimited")
        stage.slack.deliver("message", "hello")
        await anext(events)
        await anext(events)
    async with client.get("/api/state") as response:
        recent = (await response.json())["recent"]
    assert [each["type"] for each in recent] == ["call", "delivery"]
    assert recent[1]["at"] >= recent[0]["at"]


async def test_server_ends_while_a_page_listens() -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(10):
        async with serve_stage() as stage:
            response = await session.get(f"{stage.url}api/events")
            events = read_events(response)
            await anext(events)
            loop = asyncio.get_running_loop()
            began = loop.time()
        assert loop.time() - began < timedelta(seconds=2).total_seconds()
        assert [event async for event in events] == []
        response.close()


async def test_conversation_is_asked_for_by_place(
    stage: Stage, client: aiohttp.ClientSession
) -> None:
    stage.memory.conversation = stored(("user", "hello", True))
    query = {"platform": "slack", "workspace": "W1", "channel": "C1", "thread": "1.2"}
    async with client.get("/api/conversation", params=query) as response:
        found = (await response.json())["conversation"]
    assert stage.memory.asked == [{**query, "parent": ""}]
    assert found["messages"][0]["text"] == "hello"


# What people do


async def test_message_is_posted_as_the_person(stage: Stage, client: aiohttp.ClientSession) -> None:
    fields = {"person": "U1", "channel": "C1", "text": "hello @skein"}
    status, answer = await post(client, "/api/slack/messages", **fields)
    assert status == 200
    message = stage.slack.messages[answer["id"]]
    assert (message["author"], message["text"]) == ("U1", "hello <@B1>")


async def test_command_gives_the_platforms_own_answer(
    stage: Stage, client: aiohttp.ClientSession
) -> None:
    fields = {"person": "U1", "channel": "C1", "name": "clear", "thread": "1.2"}
    status, answer = await post(client, "/api/slack/commands", **fields)
    assert (status, answer) == (200, {"answer": "/clear is not supported in threads. Sorry!"})


async def test_choices_and_actions_reach_the_platform(
    stage: Stage, client: aiohttp.ClientSession
) -> None:
    fields = {"person": "U1", "channel": "C1", "name": "model", "text": "gpt"}
    assert await post(client, "/api/discord/complete", **fields) == (
        200,
        {"choices": ["openai/gpt-4o"]},
    )
    message = stage.discord.post("C1", "Sure?")
    fields = {"person": "U1", "message": message["id"], "action": "yes", "value": "1"}
    assert await post(client, "/api/discord/actions", **fields) == (200, {})
    assert stage.discord.acted == [("U1", message["id"], "yes", "1")]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"person": "U1", "channel": "C1", "text": " "}, "there is nothing to send"),
        ({"person": "U1", "text": "hi"}, "'channel' is missing"),
        ({"person": "U9", "channel": "C1", "text": "hi"}, "nobody is called 'U9'"),
        ({"person": "U1", "channel": "C9", "text": "hi"}, "there is no channel 'C9'"),
        ({"person": "U1", "channel": "C1", "text": 5}, "'text' has to be a text"),
    ],
)
async def test_bad_input_is_refused_with_a_reason(
    client: aiohttp.ClientSession, fields: dict[str, Any], error: str
) -> None:
    assert await post(client, "/api/slack/messages", **fields) == (400, {"error": error})


@pytest.mark.parametrize("body", ["{", "[1]", "null", '"text"'])
async def test_body_that_is_no_object_is_refused(client: aiohttp.ClientSession, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    async with client.post("/api/slack/messages", data=body, headers=headers) as response:
        assert response.status == 400
        assert "error" in await response.json()


async def test_unknown_platform_is_told(client: aiohttp.ClientSession) -> None:
    status, answer = await post(client, "/api/irc/messages", person="U1")
    assert (status, answer) == (404, {"error": "there is no platform 'irc'"})


# What goes wrong when it is asked to


@pytest.mark.parametrize("kind", ["rate_limit", "server_error", "lost_answer", "slow"])
async def test_trouble_meets_the_calls_that_show_answers(
    stage: Stage, client: aiohttp.ClientSession, kind: str
) -> None:
    for platform in ("slack", "discord"):
        status, _ = await post(client, f"/api/{platform}/faults", kind=kind)
        assert status == 200
    assert stage.slack.faults.take("auth.test") is None
    assert stage.slack.faults.take("chat.postMessage") is not None
    assert stage.discord.faults.take("GET /gateway/bot") is None
    assert stage.discord.faults.take("POST /channels/1/messages") is not None


async def test_trouble_can_be_stopped(stage: Stage, client: aiohttp.ClientSession) -> None:
    await post(client, "/api/slack/faults", kind="rate_limit")
    await post(client, "/api/slack/faults", kind="calm")
    assert stage.slack.faults.take("chat.postMessage") is None


async def test_connection_is_cut_on_request(stage: Stage, client: aiohttp.ClientSession) -> None:
    status, answer = await post(client, "/api/discord/faults", kind="disconnect")
    assert (status, stage.discord.connections()) == (200, 0)
    assert answer["answer"].startswith("Cut 1 event connection;")


async def test_last_message_of_a_person_is_delivered_again(
    stage: Stage, client: aiohttp.ClientSession
) -> None:
    assert (await post(client, "/api/slack/faults", kind="redeliver"))[0] == 400
    stage.slack.post("C1", "from Ada", author="U1")
    stage.slack.post("C1", "from the bot")
    with stage.slack.feed.listen() as queue:
        status, _ = await post(client, "/api/slack/faults", kind="redeliver")
        event = queue.get_nowait()
    assert status == 200
    assert (event["type"], event["detail"], event["attempt"]) == ("delivery", "from Ada", 2)


async def test_unknown_trouble_is_refused(client: aiohttp.ClientSession) -> None:
    status, answer = await post(client, "/api/slack/faults", kind="flood")
    assert (status, answer) == (400, {"error": "there is no trouble called 'flood'"})


# Who may ask


@pytest.mark.parametrize("path", ["/", "/api/state", "/api/events", "/slack/api/ping"])
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "["]
)
async def test_foreign_host_is_refused(client: aiohttp.ClientSession, path: str, host: str) -> None:
    async with client.get(path, headers={"Host": host}) as response:
        assert response.status in (400, 403)
        assert "skein" not in (await response.text()).lower()


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", ""])
@pytest.mark.parametrize("path", ["/api/slack/messages", "/slack/api/ping", "/api/state"])
async def test_foreign_origin_is_refused(
    stage: Stage, client: aiohttp.ClientSession, path: str, origin: str
) -> None:
    fields = {"person": "U1", "channel": "C1", "text": "hi"}
    method = "POST" if path.endswith("messages") else "GET"
    async with client.request(method, path, json=fields, headers={"Origin": origin}) as response:
        assert response.status == 403
    assert not stage.slack.messages


async def test_form_of_a_foreign_page_is_refused(
    stage: Stage, client: aiohttp.ClientSession
) -> None:
    body = json.dumps({"person": "U1", "channel": "C1", "text": "hi"})
    headers = {"Content-Type": "text/plain"}
    async with client.post("/api/slack/messages", data=body, headers=headers) as response:
        assert response.status == 400
    headers = {"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"}
    async with client.post("/api/slack/messages", data=body, headers=headers) as response:
        assert response.status == 403
    assert not stage.slack.messages


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
async def test_own_names_are_served(stage: Stage, client: aiohttp.ClientSession, name: str) -> None:
    host = f"{name}:{stage.url.rpartition(':')[2].rstrip('/')}"
    headers = {"Host": host, "Origin": f"http://{host}"}
    async with client.get("/api/state", headers=headers) as response:
        assert response.status == 200
