import asyncio
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from slack_bolt.async_app import AsyncAck, AsyncRespond

from bots.playground.slack import SimulatedSlack, serve_slack
from tests.bots.playground.slack_kit import (
    IMPATIENT,
    FakeClock,
    answered,
    api_client,
    bolt_app,
    make_slack,
    running,
)

BUTTONS = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "Which one?"}},
    {
        "type": "actions",
        "block_id": "choices",
        "elements": [
            {
                "type": "button",
                "action_id": "clear",
                "value": "42",
                "text": {"type": "plain_text", "text": "Clear"},
            },
            {
                "type": "static_select",
                "action_id": "model",
                "placeholder": {"type": "plain_text", "text": "Model"},
                "options": [
                    {"text": {"type": "plain_text", "text": "Echo"}, "value": "demo/echo"},
                    {"text": {"type": "plain_text", "text": "Big"}, "value": "demo/big"},
                ],
            },
        ],
    },
]


async def test_a_command_in_a_thread_is_refused_by_slack_and_never_delivered():
    async with serve_slack(make_slack()) as slack:
        root = await slack.say("ada", "general", "hello")
        said = await slack.command("ada", "general", "/clear", thread=root)
        assert said == "/clear is not supported in threads. Sorry!"
        assert [delivery.kind for delivery in slack.deliveries] == ["events_api"]


async def test_a_command_that_the_bot_did_not_declare_is_not_valid():
    async with serve_slack(make_slack()) as slack:
        assert "not a valid command" in await slack.command("ada", "general", "/sing")


async def test_what_a_command_acknowledges_with_is_shown_to_the_caller():
    async with serve_slack(make_slack()) as slack:
        app, bodies = bolt_app(slack), list[dict[str, Any]]()

        @app.command("/model")
        async def choose(ack: AsyncAck, body: dict[str, Any]) -> None:  # pyright: ignore[reportUnusedFunction]
            bodies.append(body)
            await ack("You chose it.")

        async with running(slack, app):
            assert await slack.command("ada", "general", "/model", "demo/echo") == ""
            (view,) = slack.messages(slack.channel("general"))
            assert (view["text"], view["visible_to"]) == ("You chose it.", slack.person("ada"))
            assert (bodies[0]["text"], bodies[0]["channel_name"]) == ("demo/echo", "general")


async def test_a_command_without_an_ack_fails_in_slacks_words():
    async with serve_slack(make_slack(timing=IMPATIENT)) as slack:
        app = bolt_app(slack)

        @app.command("/clear")
        async def fail() -> None:  # pyright: ignore[reportUnusedFunction]
            raise RuntimeError("not recorded")

        expected = '/clear failed with the error "dispatch_failed"'
        assert await slack.command("ada", "general", "clear") == expected
        async with running(slack, app):
            assert await slack.command("ada", slack.dm("ada"), "/clear") == expected


async def test_a_response_url_answers_five_times():
    async with serve_slack(make_slack()) as slack:
        app, answers = bolt_app(slack), list[tuple[int, str]]()

        @app.command("/clear")
        async def clear(ack: AsyncAck, respond: AsyncRespond) -> None:  # pyright: ignore[reportUnusedFunction]
            await ack()
            for number in range(6):
                answer = await respond(str(number), response_type="in_channel")
                answers.append((answer.status_code, answer.body))

        async with running(slack, app):
            await slack.command("ada", "general", "/clear")
            await slack.wait_for_reply(slack.channel("general"), contains="4")
            await slack.wait_until_delivered()
            assert [view["visible_to"] for view in slack.messages(slack.channel("general"))] == [
                ""
            ] * 5
            assert [status for status, _ in answers] == [200] * 5 + [404]
            assert "used_url" in answers[-1][1]


async def test_a_response_url_expires_after_half_an_hour():
    clock = FakeClock()
    async with serve_slack(make_slack(clock=clock)) as slack:
        app, urls = bolt_app(slack), asyncio.Queue[str]()

        @app.command("/clear")
        async def clear(ack: AsyncAck, body: dict[str, Any]) -> None:  # pyright: ignore[reportUnusedFunction]
            await urls.put(body["response_url"])
            await ack()

        async with running(slack, app), aiohttp.ClientSession() as session:
            await slack.command("ada", "general", "/clear")
            clock.turn(30 * 60)
            answer = await session.post(await urls.get(), json={"text": "late"})
            assert (answer.status, await answer.json()) == (
                404,
                {"ok": False, "error": "expired_url"},
            )


