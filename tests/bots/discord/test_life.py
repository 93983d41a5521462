"""The frontend's life: logging in, losing the connection, stopping, and what Discord refuses."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bots.commands import Commands
from bots.discord.client import iterate_back_off, point_at
from bots.discord.frontend import DiscordFrontend
from bots.playground.base import Fault
from bots.playground.discord import ASK_SKEIN_CHANNEL, GENERAL_CHANNEL, SimulatedDiscord
from core.conversation import TurnState
from core.errors import SettingsError, TokenRefusedError
from core.run import TurnOptions
from core.store.sqlite import open_sqlite
from core.threads import Threads
from core.turns import Turns
from tests.bots.discord.kit import Skein, make_settings, running_skein, serving
from tests.fakes import FakeModels

MakeFrontend = Callable[..., DiscordFrontend]
WRONG_TOKEN = "MTE5MTE2ODgxMTYwMDAwMDIwMA.wrong.token-that-opens-nothing"


@pytest.fixture
async def make_frontend(server: SimulatedDiscord, tmp_path: Path) -> AsyncGenerator[MakeFrontend]:
    """Make frontends that are not connected yet; they are closed at the end."""
    made: list[DiscordFrontend] = []
    models = FakeModels()
    async with (
        open_sqlite(f"sqlite:///{tmp_path / 'skein.db'}") as store,
        Turns(store, models, TurnOptions("")) as turns,
    ):

        def make(**settings: object) -> DiscordFrontend:
            threads = Threads(store, models, turns)
            chosen = make_settings(server, **settings)
            made.append(DiscordFrontend(chosen, turns, threads, Commands(threads, store)))
            return made[-1]

        yield make
        for frontend in made:
            await frontend.aclose()


async def test_connecting_says_as_whom(make_frontend: MakeFrontend) -> None:
    assert "skein" in await make_frontend().connect()


@pytest.mark.parametrize("token", [WRONG_TOKEN, "two words", "naïve", "line\nbreak"])
async def test_a_wrong_token_is_refused_and_not_repeated(
    make_frontend: MakeFrontend, token: str
) -> None:
    with pytest.raises(TokenRefusedError) as caught:
        await make_frontend(discord_bot_token=token).connect()
    assert caught.value.variable == "DISCORD_BOT_TOKEN"
    assert token not in str(caught.value)


async def test_without_a_token_the_setting_is_named(make_frontend: MakeFrontend) -> None:
    with pytest.raises(SettingsError, match="DISCORD_BOT_TOKEN"):
        await make_frontend(discord_bot_token=None).connect()


async def test_an_address_that_is_not_discords_is_named(
    make_frontend: MakeFrontend, server: SimulatedDiscord
) -> None:
    with pytest.raises(SettingsError, match="DISCORD_API_URL"):
        await make_frontend(discord_api_url=server.api_url + "/nowhere").connect()


async def test_a_server_that_is_not_discords_is_named(make_frontend: MakeFrontend) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="<html>Welcome</html>", content_type="text/html")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app, host="127.0.0.1") as other:
        with pytest.raises(SettingsError, match="DISCORD_API_URL"):
            await make_frontend(discord_api_url=str(other.make_url("/api"))).connect()


@pytest.mark.parametrize(
    "fault",
    [
        Fault("GET /users/@me", drop=True),
        Fault("GET /users/@me", status=503),
        Fault("GET /gateway/bot", status=503),
    ],
)
async def test_a_login_that_fails_for_now_is_tried_again(
    make_frontend: MakeFrontend, server: SimulatedDiscord, fault: Fault
) -> None:
    server.faults.add(fault)
    assert "skein" in await make_frontend().connect()


async def test_a_token_revoked_meanwhile_ends_the_run(
    make_frontend: MakeFrontend, server: SimulatedDiscord
) -> None:
    frontend = make_frontend()
    await frontend.connect()
    server.world.token = "another"
    with pytest.raises(TokenRefusedError, match="4004"):
        async with asyncio.timeout(20):
            await frontend.run()


async def test_a_frontend_can_be_closed_before_it_ever_connected(
    make_frontend: MakeFrontend,
) -> None:
    frontend = make_frontend()
    await frontend.stop()
    await frontend.aclose()
    await frontend.aclose()


async def test_a_run_that_is_cancelled_while_connecting_leaves_nothing_behind(
    make_frontend: MakeFrontend, server: SimulatedDiscord
) -> None:
    frontend = make_frontend()
    await frontend.connect()
    running = asyncio.create_task(frontend.run())
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running], timeout=10)
    assert running.cancelled()
    await frontend.aclose()
    assert server.connections() == 0
    assert not heartbeats_that_go_on()


async def test_an_unreachable_gateway_is_tried_again(
    make_frontend: MakeFrontend, server: SimulatedDiscord
) -> None:
    frontend = make_frontend()
    await frontend.connect()
    point_at(server.api_url, f"http://127.0.0.1:{unused_port()}")
    with heard_in_log("discord.client", "reconnect") as heard:
        running = asyncio.create_task(frontend.run())
        await asyncio.wait_for(heard.wait(), 10)
    point_at(server.api_url, server.gateway_url)
    await server.wait_for_connections(1)
    await frontend.stop()
    await asyncio.wait_for(running, 10)


@contextmanager
def heard_in_log(name: str, words: str, level: int = logging.WARNING) -> Generator[asyncio.Event]:
    """Set an event when a logger says something."""
    heard = asyncio.Event()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if words in record.getMessage():
                heard.set()

    listener = Listener()
    logger, before = logging.getLogger(name), logging.getLogger(name).level
    logger.addHandler(listener)
    logger.setLevel(level)
    try:
        yield heard
    finally:
        logger.removeHandler(listener)
        logger.setLevel(before)


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_without_the_content_intent_mentions_and_direct_messages_work(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        serving(grants_message_content=False) as server,
        running_skein(server, tmp_path, discord_channels=ASK_SKEIN_CHANNEL) as skein,
    ):
        await server.say("Ada", ASK_SKEIN_CHANNEL, "cannot be read")
        assert (await skein.ask("@skein hello"))["text"] == "Answer to hello"
        assert (await skein.ask("hi", "1191168811600000301"))["text"] == "Answer to hi"
        assert len(skein.replies()) == 2
    assert "Message Content" in caplog.text
    assert "DISCORD_CHANNELS" in caplog.text


async def test_a_lost_connection_is_taken_up_again_without_a_gap(skein: Skein) -> None:
    await skein.ask("@skein one")
    await skein.server.drop_connections()
    await skein.server.say("Ada", GENERAL_CHANNEL, "@skein two")
    await skein.server.wait_for_reply(GENERAL_CHANNEL, "Answer to two")


async def test_leaving_does_not_wait_for_a_connection_that_is_being_made(skein: Skein) -> None:
    with heard_in_log("discord.gateway", "invalidated", logging.INFO) as heard:
        await skein.server.drop_connections(resumable=False)
        await asyncio.wait_for(heard.wait(), 10)
    await skein.frontend.stop()
    await asyncio.wait_for(asyncio.shield(skein.running), 10)
    assert not heartbeats_that_go_on()


async def test_discords_wish_to_reconnect_is_followed(skein: Skein) -> None:
    await skein.server.request_reconnect()
    assert (await skein.ask("@skein hello"))["text"] == "Answer to hello"


async def test_a_reply_under_way_is_delivered_after_the_gateway_was_left(skein: Skein) -> None:
    skein.models.hold()
    await skein.server.say("Ada", GENERAL_CHANNEL, "@skein hello")
    await skein.server.wait_for_reply(GENERAL_CHANNEL, "Answer")
    await skein.frontend.stop()
    await asyncio.wait_for(asyncio.shield(skein.running), 10)
    assert skein.server.connections() == 0
    skein.models.release()
    await skein.server.wait_for_reply(GENERAL_CHANNEL, "Answer to hello")
    await skein.settle()
    assert (await skein.turn()).state is TurnState.DONE


async def test_nothing_of_a_closed_frontend_goes_on(
    server: SimulatedDiscord, tmp_path: Path
) -> None:
    before = asyncio.all_tasks()
    async with running_skein(server, tmp_path) as skein:
        await skein.ask("@skein hello")
    assert asyncio.all_tasks() <= before
    assert not heartbeats_that_go_on()


def heartbeats_that_go_on() -> list[str]:
    """Name discord.py's heartbeat threads that do not end when they are told to."""
    threads = [each for each in threading.enumerate() if each.name.startswith("keep-alive")]
    for thread in threads:
        thread.join(1)
    return [thread.name for thread in threads if thread.is_alive()]


