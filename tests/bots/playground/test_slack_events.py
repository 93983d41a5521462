import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest
from slack_bolt.async_app import AsyncApp

from bots.playground.base import Fault
from bots.playground.slack import SimulatedSlack, serve_slack
from tests.bots.playground.slack_kit import (
    IMPATIENT,
    answered,
    api_client,
    bolt_app,
    make_slack,
    running,
)

Bodies = asyncio.Queue[dict[str, Any]]


def recording_app(slack: SimulatedSlack, **options: Any) -> tuple[AsyncApp, Bodies]:
    """Make an app that keeps the bodies of events."""
    app, bodies = bolt_app(slack, **options), Bodies()

    async def keep(body: dict[str, Any]) -> None:
        await bodies.put(body)

    app.event("app_mention")(keep)
    app.event(re.compile("message"))(keep)
    return app, bodies


async def take(bodies: Bodies) -> dict[str, Any]:
    return await asyncio.wait_for(bodies.get(), 5)


async def test_a_mention_comes_twice_with_one_ts_and_two_event_ids():
    async with serve_slack(make_slack()) as slack:
        app, bodies = recording_app(slack)
        async with running(slack, app):
            ts = await slack.say("ada", "general", "@skein what is 1 < 2?")
            mention, message = sorted(
                [await take(bodies), await take(bodies)], key=lambda b: b["event"]["type"]
            )
            assert (mention["event"]["type"], message["event"]["type"]) == (
                "app_mention",
                "message",
            )
            assert mention["event"]["ts"] == message["event"]["ts"] == ts
            assert mention["event_id"] != message["event_id"]
            assert (
                message["event"]["text"] == f"<@{slack.state.identity.bot_user}> what is 1 &lt; 2?"
            )
            assert (message["team_id"], message["event"]["channel_type"]) == (
                "T0ACME0001",
                "channel",
            )
            assert message["authorizations"][0]["user_id"] == slack.state.identity.bot_user


async def test_a_direct_message_comes_once():
    async with serve_slack(make_slack()) as slack:
        app, bodies = recording_app(slack)
        async with running(slack, app):
            await slack.say("ada", slack.dm("ada"), "@skein hello")
            assert (await take(bodies))["event"]["channel_type"] == "im"
            await slack.wait_until_delivered()
            assert bodies.empty()


async def test_a_reply_carries_its_thread():
    async with serve_slack(make_slack()) as slack:
        app, bodies = recording_app(slack)
        async with running(slack, app):
            root = await slack.say("ada", "general", "hello")
            await take(bodies)
            await slack.say("grace", "general", "hi", thread=root)
            event = (await take(bodies))["event"]
            assert (event["thread_ts"], event["parent_user_id"]) == (root, slack.person("ada"))


async def test_where_the_bot_is_not_nothing_reaches_it():
    async with serve_slack(make_slack()) as slack:
        app, bodies = recording_app(slack)
        async with running(slack, app):
            await slack.say("ada", slack.add_channel("secret", has_bot=False), "@skein hello")
            assert slack.deliveries == []
            await slack.say("ada", slack.add_channel("board", is_private=True), "hello")
            assert (await take(bodies))["event"]["channel_type"] == "group"


async def test_the_bots_own_posts_and_updates_come_back():
    async with serve_slack(make_slack()) as slack, api_client(slack) as client:
        app, bodies = recording_app(slack, is_told_of_itself=True)
        async with running(slack, app):
            general = slack.channel("general")
            ts = answered(await client.chat_postMessage(channel=general, text="one"))["ts"]
            own = (await take(bodies))["event"]
            assert (own["bot_id"], own["ts"]) == (slack.state.identity.bot_id, ts)
            await client.chat_update(channel=general, ts=ts, text="two")
            echo = (await take(bodies))["event"]
            assert (echo["subtype"], echo["message"]["text"]) == ("message_changed", "two")
            assert echo["previous_message"]["text"] == "one"


async def test_edits_and_deletions_by_people_are_told():
    async with serve_slack(make_slack()) as slack:
        ts = await slack.say("ada", "general", "one")
        await slack.edit(ts, "two")
        await slack.delete(ts)
        _, changed, deleted = [delivery.payload["event"] for delivery in slack.deliveries]
        assert (changed["subtype"], changed["message"]["text"]) == ("message_changed", "two")
        assert (deleted["subtype"], deleted["deleted_ts"]) == ("message_deleted", ts)
        with pytest.raises(ValueError, match="no person's message"):
            await slack.edit(ts, "three")


