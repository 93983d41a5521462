"""What was said while nobody listened: read once after a session that could not be resumed.

Discord's gateway acknowledges nothing and replays only into a session that goes on. The messages
read here take the same way as those that arrive, where the store knows which were seen before.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import suppress
from datetime import datetime, timedelta

import aiohttp
import discord
from discord.abc import Messageable

from core.conversation import ThreadKey

log = logging.getLogger("skein.discord")

MAX_PLACES = 100
"""Places read in one go, those used last first: each costs a call."""
MAX_MESSAGES = 50
"""Messages read of one place, the newest: more than people ask while a bot restarts."""
LONGEST_WAIT = timedelta(seconds=5)
"""How long what is said now waits for what was said before: an answer out of order is better than none."""
LONGEST_RISK = timedelta(seconds=1)
"""How long that may take where a message would be lost with this process: nobody finds it again."""


class CatchUp:
    """Hands on what was said in places while nobody listened, and holds up what is said there now.

    A place that cannot be read is left out, for the bot has no business there. Discord lists no direct
    messages: those of somebody unknown are read when they write again, and nothing else is waited for then.
    """

    def __init__(
        self,
        hand_on: Callable[[discord.Message], Awaitable[None]],
        begin_of_interest: Callable[[], datetime],
    ) -> None:
        self._hand_on = hand_on
        self._begin_of_interest = begin_of_interest
        self._is_over = asyncio.Event()
        self._known: set[int] = set()
        """Places that any process finds again, for it has a conversation there."""
        self._read: set[int] = set()
        self._reading = asyncio.Lock()

    def begin(self) -> None:
        """Begin a session: nothing was read in it yet."""
        self._is_over.clear()
        self._read.clear()

    async def run(self, client: discord.Client, known: Collection[ThreadKey]) -> int:
        """Hand on what was said, place by place in order, and count the messages.

        `known` are the conversations used last: direct messages and archived threads are found by them
        alone.
        """
        self._known.update(int(key.channel) for key in known if key.channel.isdecimal())
        places = find_places(client, known, self._begin_of_interest())
        return sum([await self._catch_up_on(place) for place in places])

    def end(self) -> None:
        """Let go of what is held up: all was read, or could not be."""
        self._is_over.set()

    async def wait(self, message: discord.Message) -> None:
        """Return once what was said before a message is handed on, or after a while."""
        is_direct, place_id = message.guild is None, message.channel.id
        is_at_risk = is_direct and place_id not in self._known
        longest = LONGEST_RISK if is_at_risk else LONGEST_WAIT
        with suppress(TimeoutError):
            async with asyncio.timeout(longest.total_seconds()):
                if not is_at_risk:
                    await self._is_over.wait()
                if is_direct and place_id not in self._read:
                    async with self._reading:
                        if place_id not in self._read:
                            await self._catch_up_on(message.channel)
        if is_direct:
            self._known.add(place_id)

    async def _catch_up_on(self, place: Messageable) -> int:
        messages = await self._load(place)
        for message in messages:
            try:
                await self._hand_on(message)
            except Exception:
                log.exception("Discord: message %s was not taken", message.id)
        self._read.add(getattr(place, "id", 0))
        return len(messages)

    async def _load(self, place: Messageable) -> list[discord.Message]:
        since = self._begin_of_interest()
        try:
            # From the newest on: with `after` alone discord.py would stop at the oldest.
            newest = place.history(limit=MAX_MESSAGES, after=since, oldest_first=False)
            messages = [message async for message in newest]
        except (discord.DiscordException, OSError, aiohttp.ClientError, LookupError) as error:
            log.debug("Discord: %s cannot be caught up on: %s", place, error)
            return []
        return sorted(messages, key=lambda message: message.id)


def find_places(
    client: discord.Client, known: Collection[ThreadKey], since: datetime
) -> Iterator[Messageable]:
    """Find where something may have been said: by the last message that Discord announced, or by heart."""
    oldest = discord.utils.time_snowflake(since)
    announced: dict[int, Messageable] = {}
    for guild in client.guilds:
        spoken = (*guild.voice_channels, *guild.stage_channels)  # each has a chat of its own
        for channel in (*guild.text_channels, *spoken, *guild.threads):
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
