"""Waits for what the bot does: for tests, driven by events and bounded."""

from __future__ import annotations

import asyncio
import fnmatch
from collections import deque
from collections.abc import Callable
from datetime import timedelta

from bots.playground.base import MessageView
from bots.playground.discord.rest import Call
from bots.playground.discord.views import is_shown, message_view
from bots.playground.discord.world import World

_WAIT = timedelta(seconds=10)


class Watcher:
    """Sees every message, request and connection of the bot."""

    def __init__(self, world: World, calls: deque[Call]) -> None:
        self.world = world
        self.calls = calls
        """The bot's requests, oldest first."""

    def connections(self) -> int:
        """Count the gateway sessions that are connected."""
        return self.world.sessions.connected()

    async def wait_for_message(
        self, matches: Callable[[MessageView], bool], timeout: timedelta = _WAIT
    ) -> MessageView:
        """Wait until a message, there already or to come, matches. Raises TimeoutError."""
        with self.world.feed.listen() as queue:
            for post in self.world.state.all_posts():
                view = message_view(self.world.state, post)
                if is_shown(post) and matches(view):
                    return view
            async with asyncio.timeout(timeout.total_seconds()):
                while True:
                    event = await queue.get()
                    if event["type"] == "message" and matches(event["message"]):
                        return event["message"]

    async def wait_for_reply(
        self,
        channel: str = "",
        contains: str = "",
        *,
        after: str = "",
        timeout: timedelta = _WAIT,
    ) -> MessageView:
        """Wait for a message of the bot, newer than `after`. Raises TimeoutError.

        `channel` is a name or an id, also one of a thread to come (a message's id); empty for any
        place. A message that is still "thinking" does not count.
        """
        named = (each.id for each in self.world.state.channels.values() if each.name == channel)
        place = next(named, channel)

        def matches(view: MessageView) -> bool:
            return (
                view["author"] == self.world.state.bot.id
                and place in ("", view["channel"])
                and int(view["id"]) > int(after or 0)
                and not view["is_streaming"]
                and contains in view["text"]
            )

        return await self.wait_for_message(matches, timeout)

    async def wait_for_call(
        self, pattern: str, *, times: int = 1, timeout: timedelta = _WAIT
    ) -> list[Call]:
        """Wait until requests matching `"METHOD /path"` were made so often. Raises TimeoutError."""

        def found() -> list[Call]:
            return [call for call in self.calls if fnmatch.fnmatchcase(call.name, pattern)]

        with self.world.feed.listen() as queue:
            async with asyncio.timeout(timeout.total_seconds()):
                while len(found()) < times:
                    await queue.get()
        return found()

    async def wait_for_connections(self, count: int = 1, timeout: timedelta = _WAIT) -> None:
        """Wait until the bot holds so many gateway connections. Raises TimeoutError."""
        with self.world.feed.listen() as queue:
            async with asyncio.timeout(timeout.total_seconds()):
                while self.connections() != count:
                    await queue.get()
