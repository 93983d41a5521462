"""The simulated REST API refuses what Discord refuses, with Discord's codes and shapes."""

from __future__ import annotations

from datetime import timedelta

import aiohttp
import pytest

from bots.playground.base import Fault
from bots.playground.discord import (
    ADA,
    ASK_SKEIN_CHANNEL,
    BOT_ID,
    GENERAL_CHANNEL,
    GUILD_ID,
    permissions,
)
from tests.bots.playground.discord_kit import FakeClock, served

MESSAGES = f"/channels/{GENERAL_CHANNEL}/messages"
NOWHERE = "1000000000000000000"


def error_of(body: dict[str, object], *path: str) -> dict[str, str]:
    """Give the first complaint about a field of a form."""
    errors = body["errors"]
    for name in path:
        errors = errors[name]  # pyright: ignore
    return errors["_errors"][0]  # pyright: ignore


async def test_wrong_token_is_unauthorized() -> None:
    async with served() as (_, call):
        reply = await call("GET", "/users/@me", token="wrong")
    assert (reply.status, reply.body) == (401, {"message": "401: Unauthorized", "code": 0})


async def test_content_type_carries_no_charset() -> None:
    async with served() as (_, call):
        reply = await call("GET", "/users/@me")
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.body["id"] == BOT_ID


async def test_unknown_route_is_not_found() -> None:
    async with served() as (_, call):
        reply = await call("GET", "/nothing/here")
    assert (reply.status, reply.body) == (404, {"message": "404: Not Found", "code": 0})


async def test_gateway_is_told_without_a_token() -> None:
    async with served() as (server, call), aiohttp.ClientSession() as session:
        async with session.get(server.api_url + "/gateway") as response:
            assert (await response.json())["url"] == server.gateway_url
        assert (await call("GET", "/gateway/bot")).body["url"] == server.gateway_url


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", f"/channels/{NOWHERE}", 404, 10003),
        ("GET", f"{MESSAGES}/{NOWHERE}", 404, 10008),
        ("GET", f"/users/{NOWHERE}", 404, 10013),
        ("GET", f"/guilds/{NOWHERE}", 404, 10004),
        ("GET", f"/guilds/{GUILD_ID}/members/{NOWHERE}", 404, 10007),
        ("GET", f"/applications/{NOWHERE}/commands", 404, 10002),
        ("GET", "/channels/general", 400, 50035),
        ("DELETE", f"/applications/{BOT_ID}/commands/{NOWHERE}", 404, 10063),
        ("PATCH", f"/webhooks/{BOT_ID}/nothing/messages/@original", 404, 10015),
        ("POST", f"/interactions/{NOWHERE}/nothing/callback", 404, 10062),
    ],
)
async def test_unknown_things_have_their_codes(
    method: str, path: str, status: int, code: int
) -> None:
    async with served() as (_, call):
        reply = await call(method, path, {} if method in ("PATCH", "POST") else None)
    assert (reply.status, reply.code) == (status, code)


async def test_message_over_2000_characters_is_refused_with_the_field() -> None:
    async with served() as (_, call):
        assert (await call.post(GENERAL_CHANNEL, "x" * 2000)).status == 200
        reply = await call.post(GENERAL_CHANNEL, "x" * 2001)
    assert (reply.status, reply.code) == (400, 50035)
    assert error_of(reply.body, "content") == {
        "code": "BASE_TYPE_MAX_LENGTH",
        "message": "Must be 2000 or fewer in length.",
    }


@pytest.mark.parametrize("content", ["", "   \n"])
async def test_empty_message_is_refused(content: str) -> None:
    async with served() as (_, call):
        reply = await call.post(GENERAL_CHANNEL, content)
    assert (reply.status, reply.code) == (400, 50006)


async def test_white_space_around_a_text_is_cut_off() -> None:
    async with served() as (_, call):
        reply = await call.post(GENERAL_CHANNEL, "\n  text  \n")
    assert reply.body["content"] == "text"


