"""What was said while nobody listened: read once after a session that could not be resumed.

Discord's gateway acknowledges nothing and replays only into a session that goes on. The messages
read here take the same way as those that arrive, where the store knows which were seen before.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterator
from datetime import datetime

import aiohttp
import discord
from discord.abc import Messageable

from core.conversation import ThreadKey

log = logging.getLogger("skein.discord")

MAX_PLACES = 100
"""Places read in one go, those used last first: each costs a call."""
MAX_MESSAGES = 50
"""Messages read of one place, the newest: more than people ask while a bot restarts."""


async def catch_up(
    client: discord.Client,
    known: Collection[ThreadKey],
    since: datetime,
    hand_on: Callable[[discord.Message], Awaitable[None]],
) -> int:
    """Hand on what was said since a time, place by place in order, and count the messages.

    `known` are the conversations used last: direct messages and archived threads are found by them
    alone. A place that cannot be read is left out, for the bot has no business there.
    """
    count = 0
    for place in find_places(client, known, since):
        try:
            # From the newest on: with `after` alone discord.py would stop at the oldest.
            newest = place.history(limit=MAX_MESSAGES, after=since, oldest_first=False)
            messages = [message async for message in newest]
        except (discord.DiscordException, OSError, aiohttp.ClientError, LookupError) as error:
            log.debug("Discord: %s cannot be caught up on: %s", place, error)
            continue
        for message in sorted(messages, key=lambda message: message.id):
            await hand_on(message)
        count += len(messages)
    return count


def find_places(
    client: discord.Client, known: Collection[ThreadKey], since: datetime
) -> Iterator[Messageable]:
    """Find where something may have been said: by the last message that Discord announced, or by heart."""
    oldest = discord.utils.time_snowflake(since)
    announced: dict[int, Messageable] = {}
    for guild in client.guilds:
        for channel in (*guild.text_channels, *guild.threads):
            announced[channel.id] = channel
    told = [place for place in announced.values() if _last_message(place) > oldest]
    told.sort(key=_last_message, reverse=True)
    remembered = {int(key.thread or key.channel): _guild_id(key) for key in known if _is_id(key)}
    unannounced = (
        client.get_partial_messageable(place_id, guild_id=guild_id)
        for place_id, guild_id in remembered.items()
        if place_id not in announced
    )
    yield from [*told, *unannounced][:MAX_PLACES]


def _last_message(place: Messageable) -> int:
    return getattr(place, "last_message_id", None) or 0


def _guild_id(key: ThreadKey) -> int | None:
    return int(key.workspace) if key.workspace.isascii() and key.workspace.isdigit() else None


def _is_id(key: ThreadKey) -> bool:
    return (key.thread or key.channel).isascii() and (key.thread or key.channel).isdigit()