async def test_an_event_that_fails_comes_again_as_the_same_event():
    async with serve_slack(make_slack(timing=IMPATIENT)) as slack:
        app, bodies = bolt_app(slack), list[dict[str, Any]]()

        @app.event("app_mention")
        async def fail_first(body: dict[str, Any]) -> None:  # pyright: ignore[reportUnusedFunction]
            bodies.append(body)
            if len(bodies) == 1:
                raise RuntimeError("not recorded")

        @app.event("message")
        async def accept() -> None: ...  # pyright: ignore[reportUnusedFunction]

        async with running(slack, app):
            await slack.say("ada", "general", "@skein hello")
            await slack.wait_until_delivered()
            assert [body["event_id"] for body in bodies] == [bodies[0]["event_id"]] * 2
            mention = slack.deliveries[0]
            assert (mention.attempts, mention.is_acknowledged) == (2, True)
            assert slack.given_up == []


async def test_an_event_that_is_never_acknowledged_is_given_up_after_three_retries():
    async with serve_slack(make_slack(timing=IMPATIENT)) as slack:
        app = bolt_app(slack)
        retries = list[tuple[str, str]]()

        @app.event("message")
        async def fail(request: Any) -> None:  # pyright: ignore[reportUnusedFunction]
            headers = request.headers
            number = headers.get("x-slack-retry-num", [""])[0]
            retries.append((number, headers.get("x-slack-retry-reason", [""])[0]))
            raise RuntimeError("not recorded")

        async with running(slack, app):
            await slack.say("ada", "general", "hello")
            await slack.wait_until_delivered()
            assert [delivery.attempts for delivery in slack.given_up] == [4]
            assert len(retries) == 4


async def test_a_redelivery_is_a_new_envelope_with_the_same_event():
    async with serve_slack(make_slack()) as slack:
        app, bodies = recording_app(slack)
        async with running(slack, app):
            ts = await slack.say("ada", "general", "hello")
            first = await take(bodies)
            (again,) = await slack.redeliver(ts)
            assert again.is_acknowledged
            assert (await take(bodies))["event_id"] == first["event_id"]
            with pytest.raises(ValueError, match="no event"):
                await slack.redeliver(ts, "app_mention")


async def test_events_wait_for_a_connection_in_order():
    async with serve_slack(make_slack()) as slack:
        app, bodies = recording_app(slack)
        for number in range(5):
            await slack.say("ada", "general", str(number))
        async with running(slack, app):
            assert [(await take(bodies))["event"]["text"] for _ in range(5)] == list("01234")
            assert all(delivery.attempts == 1 for delivery in slack.deliveries)


async def test_several_connections_share_the_events():
    async with serve_slack(make_slack()) as slack:
        (one, first), (two, second) = recording_app(slack), recording_app(slack)
        async with running(slack, one), running(slack, two):
            await slack.wait_until_connected(2)
            for number in range(4):
                await slack.say("ada", "general", str(number))
            await slack.wait_until_delivered()
            assert (first.qsize(), second.qsize()) == (2, 2)


async def test_a_refresh_moves_the_bot_to_a_new_connection_without_a_loss():
    async with serve_slack(make_slack()) as slack:
        app, bodies = recording_app(slack)
        async with running(slack, app):
            await slack.request_refresh()
            await slack.say("ada", "general", "hello")
            assert (await take(bodies))["event"]["text"] == "hello"
            await slack.wait_until_delivered()
            assert len(slack.calls_to("apps.connections.open")) == 2


async def test_a_cut_connection_is_taken_up_again_and_what_was_said_meanwhile_arrives():
    async with serve_slack(make_slack()) as slack:
        app, bodies = recording_app(slack)
        async with running(slack, app):
            await slack.drop_connections()
            await slack.wait_for(lambda: slack.connections() == 0 or None)
            await slack.say("ada", "general", "hello")
            assert (await take(bodies))["event"]["text"] == "hello"


async def test_a_socket_fault_refuses_the_connection_once():
    async with serve_slack(make_slack()) as slack:
        app, _ = recording_app(slack)
        slack.faults.add(Fault("socket", status=503))
        async with running(slack, app):
            assert slack.connections() == 1


async def test_unacknowledged_events_outlive_the_simulation():
    async with serve_slack(make_slack()) as slack:
        ts = await slack.say("ada", "general", "hello")
        dumped = slack.dump()
    async with serve_slack(make_slack()) as slack:
        slack.restore(dumped)
        app, bodies = recording_app(slack)
        async with running(slack, app):
            assert (await take(bodies))["event"]["ts"] == ts


async def test_waiting_for_what_never_comes_ends():
    async with serve_slack(make_slack()) as slack:
        with pytest.raises(TimeoutError):
            await slack.wait_for_reply(slack.channel("general"), timeout=timedelta(milliseconds=10))
