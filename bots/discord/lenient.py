"""Reads what other servers than Discord's own answer, which leave out things that discord.py insists on.

Nothing that is filled in here is read by Skein. Without it discord.py would drop the connection, or
lose a message, over a field that nobody misses; likewise over a field that Discord changes one day.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp
import discord.client
import discord.http
from discord.gateway import DiscordWebSocket
from discord.utils import time_snowflake

log = logging.getLogger("skein.discord")

Payload = dict[str, Any]
Parse = Callable[[Payload], None]

_THREADS = (10, 11, 12)
_NEW_THREAD: Payload = {
    "archived": False,
    "auto_archive_duration": 1440,
    "archive_timestamp": "2015-01-01T00:00:00+00:00",
}
_UNREAD = frozenset(
    (
        "emojis",
        "guild_scheduled_events",
        "members",
        "presences",
        "soundboard_sounds",
        "stage_instances",
        "stickers",
        "voice_states",
    )
)


class LenientWebSocket(DiscordWebSocket):
    """discord.py's gateway connection; a READY needs nothing but the bot's user."""

    async def received_message(self, msg: Any, /) -> None:
        """Complete a READY, and hand on everything else as it came."""
        text = self._decompressor.decompress(msg) if type(msg) is bytes else msg
        if text is None:  # a part of a frame
            return
        if '"READY"' in text:
            text = self._complete_ready(text)
        await super().received_message(text)

    def _complete_ready(self, text: str) -> str:
        event: Payload = json.loads(text)
        if event.get("t") != "READY":
            return text
        usual = {"session_id": "", "resume_gateway_url": str(self.gateway), "guilds": []}
        data: Payload = {**usual, **event["d"]}
        data["user"] = complete_user(data["user"])
        return json.dumps({"s": 1, **event, "d": data})


def read_leniently() -> None:
    """Let discord.py read JSON of whatever charset, and a sparse READY. Doing it again changes nothing."""
    discord.http.json_or_text = _read_body
    discord.client.DiscordWebSocket = LenientWebSocket  # pyright: ignore[reportPrivateImportUsage]


def guard_parsers(parsers: dict[str, Parse]) -> None:
    """Complete messages, and let an event that cannot be read end nothing but itself."""
    for name, parse in parsers.items():
        if name != "READY":  # without it there is nothing to go on with
            parsers[name] = functools.partial(_parse, name, parse)


def complete_user(user: Payload) -> Payload:
    """Add to a user what discord.py insists on."""
    return {"username": str(user["id"]), "discriminator": "0", "avatar": None, **user}


def complete_message(message: Payload) -> Payload:
    """Add to a message what discord.py insists on. A server's id that is empty stands for none."""
    completed = {"type": 0, "content": "", **message, "author": complete_user(message["author"])}
    if not completed.get("guild_id"):
        completed.pop("guild_id", None)
    if answered := message.get("referenced_message"):
        completed["referenced_message"] = complete_message(answered)
    completed["mentions"] = [complete_user(user) for user in message.get("mentions") or ()]
    return completed


def complete_channel(channel: Payload) -> Payload:
    """Add to a channel what discord.py insists on; of a thread that names no channel, its id is left.

    One that does not tell its last message may have got one just now.
    """
    channel = {"last_message_id": time_snowflake(datetime.now(UTC)), **channel}
    if channel.get("type") not in _THREADS:
        return {"name": "", "position": 0, "bitrate": 0, "user_limit": 0, **channel}
    if not channel.get("parent_id"):
        return {"id": channel["id"]}
    counts = {"name": "", "owner_id": 0, "message_count": 0, "member_count": 0}
    metadata = {**_NEW_THREAD, **(channel.get("thread_metadata") or {})}
    return {**counts, **channel, "thread_metadata": metadata}


def complete_guild(guild: Payload) -> Payload:
    """Add to a server what discord.py insists on, and leave out what is not read."""
    completed = {name: value for name, value in guild.items() if name not in _UNREAD}
    completed["roles"] = [{"name": "", **role} for role in guild.get("roles") or ()]
    channels = [{"type": 0, **channel} for channel in guild.get("channels") or ()]
    completed["channels"] = [complete_channel(channel) for channel in channels]
    threads = [complete_channel({"type": 11, **each}) for each in guild.get("threads") or ()]
    completed["threads"] = [thread for thread in threads if "parent_id" in thread]
    return completed


def complete_interaction(interaction: Payload) -> Payload:
    """Add to an interaction what discord.py insists on, and leave the channel's id where it can be found."""
    completed = {"version": 1, "attachment_size_limit": 0, **interaction}
    if channel_id := interaction.get("channel_id"):
        channel: Payload = interaction.get("channel") or {}
        completed["channel"] = complete_channel({"id": channel_id, **channel})
        completed["data"] = {**(interaction.get("data") or {}), "channel_id": channel_id}
    if member := interaction.get("member"):
        completed["member"] = {"roles": [], "flags": 0, **member}
        completed["member"]["user"] = complete_user(member["user"])
    elif user := interaction.get("user"):
        completed["user"] = complete_user(user)
    return completed


def complete_application(application: Payload, bot_id: int) -> Any:
    """Add to an application what discord.py insists on. Its id is the bot's where none is given."""
    nobody = complete_user({"id": bot_id})
    usual: Payload = {"id": bot_id, "name": "", "description": "", "icon": None, "verify_key": ""}
    usual |= {"bot_public": False, "bot_require_code_grant": False}
    return {**usual, **application, "owner": nobody, "team": None}


_COMPLETE = {
    "CHANNEL_CREATE": complete_channel,
    "GUILD_CREATE": complete_guild,
    "INTERACTION_CREATE": complete_interaction,
    "MESSAGE_CREATE": complete_message,
    "THREAD_CREATE": complete_channel,
}


def _parse(name: str, parse: Parse, data: Payload) -> None:
    complete = _COMPLETE.get(name)
    try:
        parse(complete(data) if complete else data)
    except Exception as error:
        is_needed = complete is not None
        level = logging.ERROR if is_needed else logging.INFO
        text = "Discord: an event of the kind %s cannot be read: %r"
        log.log(level, text, name, error, exc_info=error if is_needed else None)


async def _read_body(response: aiohttp.ClientResponse) -> Any:
    """Read JSON where it is JSON, else text; discord.py's own takes a charset beside the type for text."""
    text = await response.text(encoding="utf-8")
    if response.content_type != "application/json":
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
