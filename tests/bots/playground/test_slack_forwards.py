"""Forwarded messages and deleted files of the simulated Slack, as events and the Web API tell of them."""

import json

import pytest
from slack_sdk.errors import SlackApiError

from bots.playground.base import SentFile
from tests.bots.playground.slack_kit import answered, code, make_slack, served

NOTES = SentFile("notes.txt", "text/plain", b"the harbour closes at nine")


async def test_forward_stands_among_the_attachments_with_its_files():
    async with served() as (slack, client):
        asked = await slack.say("grace", "general", "minutes of <today>", files=[NOTES])
        forwarded = await slack.forward("ada", asked, slack.dm("ada"), "what does it say?")
        answer = await client.conversations_history(channel=slack.dm("ada"))
        (message,) = answered(answer)["messages"]
        (told,) = message["attachments"]
        assert (message["ts"], message["text"]) == (forwarded, "what does it say?")
        assert "files" not in message
        assert told["is_share"]
        assert told["text"] == "minutes of &lt;today&gt;"
        assert told["author_name"] == "Grace"
        assert [file["name"] for file in told["files"]] == ["notes.txt"]
        (shown,) = slack.messages(slack.dm("ada"))
        assert "&gt; minutes of &lt;today&gt;" in shown["text"]
        assert [file["name"] for file in shown["files"]] == ["notes.txt"]


async def test_forward_is_passed_on_as_it_was_and_outlives_a_restart():
    async with served() as (slack, _):
        asked = await slack.say("grace", "general", "at nine", files=[NOTES])
        forwarded = await slack.forward("ada", asked, slack.dm("ada"))
        await slack.edit(asked, "at ten")
        again = await slack.forward("ada", forwarded, "random")
        assert slack.state.messages[again].forwarded[0]["text"] == "at nine"
        other = make_slack()
        other.restore(json.loads(json.dumps(slack.dump())))
        assert other.snapshot()["messages"] == slack.snapshot()["messages"]


async def test_deleted_file_leaves_a_stone():
    async with served() as (slack, client):
        asked = await slack.say("ada", "general", "read this", files=[NOTES])
        (file,) = slack.state.messages[asked].files
        await slack.delete_file(file)
        answer = await client.conversations_history(channel=slack.channel("general"))
        assert answered(answer)["messages"][0]["files"] == [{"id": file, "mode": "tombstone"}]
        with pytest.raises(SlackApiError) as refused:
            await client.files_info(file=file)
        assert code(refused) == "file_deleted"
        with pytest.raises(ValueError, match="no file"):
            slack.read_file(file)
