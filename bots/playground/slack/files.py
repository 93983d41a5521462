"""Files in a workspace: what the API tells of them, and their two ways over HTTP.

Shapes: docs.slack.dev/reference/objects/file-object, docs.slack.dev/messaging/working-with-files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from bots.playground.base import FileView, SentFile, dump_file, restore_file
from bots.playground.slack.state import Json, Message, SharedFile, State

MAX_BYTES = 50_000_000
LOGIN_PAGE = (
    "<!DOCTYPE html><html><head><title>Slack</title></head><body>Sign in to Slack</body></html>"
)


@dataclass(frozen=True, slots=True)
class Files:
    """Serves `url_private` to who has the token, and takes uploads at addresses given out before."""

    state: State
    bot_token: str

    async def download(self, request: web.Request) -> web.Response:
        """Give a file. Who may not read it gets the page to log in, with status 200, as at Slack."""
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        file = self.state.files.get(request.match_info["file"].partition("-")[2])
        if token != self.bot_token or "files:read" in self.state.denied_scopes:
            return web.Response(text=LOGIN_PAGE, content_type="text/html")
        if file is None or file.is_deleted:
            raise web.HTTPNotFound
        return web.Response(body=file.sent.content, content_type=file.sent.media_type)

    async def upload(self, request: web.Request) -> web.Response:
        """Take the bytes of a file of the bot's, plain or as a form."""
        file = self.state.files.get(request.match_info["file"])
        if file is None or file.sent.content:
            raise web.HTTPNotFound
        content = await _read_upload(request)
        if len(content) > MAX_BYTES:
            raise web.HTTPRequestEntityTooLarge(MAX_BYTES, len(content))
        sent = SentFile(file.sent.name, request.headers.get("X-Type", "text/plain"), content)
        self.state.files[file.id] = SharedFile(file.id, file.user, sent, file.title)
        return web.Response(text=f"OK - {len(content)}")


async def _read_upload(request: web.Request) -> bytes:
    if not request.content_type.startswith("multipart/"):
        return await request.read()
    for part in (await request.post()).values():
        if isinstance(part, web.FileField):
            return part.file.read()
    return b""


def share(state: State, user: str, files: Iterable[SentFile]) -> tuple[str, ...]:
    """Keep what a person sends along, and give the ids."""
    ids: list[str] = []
    for sent in files:
        file = SharedFile(state.next_id("F"), user, sent)
        state.files[file.id] = file
        ids.append(file.id)
    return tuple(ids)


def file_json(state: State, file: SharedFile) -> Json:
    """Give a file as events and `files.info` tell of it."""
    if file.is_deleted:
        return {"id": file.id, "mode": "tombstone"}
    name, kind = file.sent.name, file.sent.name.rpartition(".")[2].lower()
    url = f"{state.origin}/files-pri/{state.identity.team}-{file.id}/{name}"
    return {
        "id": file.id,
        "name": name,
        "title": file.title or name,
        "mimetype": file.sent.media_type,
        "filetype": kind,
        "pretty_type": kind.upper(),
        "user": file.user,
        "user_team": state.identity.team,
        "editable": False,
        "size": len(file.sent.content),
        "mode": "hosted",
        "is_external": False,
        "external_type": "",
        "is_public": True,
        "public_url_shared": False,
        "display_as_bot": False,
        "username": "",
        "url_private": url,
        "url_private_download": url,
        "permalink": url,
        "has_rich_preview": False,
        "file_access": "visible",
    }


def files_json(state: State, message: Message) -> list[Json]:
    """Give the files of a message."""
    return [file_json(state, state.files[id_]) for id_ in message.files if id_ in state.files]


def file_views(state: State, ids: Iterable[str]) -> list[FileView]:
    """Show files."""
    files = (state.files[id_] for id_ in ids if id_ in state.files)
    return [file.sent.view(file.id) for file in files if not file.is_deleted]


def places_of(state: State, file: SharedFile) -> list[str]:
    """List where a file was shared."""
    shared = (message for message in state.messages.values() if file.id in message.files)
    return list(dict.fromkeys(message.channel for message in shared))


def dump_files(state: State) -> list[Json]:
    """Give all files as JSON values."""
    return [
        {
            "id": file.id,
            "user": file.user,
            "title": file.title,
            "is_deleted": file.is_deleted,
            **dump_file(file.sent),
        }
        for file in state.files.values()
    ]


def restore_files(entries: Iterable[Mapping[str, Any]]) -> dict[str, SharedFile]:
    """Take over what `dump_files` gave."""
    return {
        entry["id"]: SharedFile(
            entry["id"],
            entry["user"],
            restore_file(entry),
            entry["title"],
            entry.get("is_deleted", False),
        )
        for entry in entries
    }