async def post_buttons(slack: SimulatedSlack, thread: str) -> str:
    async with api_client(slack) as client:
        channel = slack.channel("general")
        posted = await client.chat_postMessage(
            channel=channel, thread_ts=thread, text="Which one?", blocks=BUTTONS
        )
        return str(posted["ts"])


async def test_a_pressed_button_tells_its_thread_and_can_replace_its_message():
    async with serve_slack(make_slack()) as slack:
        app, bodies = bolt_app(slack), list[dict[str, Any]]()

        @app.action("clear")
        async def clear(ack: AsyncAck, body: dict[str, Any], respond: AsyncRespond) -> None:  # pyright: ignore[reportUnusedFunction]
            await ack()
            bodies.append(body)
            await respond("Done.", replace_original=True)

        async with running(slack, app):
            root = await slack.say("ada", "general", "hello")
            ts = await post_buttons(slack, root)
            await slack.act("ada", ts, "clear")
            view = await slack.wait_for_reply(slack.channel("general"), root, contains="Done.")
            assert (view["id"], view["actions"]) == (ts, [])
            (body,) = bodies
            assert body["container"]["thread_ts"] == body["message"]["thread_ts"] == root
            assert body["actions"][0]["value"] == "42"
            assert body["user"]["id"] == slack.person("ada")


@pytest.mark.parametrize("choice", ["Big", "demo/big"])
async def test_an_option_is_chosen_by_its_label_or_its_value(choice: str):
    async with serve_slack(make_slack()) as slack:
        app, chosen = bolt_app(slack), asyncio.Queue[str]()

        @app.action("model")
        async def model(ack: AsyncAck, action: dict[str, Any]) -> None:  # pyright: ignore[reportUnusedFunction]
            await chosen.put(action["selected_option"]["value"])
            await ack()

        async with running(slack, app):
            ts = await post_buttons(slack, await slack.say("ada", "general", "hello"))
            await slack.act("ada", ts, "model", choice)
            assert await asyncio.wait_for(chosen.get(), 5) == "demo/big"


async def test_the_page_is_shown_what_can_be_pressed():
    async with serve_slack(make_slack()) as slack:
        root = await slack.say("ada", "general", "hello")
        await post_buttons(slack, root)
        (view,) = slack.messages(slack.channel("general"), root)
        assert view["text"] == "Which one?"
        assert view["actions"] == [
            {"id": "clear", "label": "Clear", "options": []},
            {"id": "model", "label": "Model", "options": ["Echo", "Big"]},
        ]


async def test_an_ephemeral_message_can_be_acted_on_and_deleted_by_the_one_who_sees_it():
    async with serve_slack(make_slack()) as slack, api_client(slack) as client:
        app = bolt_app(slack)

        @app.action("clear")
        async def clear(ack: AsyncAck, respond: AsyncRespond) -> None:  # pyright: ignore[reportUnusedFunction]
            await ack()
            await respond(delete_original=True)

        async with running(slack, app):
            channel = slack.channel("general")
            posted = await client.chat_postEphemeral(
                channel=channel, user=slack.person("ada"), text="Which one?", blocks=BUTTONS
            )
            ts = answered(posted)["message_ts"]
            with pytest.raises(ValueError, match="sees no message"):
                await slack.act("grace", ts, "clear")
            await slack.act("ada", ts, "clear")
            await slack.wait_for(lambda: slack.messages(channel) == [] or None)


async def test_an_action_that_is_not_there_cannot_be_taken():
    async with serve_slack(make_slack()) as slack:
        ts = await post_buttons(slack, await slack.say("ada", "general", "hello"))
        with pytest.raises(ValueError, match="no action"):
            await slack.act("ada", ts, "explode")
        with pytest.raises(ValueError, match="no option"):
            await slack.act("ada", ts, "model", "Huge")


async def test_a_message_shortcut_carries_the_message_and_its_thread():
    async with serve_slack(make_slack()) as slack:
        app, bodies = bolt_app(slack), asyncio.Queue[dict[str, Any]]()

        @app.shortcut({"type": "message_action", "callback_id": "clear_thread"})
        async def clear(ack: AsyncAck, body: dict[str, Any]) -> None:  # pyright: ignore[reportUnusedFunction]
            await bodies.put(body)
            await ack()

        async with running(slack, app):
            root = await slack.say("ada", "general", "hello")
            reply = await slack.say("grace", "general", "hi", thread=root)
            await slack.shortcut("ada", reply, "clear_thread")
            body = await asyncio.wait_for(bodies.get(), timedelta(seconds=5).total_seconds())
            assert (body["message_ts"], body["message"]["thread_ts"]) == (reply, root)
            assert body["channel"]["id"] == slack.channel("general")
