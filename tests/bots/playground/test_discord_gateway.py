"""The simulated gateway: who may connect, what each sees, and how a lost connection is taken up again."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
import discord
import pytest

from bots.playground.discord import (
    ADA,
    BOT_ID,
    GENERAL_CHANNEL,
    GUILD_ID,
    SimulatedDiscord,
)
from tests.bots.playground.discord_kit import (
    ADA_DM,
    SOON,
    FakeClock,
    RecordingBot,
    pointed_at,
    running,
    served,
)

GUILDS, MESSAGES, DMS, CONTENT = 1, 1 << 9, 1 << 12, 1 << 15


class PlainGateway:
    """Speaks to the gateway without any SDK in between."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, token: str) -> None:
        self.socket = socket
        self.token = token

    async def take(self) -> dict[str, Any]:
        async with asyncio.timeout(SOON):
            return await self.socket.receive_json()

    async def take_event(self, name: str) -> dict[str, Any]:
        while (payload := await self.take())["t"] != name:
            pass
        return payload

    async def close_code(self) -> int | None:
        async with asyncio.timeout(SOON):
            async for _ in self.socket:
                pass
        return self.socket.close_code

    async def identify(self, intents: int, **more: Any) -> None:
        await self.send(2, {"token": self.token, "intents": intents, "properties": {}, **more})

    async def send(self, opcode: int, data: Any) -> None:
        await self.socket.send_json({"op": opcode, "d": data})

    async def enter(self, intents: int, **more: Any) -> dict[str, Any]:
        """Identify; gives READY's data."""
        await self.identify(intents, **more)
        return (await self.take_event("READY"))["d"]


@asynccontextmanager
async def plain_gateway(server: SimulatedDiscord) -> AsyncGenerator[PlainGateway]:
    url = server.gateway_url + "?v=10&encoding=json"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        gateway = PlainGateway(socket, server.bot_token)
        assert (await gateway.take())["op"] == 10
        yield gateway


class TestEntry:
    async def test_heartbeat_is_acknowledged_before_identify(self) -> None:
        async with served() as (server, _), plain_gateway(server) as gateway:
            await gateway.send(1, None)
            assert (await gateway.take())["op"] == 11

    async def test_ready_names_this_server_for_the_resume(self) -> None:
        async with served() as (server, _), plain_gateway(server) as gateway:
            ready = await gateway.enter(GUILDS)
            assert ready["resume_gateway_url"] == server.gateway_url
            assert ready["guilds"] == [{"id": GUILD_ID, "unavailable": True}]
            guild = (await gateway.take_event("GUILD_CREATE"))["d"]
            assert [member["user"]["id"] for member in guild["members"]] == [BOT_ID]

    async def test_events_are_compressed_where_asked(self) -> None:
        async with served() as (server, _), aiohttp.ClientSession() as session:
            url = server.gateway_url + "?v=10&encoding=json&compress=zlib-stream"
            async with session.ws_connect(url) as socket, asyncio.timeout(SOON):
                hello = json.loads(zlib.decompressobj().decompress(await socket.receive_bytes()))
        assert hello["op"] == 10

    @pytest.mark.parametrize(
        ("opcode", "data", "code"),
        [
            (2, {"token": "wrong", "intents": 1}, 4004),
            (6, {"token": "wrong", "session_id": "x", "seq": 1}, 4004),
            (8, {}, 4003),
            (2, {"intents": 1 << 1}, 4014),
            (2, {}, 4013),
            (2, {"intents": 1, "shard": [2, 2]}, 4010),
        ],
    )
    async def test_wrong_entry_is_closed_with_its_code(
        self, opcode: int, data: dict[str, Any], code: int
    ) -> None:
        async with served() as (server, _), plain_gateway(server) as gateway:
            await gateway.send(opcode, {"token": server.bot_token, **data})
            assert await gateway.close_code() == code

    async def test_text_that_is_no_payload_is_closed(self) -> None:
        async with served() as (server, _), plain_gateway(server) as gateway:
            await gateway.socket.send_str("hello?")
            assert await gateway.close_code() == 4002

    async def test_silent_bot_is_closed(self) -> None:
        interval = timedelta(milliseconds=50)
        options = {"heartbeat_interval": interval}
        async with served(**options) as (server, _), plain_gateway(server) as gateway:
            assert await gateway.close_code() == 4009

    async def test_message_content_must_be_granted(self) -> None:
        async with served(grants_message_content=False) as (server, _):
            async with plain_gateway(server) as gateway:
                await gateway.identify(GUILDS | MESSAGES | CONTENT)
                assert await gateway.close_code() == 4014
            assert server.connections() == 0

    async def test_real_client_is_told_of_a_refused_intent(self) -> None:
        async with served(grants_message_content=False) as (server, _), RecordingBot() as bot:
            with pointed_at(server), pytest.raises(discord.PrivilegedIntentsRequired):
                async with asyncio.timeout(SOON):
                    await bot.start(server.bot_token)

    async def test_real_client_is_told_of_a_wrong_token(self) -> None:
        async with served() as (server, _), RecordingBot() as bot:
            with pointed_at(server), pytest.raises(discord.LoginFailure):
                await bot.login("wrong")


