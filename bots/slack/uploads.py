"""Files that the bot sends to Slack: docs.slack.dev/messaging/working-with-files, "Uploading files".

A file is uploaded for the bot alone, and then attached to a message that stands already, so that the reply
stays one message, and an attempt that was cut off leaves nothing that people see.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from bots.answer_file import AnswerFile
from bots.outlet import TransientError
from bots.slack.api import RefusedCallError, answer_of
from bots.slack.files import find_hosts
from core.conversation import Turn
from core.files.download import is_on

_TIMEOUT = aiohttp.ClientTimeout(total=timedelta(seconds=30).total_seconds())


async def upload(client: AsyncWebClient, file: AnswerFile) -> str:
    """Upload a file and give its id. Raises SlowDownError, TransientError and RefusedCallError."""
    data = file.text.encode("utf-8", "replace")
    given = await answer_of(client.files_getUploadURLExternal(filename=file.name, length=len(data)))
    file_id, url = str(given.get("file_id") or ""), str(given.get("upload_url") or "")
    if not file_id or not is_on(url, find_hosts(client.base_url)):
        raise RefusedCallError("no_upload_url")
    await _send(client, url, data)
    files: list[dict[str, str | None]] = [{"id": file_id, "title": file.name}]
    await answer_of(client.files_completeUploadExternal(files=files))
    return file_id


async def has_file(client: AsyncWebClient, turn: Turn, ts: str, file: AnswerFile) -> bool:
    """Tell whether a message has a file of this name already, as far as Slack lets the bot look.

    Raises SlowDownError and TransientError.
    """
    where: dict[str, Any] = {
        "channel": turn.key.channel,
        "oldest": ts,
        "latest": ts,
        "inclusive": True,
    }
    try:
        if turn.key.thread:
            answer = await answer_of(client.conversations_replies(ts=turn.key.thread, **where))
        else:
            answer = await answer_of(client.conversations_history(**where))
    except RefusedCallError:
        return False
    messages = (each for each in answer.get("messages") or () if each.get("ts") == ts)
    names = (told.get("name") for each in messages for told in each.get("files") or ())
    return file.name in names


async def _send(client: AsyncWebClient, url: str, data: bytes) -> None:
    if client.session is None:
        raise RefusedCallError("not_connected")
    try:
        async with client.session.post(
            url, data=data, timeout=_TIMEOUT, proxy=client.proxy, allow_redirects=False
        ) as response:
            status = response.status
    except (aiohttp.ClientError, OSError) as error:
        raise TransientError(type(error).__name__) from error
    if status == 429 or status >= 500:
        raise TransientError(f"http_{status}")
    if status != 200:
        raise RefusedCallError(f"http_{status}")
