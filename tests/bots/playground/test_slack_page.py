import json

import pytest

from bots.playground.base import Simulation
from bots.playground.slack import SimulatedSlack, serve_slack
from tests.bots.playground.slack_kit import answered, bolt_app, make_slack, running, served


def test_the_simulation_is_one():
    simulation: Simulation = SimulatedSlack()
    assert simulation.platform == "slack"


def test_the_seeded_workspace_has_people_channels_and_dms():
    snapshot = SimulatedSlack().snapshot()
    assert [person["name"] for person in snapshot["people"]] == ["Ada", "Grace", "Linus"]
    assert [c["name"] for c in snapshot["channels"] if c["kind"] == "channel"] == [
        "general",
        "random",
        "engineering",
    ]
    assert [c["name"] for c in snapshot["channels"] if c["kind"] == "dm"] == [
        "Ada",
        "Grace",
        "Linus",
    ]
    assert [command["name"] for command in snapshot["commands"]][:2] == [
        "/clear",
        "/model",
    ]
    assert (snapshot["workspace_name"], snapshot["bot"]["name"]) == ("Acme", "Skein")


async def test_everything_visible_is_told_to_the_feed():
    async with served() as (slack, client):
        channel = slack.channel("general")
        with slack.feed.listen() as queue:
            root = await slack.say("ada", "general", "hello")
            await client.assistant_threads_setStatus(
                channel_id=channel, thread_ts=root, status="thinking"
            )
            posted = await client.chat_postMessage(channel=channel, thread_ts=root, text="hi")
            await client.chat_delete(channel=channel, ts=answered(posted)["ts"])
            told = [queue.get_nowait() for _ in range(queue.qsize())]
        kinds = [event["type"] for event in told]
        assert kinds == [
            "message",
            "status",
            "call",
            "message",
            "status",
            "call",
            "deleted",
            "call",
        ]
        assert {event["platform"] for event in told} == {"slack"}
        json.dumps(told)


async def test_the_page_sees_whether_the_bot_is_connected():
    async with serve_slack(make_slack()) as slack:
        assert not slack.snapshot()["is_connected"]
        async with running(slack, bolt_app(slack)):
            assert slack.snapshot()["is_connected"]


async def test_a_dump_restores_everything_and_time_goes_on():
    async with served() as (slack, client):
        channel, root = slack.channel("general"), await slack.say("ada", "general", "hello")
        await client.chat_postMessage(channel=channel, thread_ts=root, markdown_text="**hi**")
        started = await client.chat_startStream(
            channel=slack.dm("ada"),
            thread_ts=await slack.say("ada", slack.dm("ada"), "tell me"),
            markdown_text="one",
        )
        stream = answered(started)["ts"]
        await client.reactions_add(channel=channel, name="eyes", timestamp=root)
        await client.views_publish(user_id=slack.person("ada"), view={"type": "home", "blocks": []})
        slack.add_channel("new")
        dumped = json.loads(json.dumps(slack.dump()))
        snapshot = slack.snapshot()
    async with served() as (slack, client):
        slack.restore(dumped)
        assert slack.snapshot() == snapshot
        assert json.loads(json.dumps(slack.dump())) == dumped
        posted = await client.chat_postMessage(channel=channel, thread_ts=root, text="again")
        assert float(answered(posted)["ts"]) > float(stream)
        await client.chat_stopStream(channel=slack.dm("ada"), ts=stream, markdown_text=" two")


@pytest.mark.parametrize("data", [{}, {"version": 1}, {"version": 99}])
def test_what_is_no_dump_is_not_restored(data: dict[str, object]):
    with pytest.raises(ValueError, match="dump"):
        SimulatedSlack().restore(data)


async def test_unknown_people_and_places_are_refused():
    async with served() as (slack, _):
        with pytest.raises(ValueError, match="nobody"):
            await slack.say("bob", "general", "hello")
        with pytest.raises(ValueError, match="no place"):
            await slack.say("ada", "nowhere", "hello")
        with pytest.raises(ValueError, match="is not in"):
            await slack.say("ada", slack.dm("grace"), "hello")
        with pytest.raises(ValueError, match="no message"):
            await slack.say("ada", "general", "hello", thread="1700000000.000001")


async def test_typed_text_becomes_slacks_own_form():
    async with served() as (slack, _):
        await slack.say("ada", "general", "@skein & @Grace: see #random <now> @here @nobody a@b.c")
        (view,) = slack.messages(slack.channel("general"))
        bot, grace, random = (
            slack.state.identity.bot_user,
            slack.person("grace"),
            slack.channel("random"),
        )
        assert view["text"] == (
            f"<@{bot}> &amp; <@{grace}>: see <#{random}|random> &lt;now&gt; <!here> @nobody a@b.c"
        )


async def test_a_reply_can_be_waited_for_by_what_came_before_it():
    async with served() as (slack, client):
        channel, root = slack.channel("general"), await slack.say("ada", "general", "hello")
        await client.chat_postMessage(channel=channel, thread_ts=root, text="one")
        question = await slack.say("ada", "general", "and?", thread=root)
        await client.chat_postMessage(channel=channel, thread_ts=root, text="two")
        assert (await slack.wait_for_reply(channel, root))["text"] == "one"
        assert (await slack.wait_for_reply(channel, root, after=question))["text"] == "two"