class TestSight:
    async def test_without_content_intent_only_mentions_own_and_dms_can_be_read(self) -> None:
        async with served() as (server, call), plain_gateway(server) as gateway:
            await gateway.enter(GUILDS | MESSAGES | DMS)
            await server.say("Ada", GENERAL_CHANNEL, "for others")
            await server.say("Ada", GENERAL_CHANNEL, "hey @skein")
            await server.say("Ada", ADA_DM, "private")
            await call.post(GENERAL_CHANNEL, "own")
            seen = [(await gateway.take_event("MESSAGE_CREATE"))["d"] for _ in range(4)]
        assert [each["content"] for each in seen] == ["", f"hey <@{BOT_ID}>", "private", "own"]
        assert [each.get("guild_id") for each in seen] == [GUILD_ID, GUILD_ID, None, GUILD_ID]

    async def test_reply_to_the_bot_mentions_it(self) -> None:
        async with served() as (server, call), plain_gateway(server) as gateway:
            await gateway.enter(GUILDS | MESSAGES)
            own = (await call.post(GENERAL_CHANNEL, "own")).body["id"]
            await server.say("Ada", GENERAL_CHANNEL, "and then?", reply_to=own)
            await gateway.take_event("MESSAGE_CREATE")
            reply = (await gateway.take_event("MESSAGE_CREATE"))["d"]
        assert reply["content"] == "and then?"
        assert [each["id"] for each in reply["mentions"]] == [BOT_ID]

    async def test_events_without_their_intent_are_not_sent(self) -> None:
        async with served() as (server, _), plain_gateway(server) as gateway:
            await gateway.enter(MESSAGES)
            await server.say("Ada", ADA_DM, "private")
            await server.say("Ada", GENERAL_CHANNEL, "public")
            first = await gateway.take()
        assert (first["t"], first["d"]["channel_id"]) == ("MESSAGE_CREATE", GENERAL_CHANNEL)

    async def test_shards_share_the_guild_and_the_first_has_the_dms(self) -> None:
        number = (int(GUILD_ID) >> 22) % 2
        async with (
            served() as (server, _),
            plain_gateway(server) as zero,
            plain_gateway(server) as one,
        ):
            ready = [
                await gateway.enter(MESSAGES | DMS, shard=[n, 2])
                for n, gateway in enumerate((zero, one))
            ]
            await server.say("Ada", GENERAL_CHANNEL, "in the guild")
            await server.say("Ada", ADA_DM, "private")
            heard = await (zero, one)[number].take_event("MESSAGE_CREATE")
            private = await zero.take_event("MESSAGE_CREATE") if number else await zero.take()
        assert [bool(each["guilds"]) for each in ready] == [number == 0, number == 1]
        assert heard["d"]["content"] == ""
        assert private["d"]["content"] == "private"

    async def test_ephemeral_answer_comes_without_a_guild(self) -> None:
        async with served() as (server, call), plain_gateway(server) as gateway:
            await gateway.enter(DMS)
            await call(
                "POST",
                f"/applications/{BOT_ID}/commands",
                {"name": "hush", "description": "Answers one"},
            )
            asked = asyncio.create_task(server.command("Ada", GENERAL_CHANNEL, "hush"))
            begun = (await gateway.take_event("INTERACTION_CREATE"))["d"]
            path = f"/interactions/{begun['id']}/{begun['token']}/callback"
            data = {"content": "psst", "flags": 64}
            assert (await call("POST", path, {"type": 4, "data": data})).status == 204
            assert await asked == ""
            heard = (await gateway.take_event("MESSAGE_CREATE"))["d"]
        assert (heard["content"], "guild_id" in heard, heard["flags"]) == ("psst", False, 64)