async def test_a_restart_remembers(server: SimulatedDiscord, tmp_path: Path) -> None:
    async with running_skein(server, tmp_path) as skein:
        await skein.ask("@skein my name is Ada")
    async with running_skein(server, tmp_path) as skein:
        await skein.ask("@skein who am I?")
        assert len(skein.models.requests[-1].messages) == 3


async def test_two_servers_can_be_served_one_after_another(tmp_path: Path) -> None:
    for _ in range(2):
        async with serving() as server, running_skein(server, tmp_path) as skein:
            await skein.ask("@skein hello")


def test_back_off_grows_to_a_minute_and_differs() -> None:
    waits = [wait for wait, _ in zip(iterate_back_off(), range(50), strict=False)]
    assert 0.5 <= waits[0] <= 1
    assert all(30 <= wait <= 60 for wait in waits[10:])
    assert len(set(waits[10:])) > 30
    assert timedelta(seconds=max(waits)) <= timedelta(minutes=1)


async def test_the_link_follows_the_session(skein: Skein) -> None:
    link = skein.frontend.link
    async with asyncio.timeout(30):
        await link.wait_for("connected")
        await skein.server.drop_connections()
        await link.wait_for("down")
        await link.wait_for("connected")


async def test_the_link_is_connecting_until_discord_is_ready(make_frontend: MakeFrontend) -> None:
    frontend = make_frontend()
    await frontend.connect()
    assert frontend.link.state == "connecting"
