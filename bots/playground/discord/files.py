"""Files of messages: their addresses are signed, and good for a day.

discord.com/developers/docs/reference#signed-attachment-cdn-urls
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from aiohttp import web

from bots.playground.base import FileView, SentFile
from bots.playground.discord.state import Json, Post, State

LIFETIME_SECONDS = 24 * 3600
_KEY = b"simulated"


def attachment_object(state: State, attachment: Mapping[str, str]) -> Json:
    """Render an attachment as the API returns it, with an address that is good from now on."""
    file = state.files.get(attachment["id"], SentFile(attachment["filename"], "", b""))
    path = f"/attachments/{attachment['channel']}/{attachment['id']}/{file.name}"
    url = f"{state.origin}{path}?{_sign(path, int(state.now()) + LIFETIME_SECONDS)}"
    return {
        "id": attachment["id"],
        "filename": file.name,
        "size": len(file.content),
        "content_type": file.media_type,
        "url": url,
        "proxy_url": url,
    }


def serve_file(state: State, request: web.Request) -> web.Response:
    """Give a file to whoever has an address of it that is good. Raises HTTPNotFound."""
    path = f"/attachments/{request.match_info['path']}"
    ends_at = request.query.get("ex", "")
    is_hex = ends_at.isascii() and ends_at.isalnum()
    if not is_hex or request.query_string != _sign(path, int(ends_at, 16)):
        raise web.HTTPNotFound(text="This content is no longer available.")
    file = state.files.get(path.split("/")[3])
    if int(ends_at, 16) < state.now() or file is None:
        raise web.HTTPNotFound(text="This content is no longer available.")
    return web.Response(body=file.content, content_type=file.media_type)


def _sign(path: str, ends_at: int) -> str:
    digest = hmac.new(_KEY, f"{path} {ends_at}".encode(), "sha256").hexdigest()
    return f"ex={ends_at:x}&is={ends_at - LIFETIME_SECONDS:x}&hm={digest}"


def file_views(state: State, post: Post) -> list[FileView]:
    """Show the files of a message."""
    attachments = (*post.attachments, *post.forwarded.get("attachments", ()))
    ids = (str(each["id"]) for each in attachments)
    return [state.files[id_].view(id_) for id_ in ids if id_ in state.files]