class TestResume:
    async def test_missed_events_are_replayed(self) -> None:
        async with served() as (server, _), running(server) as bot:
            await server.say("Ada", GENERAL_CHANNEL, "before")
            await bot.next("message")
            await server.drop_connections()
            await server.wait_for_connections(0)
            await server.say("Ada", GENERAL_CHANNEL, "meanwhile")
            assert (await bot.next("message")).content == "meanwhile"
            await bot.next("resumed")
            assert bot.queue("ready").empty()

    async def test_lost_session_begins_anew_and_misses_what_was_said(self) -> None:
        async with served() as (server, _), running(server) as bot:
            await server.drop_connections(resumable=False)
            await server.wait_for_connections(0)
            await server.say("Ada", GENERAL_CHANNEL, "missed")
            await bot.next("ready")
            await server.say("Ada", GENERAL_CHANNEL, "heard")
            assert (await bot.next("message")).content == "heard"

    async def test_bot_that_is_asked_to_reconnect_resumes(self) -> None:
        async with served() as (server, _), running(server) as bot:
            await server.request_reconnect()
            await bot.next("resumed")
            await server.say("Ada", GENERAL_CHANNEL, "still there?")
            assert (await bot.next("message")).content == "still there?"

    async def test_session_that_said_goodbye_is_forgotten(self) -> None:
        async with served() as (server, _):
            async with plain_gateway(server) as gateway:
                ready = await gateway.enter(GUILDS)
                await gateway.socket.close(code=1000)
            await server.wait_for_connections(0)
            async with plain_gateway(server) as gateway:
                session = {"session_id": ready["session_id"], "seq": 1}
                await gateway.send(6, {"token": server.bot_token, **session})
                invalid = await gateway.take()
        assert (invalid["op"], invalid["d"]) == (9, False)

    async def test_session_is_kept_for_some_minutes_only(self) -> None:
        clock = FakeClock()
        async with served(now=clock) as (server, _):
            async with plain_gateway(server) as gateway:
                ready = await gateway.enter(GUILDS)
                await server.drop_connections()
                await server.wait_for_connections(0)
            clock.turn(600)
            async with plain_gateway(server) as gateway:
                session = {"session_id": ready["session_id"], "seq": 1}
                await gateway.send(6, {"token": server.bot_token, **session})
                assert (await gateway.take())["op"] == 9

    async def test_restored_server_shows_all_that_was_said_and_goes_on(self) -> None:
        async with served() as (first, call):
            asked = await first.say("Ada", GENERAL_CHANNEL, "remember me")
            await call(
                "POST", f"/channels/{GENERAL_CHANNEL}/messages/{asked}/threads", {"name": "t"}
            )
            await call.post(asked, "inside")
            dumped = json.loads(json.dumps(first.dump()))
        again = SimulatedDiscord()
        again.restore(dumped)
        assert again.snapshot()["messages"] == first.snapshot()["messages"]
        assert again.snapshot()["channels"] == first.snapshot()["channels"]
        later = await again.say("Ada", asked, "and on")
        assert int(later) > max(int(view["id"]) for view in first.snapshot()["messages"])

    @pytest.mark.parametrize("damage", [{}, {"version": 1}, {"version": 1, "guild": GUILD_ID}])
    async def test_damaged_dump_is_refused_and_changes_nothing(
        self, damage: dict[str, Any]
    ) -> None:
        server = SimulatedDiscord()
        before = server.dump()
        with pytest.raises(ValueError, match="dump"):
            server.restore(damage)
        assert server.dump() == before


class TestTokens:
    """An interaction's token, by a clock that is turned."""

    async def test_token_lives_fifteen_minutes_from_the_first_answer_on(self) -> None:
        clock = FakeClock()
        async with served(now=clock) as (server, call), plain_gateway(server) as gateway:
            await gateway.enter(GUILDS)
            form = {"name": "go", "description": "Goes"}
            await call("POST", f"/applications/{BOT_ID}/commands", form)
            asked = asyncio.create_task(server.command("Ada", GENERAL_CHANNEL, "go"))
            begun = (await gateway.take_event("INTERACTION_CREATE"))["d"]
            original = f"/webhooks/{BOT_ID}/{begun['token']}/messages/@original"
            early = await call("PATCH", original, {"content": "early"})
            callback = f"/interactions/{begun['id']}/{begun['token']}/callback"
            deferred = await call("POST", f"{callback}?with_response=1", {"type": 5})
            assert await asked == ""
            clock.turn(14 * 60)
            edited = await call("PATCH", original, {"content": "done"})
            clock.turn(2 * 60)
            late = await call("PATCH", original, {"content": "late"})
        assert (early.status, early.code) == (404, 10015)
        assert deferred.body["interaction"]["response_message_loading"]
        assert edited.body["content"] == "done"
        assert (late.status, late.code) == (401, 50027)

    async def test_answer_after_three_seconds_is_unknown(self) -> None:
        clock = FakeClock()
        async with served(now=clock) as (server, call), plain_gateway(server) as gateway:
            await gateway.enter(GUILDS)
            form = {"name": "go", "description": "Goes"}
            await call("POST", f"/applications/{BOT_ID}/commands", form)
            asked = asyncio.create_task(server.command("Ada", GENERAL_CHANNEL, "go"))
            begun = (await gateway.take_event("INTERACTION_CREATE"))["d"]
            clock.turn(3.1)
            path = f"/interactions/{begun['id']}/{begun['token']}/callback"
            late = await call("POST", path, {"type": 5})
            asked.cancel()
        assert (late.status, late.code) == (404, 10062)
        assert begun["member"]["user"]["id"] == ADA
