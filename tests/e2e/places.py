"""One way to talk on either platform, for tests that hold on both."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from bots.playground.base import Feed, MessageView, SentFile
from bots.playground.discord import SimulatedDiscord
from bots.playground.slack import SimulatedSlack

PATIENCE = timedelta(seconds=20)


class Place(Protocol):
    """A conversation on a platform, as its people see it."""

    async def ask(self, text: str, *files: SentFile) -> str:
        """Say something to the bot here; gives the message's id."""
        ...

    async def wait_for(self, contains: str, after: str = "") -> MessageView:
        """Wait for a whole message of the bot that contains a text."""
        ...

    async def wait_for_torso(self, contains: str) -> None:
        """Wait until a message of the bot, whole or not, contains a text."""
        ...

    async def wait_for_file(self) -> MessageView:
        """Wait for a message of the bot that has a file."""
        ...

    def replies(self) -> Sequence[MessageView]:
        """All that the bot said here."""
        ...


class SlackThread:
    """A Slack thread: begun by a mention in a channel, gone on with without one."""

    def __init__(self, slack: SimulatedSlack, channel: str = "general") -> None:
        self._slack = slack
        self._channel = slack.channel(channel)
        self.thread = ""

    async def ask(self, text: str, *files: SentFile) -> str:
        """Mention the bot at first, then just write."""
        say, channel = self._slack.say, self._channel
        if self.thread:
            return await say("Ada", channel, text, thread=self.thread, files=files)
        self.thread = await say("Ada", channel, f"@skein {text}", files=files)
        return self.thread

    async def wait_for(self, contains: str, after: str = "") -> MessageView:
        """Wait for a whole message of the bot."""
        return await self._slack.wait_for_reply(
            self._channel, self.thread, contains=contains, after=after, timeout=PATIENCE
        )

    async def wait_for_torso(self, contains: str) -> None:
        """Wait until a message of the bot contains a text."""
        await _wait_for_text(self._slack.feed, self, contains)

    async def wait_for_file(self) -> MessageView:
        """Wait for a message of the bot that has a file."""
        return await _wait_for_file(self._slack.feed, self)

    def replies(self) -> Sequence[MessageView]:
        """All that the bot said in the thread."""
        bot = self._slack.state.identity.bot_user
        return [
            view
            for view in self._slack.messages(self._channel, self.thread)
            if view["author"] == bot and not view["visible_to"]
        ]


class DiscordChannel:
    """A Discord channel in which the bot is mentioned."""

    def __init__(self, discord: SimulatedDiscord, channel: str = "general") -> None:
        self._discord = discord
        snapshot = discord.snapshot()
        self._bot = snapshot["bot"]["id"]
        self._channel = next(c["id"] for c in snapshot["channels"] if c["name"] == channel)

    async def ask(self, text: str, *files: SentFile) -> str:
        """Mention the bot."""
        return await self._discord.say("Ada", self._channel, f"@skein {text}", files=files)

    async def wait_for(self, contains: str, after: str = "") -> MessageView:
        """Wait for a message of the bot."""
        return await self._discord.wait_for_reply(
            self._channel, contains, after=after, timeout=PATIENCE
        )

    async def wait_for_torso(self, contains: str) -> None:
        """Wait until a message of the bot contains a text."""
        await _wait_for_text(self._discord.feed, self, contains)

    async def wait_for_file(self) -> MessageView:
        """Wait for a message of the bot that has a file."""
        return await _wait_for_file(self._discord.feed, self)

    def replies(self) -> Sequence[MessageView]:
        """All that the bot said in the channel."""
        return [
            view
            for view in self._discord.snapshot()["messages"]
            if view["author"] == self._bot and view["channel"] == self._channel
        ]


async def _wait_for_file(feed: Feed, place: Place) -> MessageView:
    with feed.listen() as events:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            while not (found := [view for view in place.replies() if view["files"]]):
                await events.get()
    return found[0]


async def _wait_for_text(feed: Feed, place: Place, contains: str) -> None:
    with feed.listen() as events:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            while not any(contains in view["text"] for view in place.replies()):
                await events.get()