@pytest.mark.parametrize(
    ("form", "path"),
    [
        ({"embeds": [{"description": "x" * 4097}]}, ("embeds", "0", "description")),
        ({"embeds": [{"description": "x" * 4000}] * 2}, ("embeds",)),
        ({"embeds": [{"title": "x"}] * 11}, ("embeds",)),
        ({"content": "x", "nonce": "n" * 26}, ("nonce",)),
        ({"content": "x", "message_reference": {"message_id": NOWHERE}}, ("message_reference",)),
        (
            {"content": "x", "allowed_mentions": {"parse": ["users"], "users": [ADA]}},
            ("allowed_mentions",),
        ),
    ],
)
async def test_wrong_forms_name_the_field(form: dict[str, object], path: tuple[str, ...]) -> None:
    async with served() as (_, call):
        reply = await call("POST", MESSAGES, form)
    assert reply.code == 50035
    assert error_of(reply.body, *path)["message"]


async def test_body_that_is_not_json_is_refused() -> None:
    async with served() as (_, call):
        reply = await call("POST", MESSAGES, data=b"{")
    assert (reply.status, reply.code) == (400, 50109)


async def test_only_own_messages_can_be_edited_or_deleted() -> None:
    async with served() as (server, call):
        message = await server.say("Ada", GENERAL_CHANNEL, "mine")
        edit = await call("PATCH", f"{MESSAGES}/{message}", {"content": "yours"})
        delete = await call("DELETE", f"{MESSAGES}/{message}")
    assert (edit.status, edit.code) == (403, 50005)
    assert (delete.status, delete.code) == (403, 50013)


async def test_edit_and_delete_change_what_is_there() -> None:
    async with served() as (server, call):
        message = (await call.post(GENERAL_CHANNEL, "first")).body["id"]
        edited = await call("PATCH", f"{MESSAGES}/{message}", {"content": "second"})
        assert edited.body["edited_timestamp"]
        assert server.snapshot()["messages"][0]["text"] == "second"
        assert (await call("PATCH", f"{MESSAGES}/{message}", {"content": ""})).code == 50006
        assert (await call("DELETE", f"{MESSAGES}/{message}")).status == 204
        assert server.snapshot()["messages"] == []


async def test_history_is_read_around_before_and_after_newest_first() -> None:
    async with served() as (_, call):
        sent = [(await call.post(GENERAL_CHANNEL, str(n))).body["id"] for n in range(5)]
        answers = {
            query: [each["content"] for each in (await call("GET", f"{MESSAGES}?{query}")).body]
            for query in (
                "limit=2",
                f"before={sent[3]}&limit=2",
                f"after={sent[0]}&limit=2",
                f"around={sent[2]}&limit=3",
            )
        }
        too_many = await call("GET", f"{MESSAGES}?limit=101")
    assert list(answers.values()) == [["4", "3"], ["2", "1"], ["2", "1"], ["3", "2", "1"]]
    assert too_many.code == 50035


async def test_reply_mentions_its_author_only_where_allowed() -> None:
    async with served() as (server, call):
        asked = await server.say("Ada", GENERAL_CHANNEL, "question")
        reference = {"message_reference": {"message_id": asked}}
        loud = await call.post(GENERAL_CHANNEL, "a <@123> @everyone", **reference)
        quiet = await call.post(
            GENERAL_CHANNEL, f"<@{ADA}> @here", allowed_mentions={"parse": []}, **reference
        )
    assert [user["id"] for user in loud.body["mentions"]] == [ADA]
    assert loud.body["mention_everyone"]
    assert (quiet.body["mentions"], quiet.body["mention_everyone"]) == ([], False)
    assert quiet.body["type"] == 19
    assert quiet.body["referenced_message"]["id"] == asked


async def test_reply_to_nothing_is_sent_plainly_when_allowed() -> None:
    async with served() as (_, call):
        reference = {"message_id": NOWHERE, "fail_if_not_exists": False}
        reply = await call.post(GENERAL_CHANNEL, "text", message_reference=reference)
    assert (reply.status, reply.body["type"]) == (200, 0)


async def test_same_nonce_gives_the_earlier_message_for_some_minutes() -> None:
    clock = FakeClock()
    async with served(now=clock) as (_, call):
        first = await call.post(GENERAL_CHANNEL, "one", nonce="n", enforce_nonce=True)
        clock.turn(120)
        again = await call.post(GENERAL_CHANNEL, "two", nonce="n", enforce_nonce=True)
        elsewhere = await call.post(ASK_SKEIN_CHANNEL, "two", nonce="n", enforce_nonce=True)
        clock.turn(600)
        later = await call.post(GENERAL_CHANNEL, "three", nonce="n", enforce_nonce=True)
    assert again.body["id"] == first.body["id"]
    assert again.body["content"] == "one"
    assert len({each.body["id"] for each in (first, elsewhere, later)}) == 3


