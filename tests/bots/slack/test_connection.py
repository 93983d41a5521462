"""Logging in, staying connected, and ending, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import pytest

from bots.delivery import SlowDownError, TransientError
from bots.playground.base import Fault
from bots.playground.slack import SimulatedSlack
from bots.slack.frontend import SlackFrontend
from bots.slack.receiver import BrokenError, pause_before_next
from core.conversation import Turn
from core.errors import DeliveryError, TokenRefusedError
from core.sink import ReplySink
from tests.bots.slack.conftest import Rig, open_frontend


@pytest.fixture
async def frontend(slack: SimulatedSlack) -> AsyncIterator[SlackFrontend]:
    async with open_frontend(slack) as (frontend, *_):
        yield frontend


async def test_connecting_says_as_whom(frontend: SlackFrontend, slack: SimulatedSlack) -> None:
    assert await frontend.connect() == "@skein in Acme"
    assert slack.connections() == 0


@pytest.mark.parametrize("kind", ["bot", "app"])
async def test_wrong_token_is_refused_by_name(slack: SimulatedSlack, kind: str) -> None:
    async with open_frontend(slack, **{f"slack_{kind}_token": "xoxb-wrong-token"}) as (
        frontend,
        *_,
    ):
        with pytest.raises(TokenRefusedError, match="invalid_auth") as caught:
            await frontend.connect()
    assert caught.value.variable == f"SLACK_{kind.upper()}_TOKEN"
    assert "xoxb-wrong-token" not in str(caught.value)


async def test_swapped_tokens_are_told_apart(slack: SimulatedSlack) -> None:
    tokens = {"slack_bot_token": slack.app_token, "slack_app_token": slack.bot_token}
    async with open_frontend(slack, **tokens) as (frontend, *_):
        with pytest.raises(TokenRefusedError, match="begins with xoxb-"):
            await frontend.connect()


@pytest.mark.parametrize("method", ["auth.test", "apps.connections.open"])
@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503},
        {"drop": True},
        {"status": 429, "retry_after": timedelta()},
        {"status": 200, "error": "some_new_error"},
    ],
    ids=["503", "dropped", "429", "unknown"],
)
async def test_what_may_pass_is_tried_again(
    frontend: SlackFrontend, slack: SimulatedSlack, method: str, fault: dict[str, object]
) -> None:
    slack.faults.add(Fault(method, **fault))  # pyright: ignore[reportArgumentType]
    async with asyncio.timeout(20):
        assert await frontend.connect()
    assert len(slack.calls_to(method)) == 2


async def test_waiting_for_slack_can_be_cancelled(
    frontend: SlackFrontend, slack: SimulatedSlack
) -> None:
    slack.faults.add(Fault("auth.test", times=100))
    connecting = asyncio.create_task(frontend.connect())
    await slack.wait_for_call("auth.test")
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting


async def test_preflight_address_serves_the_first_connection(rig: Rig) -> None:
    assert len(rig.slack.calls_to("apps.connections.open")) == 1


async def test_acknowledging_needs_no_call(rig: Rig) -> None:
    await rig.slack.say("ada", "general", "hello all")
    await rig.slack.wait_until_delivered()
    assert [call.method for call in rig.slack.calls] == ["auth.test", "apps.connections.open"]


async def test_lost_connection_is_taken_up_again(rig: Rig) -> None:
    await rig.slack.drop_connections()
    await rig.slack.wait_for(lambda: rig.slack.connections() == 0 or None)
    await rig.slack.say("ada", rig.slack.dm("ada"), "hi")
    await rig.slack.wait_for_reply(rig.slack.dm("ada"), timeout=timedelta(seconds=5))


@pytest.mark.parametrize("lost", [None, BrokenError("code 1006")], ids=["renewed", "broken"])
def test_connections_that_end_again_and_again_are_taken_up_within_seconds(
    lost: Exception | None,
) -> None:
    waits = [pause_before_next(lost, failures) for failures in range(1, 50)]
    assert max(waits) <= timedelta(seconds=3)
    assert waits[-1] >= timedelta(seconds=1)


def test_connections_that_do_not_come_about_are_asked_for_ever_less() -> None:
    assert pause_before_next(TransientError("503"), 1) < timedelta(seconds=1)
    assert pause_before_next(TransientError("503"), 50) >= timedelta(seconds=15)
    assert pause_before_next(SlowDownError(timedelta(minutes=1)), 1) == timedelta(minutes=1)


async def test_connection_is_renewed_when_slack_asks(rig: Rig) -> None:
    await rig.slack.request_refresh()
    await rig.slack.wait_for_call("apps.connections.open", times=2)
    await rig.slack.say("ada", rig.slack.dm("ada"), "hi")
    await rig.slack.wait_for_reply(rig.slack.dm("ada"))
    assert rig.slack.connections() == 1


async def test_unusable_address_is_not_used_again(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.slack.faults.add(Fault("socket", status=403, times=2))
    await rig.slack.drop_connections()
    await rig.slack.wait_for_call("apps.connections.open", times=4)
    await rig.slack.wait_until_connected()
    lines = [record for record in caplog.records if "no connection" in record.message]
    assert len(lines) == 3


async def test_token_refused_on_reconnecting_ends_the_run(rig: Rig) -> None:
    rig.slack.faults.add(Fault("apps.connections.open", status=200, error="invalid_auth"))
    await rig.slack.drop_connections()
    async with asyncio.timeout(20):
        with pytest.raises(TokenRefusedError, match="SLACK_APP_TOKEN"):
            await rig.running


async def test_revoked_bot_token_ends_the_run(rig: Rig) -> None:
    async def answer(sink: ReplySink, turn: Turn) -> None:
        with suppress(DeliveryError):
            await sink.finish("hello")

    rig.turns.answer = answer
    for method in ("chat.*", "auth.test"):
        rig.slack.faults.add(Fault(method, status=200, error="token_revoked", times=2))
    await rig.slack.say("ada", "general", "@skein hi")
    async with asyncio.timeout(20):
        with pytest.raises(TokenRefusedError, match="SLACK_BOT_TOKEN"):
            await rig.running


async def test_stop_before_run_ends_it_at_once(frontend: SlackFrontend) -> None:
    await frontend.connect()
    await frontend.stop()
    async with asyncio.timeout(20):
        await frontend.run()


async def test_cancelled_run_leaves_nothing_behind(
    frontend: SlackFrontend, slack: SimulatedSlack
) -> None:
    await frontend.connect()
    before = asyncio.all_tasks()
    running = asyncio.create_task(frontend.run())
    await slack.wait_until_connected()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await slack.wait_for(lambda: slack.connections() == 0 or None)
    await frontend.aclose()
    assert {task for task in asyncio.all_tasks() - before if "bots/slack/" in repr(task)} == set()


async def test_closing_without_connecting_is_no_error(slack: SimulatedSlack) -> None:
    async with open_frontend(slack) as (frontend, *_):
        await frontend.aclose()


async def test_link_follows_the_connection(rig: Rig) -> None:
    async with asyncio.timeout(20):
        await rig.frontend.link.wait_for("connected")
        rig.slack.faults.add(Fault("apps.connections.open", status=503))
        await rig.slack.drop_connections()
        await rig.frontend.link.wait_for("down")
        await rig.frontend.link.wait_for("connected")


async def test_link_is_connecting_until_slack_said_hello(
    frontend: SlackFrontend, slack: SimulatedSlack
) -> None:
    await frontend.connect()
    assert frontend.link.state == "connecting"
