"""Files that people attach in Discord: what a message tells of them, and where they are.

Their addresses are signed for a day (discord.com/developers/docs/reference#signed-attachment-cdn-urls): one
that is older is renewed by reading its message again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

import aiohttp
import discord

from core.errors import ExpiredFileError, FileError
from core.files.download import Address, is_on
from core.files.values import Attachment
from core.store.base import WantedFile

_CDN = ("https://cdn.discordapp.com", "https://media.discordapp.net")
_DISCORD = (".discord.com", ".discordapp.com")
_SECONDS = 15.0


def parse_attachments(message: discord.Message) -> tuple[Attachment, ...]:
    """Read what a message tells of its files, and of those of messages that it forwards."""
    forwarded = (each for snapshot in message.message_snapshots for each in snapshot.attachments)
    return tuple(
        Attachment(
            id=str(attachment.id),
            name=attachment.filename,
            url=attachment.url,
            media_type=attachment.content_type or "",
            size_bytes=attachment.size,
        )
        for attachment in (*message.attachments, *forwarded)
    )


class DiscordFiles:
    """The files of messages. They are on Discord's own hosts, or on the API's where that is another one."""

    def __init__(self, client: Callable[[], discord.Client], api_url: str) -> None:
        self._client = client
        self._hosts = find_hosts(api_url)

    def locate(self, attachment: Attachment) -> Address:
        """Say where a file is. Raises FileError."""
        if not attachment.url:
            raise ExpiredFileError("Discord did not say where it is")
        if not is_on(attachment.url, self._hosts):
            raise FileError("it is kept outside of Discord")
        return Address(attachment.url)

    async def renew(self, wanted: WantedFile) -> Attachment:
        """Read the message of a file again. Raises FileError."""
        channel = int(wanted.key.thread or wanted.key.channel)
        try:
            async with asyncio.timeout(_SECONDS):
                place = self._client().get_partial_messageable(channel)
                message = await place.fetch_message(int(wanted.message_id))
        except discord.NotFound:
            raise FileError("its message was deleted") from None
        except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
            raise FileError("Discord does not give it again") from error
        for attachment in parse_attachments(message):
            if attachment.id == wanted.attachment.id:
                return attachment
        raise FileError("it was taken out of its message")


def find_hosts(api_url: str) -> tuple[str, ...]:
    """Say where files are: Discord has hosts of its own for them, another server has them itself."""
    parts = urlsplit(api_url)
    if f".{parts.hostname}".endswith(_DISCORD):
        return _CDN
    return (f"{parts.scheme}://{parts.netloc}",)