async def test_permissions_taken_away_are_missed_with_their_codes() -> None:
    async with served() as (server, call):
        message = await server.say("Ada", GENERAL_CHANNEL, "hello")
        server.deny(GENERAL_CHANNEL, permissions.SEND_MESSAGES)
        assert (await call.post(GENERAL_CHANNEL, "text")).code == 50013
        server.deny(GENERAL_CHANNEL, permissions.CREATE_PUBLIC_THREADS)
        assert (await call("POST", f"{MESSAGES}/{message}/threads", {"name": "t"})).code == 50013
        server.deny(GENERAL_CHANNEL, permissions.VIEW_CHANNEL)
        assert (await call.post(GENERAL_CHANNEL, "text")).code == 50001
        server.deny(GENERAL_CHANNEL, 0)
        assert (await call.post(GENERAL_CHANNEL, "text")).status == 200


async def test_thread_takes_its_messages_id_and_is_made_once() -> None:
    async with served() as (server, call):
        message = await server.say("Ada", GENERAL_CHANNEL, "question")
        path = f"{MESSAGES}/{message}/threads"
        made = await call("POST", path, {"name": "Answers", "auto_archive_duration": 60})
        again = await call("POST", path, {"name": "Answers"})
        nameless = await call("POST", path.replace(GENERAL_CHANNEL, ASK_SKEIN_CHANNEL), {})
        inner = await call("POST", f"/channels/{message}/threads", {"name": "deeper", "type": 11})
        start = (await call("GET", f"/channels/{message}/messages")).body
    assert (made.status, made.body["id"], made.body["type"]) == (201, message, 11)
    assert (again.status, again.code) == (400, 160004)
    assert nameless.code == 10008
    assert inner.code == 50024
    assert [(each["type"], each["referenced_message"]["content"]) for each in start] == [
        (21, "question")
    ]


async def test_posting_reopens_an_archived_thread_unless_locked() -> None:
    async with served() as (server, call):
        thread = await server.start_thread("Ada", GENERAL_CHANNEL, "talk")
        await server.archive_thread(thread)
        assert (await call("PATCH", f"/channels/{thread}", {"name": "x"})).code == 50013
        assert (await call.post(thread, "back")).status == 200
        state = (await call("GET", f"/channels/{thread}")).body["thread_metadata"]
        assert not state["archived"]
        await server.archive_thread(thread, locks=True)
        assert (await call.post(thread, "back")).code == 50083


async def test_own_thread_can_be_renamed_and_archived() -> None:
    async with served() as (_, call):
        made = await call("POST", f"/channels/{GENERAL_CHANNEL}/threads", {"name": "a", "type": 11})
        path = f"/channels/{made.body['id']}"
        renamed = await call("PATCH", path, {"name": "b", "archived": True})
        listed = await call("GET", f"/channels/{GENERAL_CHANNEL}/threads/archived/public")
    assert (renamed.body["name"], renamed.body["thread_metadata"]["archived"]) == ("b", True)
    assert [each["name"] for each in listed.body["threads"]] == ["b"]


async def test_dm_is_opened_with_a_person_alone() -> None:
    async with served() as (_, call):
        opened = await call("POST", "/users/@me/channels", {"recipient_id": ADA})
        refused = await call("POST", "/users/@me/channels", {"recipient_id": NOWHERE})
    assert (opened.body["type"], opened.body["recipients"][0]["id"]) == (1, ADA)
    assert refused.code == 50033


async def test_file_is_attached_and_served() -> None:
    form = aiohttp.FormData()
    form.add_field("payload_json", '{"content": "see"}')
    form.add_field("files[0]", b"data", filename="notes.txt", content_type="text/plain")
    async with served() as (_, call):
        reply = await call("POST", MESSAGES, data=form)
        (attachment,) = reply.body["attachments"]
        async with call.session.get(attachment["url"]) as response:
            data = await response.read()
    assert (reply.body["content"], attachment["filename"], data) == ("see", "notes.txt", b"data")


async def test_content_is_left_out_of_history_where_it_is_not_granted() -> None:
    async with served(grants_message_content=False) as (server, call):
        await server.say("Ada", GENERAL_CHANNEL, "secret")
        await server.say("Ada", GENERAL_CHANNEL, "@skein hello")
        texts = [each["content"] for each in (await call("GET", MESSAGES)).body]
    assert texts == [f"<@{BOT_ID}> hello", ""]


