"""Files that people share in Slack: what an event tells of them, and where they are.

Shape: docs.slack.dev/reference/objects/file-object. `url_private` wants the bot's token in a header; where
the app has no files:read, it answers 200 with a page to log in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from slack_sdk.web.async_client import AsyncWebClient

from bots.slack.api import RefusedCallError, answer_of, insist
from core.errors import DeliveryError, ExpiredFileError, FileError
from core.files.download import Address, is_on
from core.files.values import Attachment
from core.store.base import WantedFile

MAX_TOLD = 50
_NO_SCOPE = "Slack does not let me read files: the app needs the scope files:read"
_GONE = {
    "tombstone": "it was deleted",
    "hidden_by_limit": "Slack hides it: the workspace is over its plan's limit",
    "external": "it is kept outside of Slack; upload the file itself",
}
_NO_ACCESS = frozenset(("access_denied", "file_not_found"))
_PAGES = frozenset(("text/html", "application/vnd.slack-docs"))
"""What Slack gives as a web page: such a file, and canvases."""
_REFUSED = {
    "missing_scope": _NO_SCOPE,
    "file_deleted": "it was deleted",
    "file_not_found": "Slack does not let me see it",
}


def parse_attachments(event: Mapping[str, Any]) -> tuple[Attachment, ...]:
    """Read the files of a `message` or `app_mention` event, and of messages that it forwards.

    Some mentions tell of a file in their blocks alone, by its id (seen beside a `message` that has it whole).
    """
    sources = (event, *find_forwarded(event))
    files = (file for source in sources for file in _list(source.get("files")))
    told = [_parse_file(file) for file in files if file.get("id")]
    known = {attachment.id for attachment in told}
    named = dict.fromkeys(_find_named(_list(event.get("blocks"))))
    told += [Attachment(file_id, "file") for file_id in named if file_id not in known]
    return tuple(told[:MAX_TOLD])


def find_forwarded(event: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Give the messages that an event's message forwards: they stand among its attachments."""
    return [each for each in _list(event.get("attachments")) if each.get("is_share")]


def _parse_file(file: Mapping[str, Any]) -> Attachment:
    note = _GONE.get(str(file.get("mode")), "")
    if file.get("is_external"):
        note = _GONE["external"]
    elif file.get("file_access") in _NO_ACCESS:
        note = "Slack does not let me see it"
    size = file.get("size")
    return Attachment(
        id=str(file["id"]),
        name=str(file.get("name") or file.get("title") or "file"),
        url="" if note else str(file.get("url_private") or ""),
        media_type=str(file.get("mimetype") or ""),
        size_bytes=size if isinstance(size, int) else None,
        note=note,
    )


def _list(value: object) -> Sequence[Mapping[str, Any]]:
    entries: list[Any] = value if isinstance(value, list) else []
    return [entry for entry in entries if isinstance(entry, Mapping)]


def _find_named(blocks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for block in blocks:
        if block.get("type") == "file" and (file_id := block.get("file_id") or block.get("id")):
            yield str(file_id)
        yield from _find_named(_list(block.get("elements")))


class SlackFiles:
    """The files of a workspace. They are on Slack's own hosts, which follow from the API's address."""

    def __init__(self, client: AsyncWebClient, api_url: str) -> None:
        self._client = client
        self._hosts = find_hosts(api_url)

    def locate(self, attachment: Attachment) -> Address:
        """Say where a file is, with the token that it wants. Raises FileError."""
        if not attachment.url:
            raise ExpiredFileError("Slack did not say where it is")
        if not is_on(attachment.url, self._hosts):
            raise FileError("it is kept outside of Slack")
        headers = {"Authorization": f"Bearer {self._client.token}"}
        is_page = attachment.media_type in _PAGES
        return Address(attachment.url, headers, login_means=_NO_SCOPE, may_be_page=is_page)

    async def renew(self, wanted: WantedFile) -> Attachment:
        """Ask for a file of which an event told no more than the id. Raises FileError."""
        try:
            answer = await insist(
                lambda: answer_of(self._client.files_info(file=wanted.attachment.id))
            )
        except RefusedCallError as error:
            reason = _REFUSED.get(error.code, f"Slack says {error.code}")
            raise FileError(reason) from error
        except DeliveryError as error:
            raise FileError("Slack cannot be reached") from error
        file = answer.get("file")
        if not isinstance(file, Mapping) or not _is_shared_in(file, wanted.key.channel):
            raise FileError("Slack does not let me see it")
        renewed = _parse_file({"id": wanted.attachment.id, **file})
        if renewed.note:
            raise FileError(renewed.note)
        return renewed


def _is_shared_in(file: Mapping[str, Any], channel: str) -> bool:
    """Whether a file belongs to a place: an id in a message must not fetch what others keep elsewhere."""
    shares: Mapping[str, Any] = file.get("shares") or {}
    places = {place for kind in shares.values() if isinstance(kind, Mapping) for place in kind}
    for kind in ("channels", "groups", "ims"):
        places.update(file.get(kind) or ())
    return channel in places


def find_hosts(api_url: str) -> tuple[str, ...]:
    """Say where files are: on the API's own host, or on one below it, as files.slack.com is."""
    parts = urlsplit(api_url)
    name = (parts.hostname or "").removeprefix("www.")
    port = f":{parts.port}" if parts.port else ""
    is_number = name.replace(".", "").isdigit() or ":" in name
    host = f"[{name}]" if ":" in name else name
    own = f"{parts.scheme}://{host}{port}"
    return (own,) if is_number or "." not in name else (own, f"{parts.scheme}://.{host}{port}")
