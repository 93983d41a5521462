"""Files in Slack: what events tell of them, and how they are fetched, over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from bots.playground.base import SentFile
from bots.playground.slack import SimulatedSlack
from bots.playground.slack.events import message_event
from bots.slack.bolt import make_client
from bots.slack.files import SlackFiles, find_hosts, parse_attachments
from core.conversation import ThreadKey
from core.errors import ExpiredFileError, FileError
from core.files.download import open_downloader
from core.files.values import Attachment, FileLimits
from core.store.base import WantedFile

PHOTO = SentFile("photo.png", "image/png", b"\x89PNG")
TOLD = {
    "id": "F1",
    "name": "photo.png",
    "mimetype": "image/png",
    "size": 4,
    "mode": "hosted",
    "url_private": "https://files.slack.com/files-pri/T1-F1/photo.png",
}


@pytest.fixture
async def files(slack: SimulatedSlack) -> AsyncIterator[SlackFiles]:
    client = make_client(slack.api_url, slack.bot_token)
    async with aiohttp.ClientSession() as session:
        client.session = session
        yield SlackFiles(client, slack.api_url)


async def share(slack: SimulatedSlack, channel: str = "general", sent: SentFile = PHOTO) -> Any:
    """Let Ada send a file, and give the event that tells of it."""
    ts = await slack.say("Ada", slack.channel(channel), "look", files=[sent])
    return message_event(slack.state, slack.state.messages[ts])


def want(slack: SimulatedSlack, attachment: Attachment, channel: str = "general") -> WantedFile:
    key = ThreadKey("slack", "T1", slack.channel(channel), "1.0")
    return WantedFile(1, 0, key, "1.0", attachment)


async def fetch(files: SlackFiles, attachment: Attachment) -> bytes:
    async with open_downloader(FileLimits()) as downloader:
        return await downloader.fetch(files.locate(attachment))


def test_event_tells_of_its_files() -> None:
    assert parse_attachments({"files": [TOLD]}) == (
        Attachment("F1", "photo.png", str(TOLD["url_private"]), "image/png", 4),
    )


@pytest.mark.parametrize("event", [{}, {"files": None}, {"files": ["F1", {}]}, {"blocks": [1]}])
def test_event_without_files_has_none(event: Any) -> None:
    assert parse_attachments(event) == ()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"mode": "tombstone"}, "deleted"),
        ({"mode": "hidden_by_limit"}, "plan"),
        ({"mode": "external", "is_external": True}, "outside of Slack"),
        ({"file_access": "access_denied"}, "does not let me"),
    ],
)
def test_file_that_slack_does_not_have_is_not_asked_for(changes: Any, says: str) -> None:
    [attachment] = parse_attachments({"files": [{**TOLD, **changes}]})
    assert says in attachment.note
    assert not attachment.url


def test_mention_that_names_a_file_in_its_blocks_alone_has_it() -> None:
    section = {"type": "rich_text_section", "elements": [{"type": "file", "file_id": "F2"}]}
    blocks = [{"type": "rich_text", "elements": [section]}]
    assert parse_attachments({"blocks": blocks}) == (Attachment("F2", "file"),)
    assert len(parse_attachments({"blocks": blocks, "files": [{**TOLD, "id": "F2"}]})) == 1


def test_files_of_a_forwarded_message_come_along() -> None:
    forwarded = {"is_share": True, "text": "look", "files": [TOLD]}
    preview = {"files": [{**TOLD, "id": "F3"}]}
    event = {"files": [{**TOLD, "id": "F2"}], "attachments": [forwarded, preview]}
    assert [each.id for each in parse_attachments(event)] == ["F2", "F1"]


async def test_file_is_fetched_with_the_bots_token(
    slack: SimulatedSlack, files: SlackFiles
) -> None:
    [attachment] = parse_attachments(await share(slack))
    assert await fetch(files, attachment) == PHOTO.content


async def test_missing_scope_is_told(slack: SimulatedSlack, files: SlackFiles) -> None:
    slack.state.denied_scopes.add("files:read")
    [attachment] = parse_attachments(await share(slack))
    with pytest.raises(FileError, match="files:read"):
        await fetch(files, attachment)
    with pytest.raises(FileError, match="files:read"):
        await files.renew(want(slack, attachment))


@pytest.mark.parametrize("media_type", ["text/html", "application/vnd.slack-docs"])
async def test_page_that_somebody_shared_is_no_missing_scope(
    slack: SimulatedSlack, files: SlackFiles, media_type: str
) -> None:
    page = SentFile("page.html", media_type, b"<html>mine</html>")
    [attachment] = parse_attachments(await share(slack, sent=page))
    assert await fetch(files, attachment) == page.content


async def test_file_told_by_its_id_alone_is_asked_for(
    slack: SimulatedSlack, files: SlackFiles
) -> None:
    [whole] = parse_attachments(await share(slack))
    with pytest.raises(ExpiredFileError):
        files.locate(Attachment(whole.id, "file"))
    assert await files.renew(want(slack, Attachment(whole.id, "file"))) == whole


async def test_file_of_a_shared_channel_is_asked_for(
    slack: SimulatedSlack, files: SlackFiles
) -> None:
    [whole] = parse_attachments(await share(slack))
    told = {"id": whole.id, "mode": "file_access", "file_access": "check_file_info"}
    [attachment] = parse_attachments({"files": [told]})
    with pytest.raises(ExpiredFileError):
        files.locate(attachment)
    assert await files.renew(want(slack, attachment)) == whole


async def test_file_of_another_channel_is_not_given(
    slack: SimulatedSlack, files: SlackFiles
) -> None:
    [elsewhere] = parse_attachments(await share(slack, "random"))
    with pytest.raises(FileError, match="does not let me see it"):
        await files.renew(want(slack, elsewhere, "general"))
    with pytest.raises(FileError, match="does not let me see it"):
        await files.renew(want(slack, replace(elsewhere, id="F404"), "random"))


async def test_token_goes_to_slack_alone(files: SlackFiles) -> None:
    for url in ("https://evil.test/a", "http://127.0.0.1:1/a", "file:///etc/passwd"):
        with pytest.raises(FileError, match="outside of Slack"):
            files.locate(Attachment("F1", "a", url))


def test_hosts_follow_from_the_api() -> None:
    assert find_hosts("https://slack.com/api/") == ("https://slack.com", "https://.slack.com")
    assert find_hosts("https://www.slack-gov.com/api/")[1] == "https://.slack-gov.com"
    assert find_hosts("http://127.0.0.1:8080/slack/api/") == ("http://127.0.0.1:8080",)
    assert find_hosts("http://[::1]:80/api/") == ("http://[::1]:80",)
    assert find_hosts("http://localhost:8080/api/") == ("http://localhost:8080",)