class TestLimits:
    async def test_sixth_message_in_five_seconds_is_refused_in_that_channel_alone(self) -> None:
        clock = FakeClock()
        async with served(now=clock, rate_limits=1) as (_, call):
            sent = [await call.post(GENERAL_CHANNEL, "x") for _ in range(6)]
            other = await call.post(ASK_SKEIN_CHANNEL, "x")
            clock.turn(5)
            later = await call.post(GENERAL_CHANNEL, "x")
        assert [each.status for each in sent] == [200] * 5 + [429]
        assert [each.headers["X-RateLimit-Remaining"] for each in sent] == list("432100")
        assert (other.status, later.status) == (200, 200)
        refused = sent[-1]
        assert refused.body["retry_after"] == 5
        assert not refused.body["global"]
        assert refused.headers["Via"]
        assert refused.headers["X-RateLimit-Scope"] == "user"
        assert refused.headers["X-RateLimit-Bucket"] == sent[0].headers["X-RateLimit-Bucket"]

    async def test_fifty_calls_a_second_are_the_most_of_all(self) -> None:
        clock = FakeClock()
        async with served(now=clock, rate_limits=1) as (_, call):
            for path in ("/users/@me", "/gateway/bot"):
                for _ in range(20):
                    await call("GET", path)
            clock.turn(0.5)
            replies = [await call("GET", f"/guilds/{GUILD_ID}") for _ in range(11)]
        assert [each.status for each in replies] == [200] * 10 + [429]
        assert replies[-1].body["global"]
        assert replies[-1].headers["X-RateLimit-Global"] == "true"

    async def test_old_messages_take_few_edits(self) -> None:
        clock = FakeClock()
        async with served(now=clock, rate_limits=1) as (_, call):
            message = (await call.post(GENERAL_CHANNEL, "x")).body["id"]
            clock.turn(3601)
            path = f"{MESSAGES}/{message}"
            edits = [await call("PATCH", path, {"content": str(n)}) for n in range(4)]
        assert [each.status for each in edits] == [200, 200, 200, 429]
        assert edits[-1].code == 30046

    async def test_limits_can_be_scaled(self) -> None:
        clock = FakeClock()
        async with served(now=clock, rate_limits=0.01) as (_, call):
            sent = [await call.post(GENERAL_CHANNEL, "x") for _ in range(6)]
        assert sent[-1].body["retry_after"] == 0.05


class TestFaults:
    async def test_429_carries_the_wait(self) -> None:
        async with served() as (server, call):
            server.faults.add(
                Fault("POST /channels/*/messages", 429, retry_after=timedelta(seconds=7))
            )
            refused, sent = [await call.post(GENERAL_CHANNEL, "x") for _ in range(2)]
        assert (refused.status, refused.body["retry_after"]) == (429, 7)
        assert (refused.headers["Retry-After"], refused.headers["Via"]) == ("8", "1.1 google")
        assert sent.status == 200

    async def test_5xx_leaves_no_message_unless_it_comes_after(self) -> None:
        async with served() as (server, call):
            server.faults.add(Fault("POST *", 503))
            assert (await call.post(GENERAL_CHANNEL, "x")).status == 503
            assert server.snapshot()["messages"] == []
            server.faults.add(Fault("POST *", 502, after=True))
            assert (await call.post(GENERAL_CHANNEL, "x")).status == 502
            assert len(server.snapshot()["messages"]) == 1

    async def test_error_can_have_discords_code(self) -> None:
        async with served() as (server, call):
            server.faults.add(Fault("PATCH *", 403, error="50001"))
            assert (await call("PATCH", f"/channels/{GENERAL_CHANNEL}", {})).code == 50001

    async def test_connection_is_lost_with_the_answer(self) -> None:
        async with served() as (server, call):
            server.faults.add(Fault("POST *", drop=True, after=True))
            with pytest.raises(aiohttp.ClientConnectionError):
                await call.post(GENERAL_CHANNEL, "x")
            assert len(server.snapshot()["messages"]) == 1
            assert [recorded.status for recorded in server.calls] == [0]

    async def test_slow_answer_is_only_slow(self) -> None:
        async with served() as (server, call):
            delay = timedelta(milliseconds=50)
            server.faults.add(Fault("POST *", is_slow_only=True, delay=delay))
            assert (await call.post(GENERAL_CHANNEL, "x")).status == 200
            assert server.calls[-1].milliseconds >= 50
