"""The simulated world: the state and all that must hear when it changes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from bots.playground.base import Feed, FeedEvent
from bots.playground.discord.commands import Commands
from bots.playground.discord.interactions import Interaction
from bots.playground.discord.limits import Limits
from bots.playground.discord.objects import channel_object, message_event
from bots.playground.discord.sessions import Event, Intents, Sessions
from bots.playground.discord.snowflakes import Clock, Snowflakes
from bots.playground.discord.state import Channel, Json, Post, State
from bots.playground.discord.views import channel_view, message_view

PLATFORM = "discord"
TYPING_SECONDS = 10


@dataclass(slots=True)
class World:
    """Everything that the parts of the simulation share. Changes go out as events from here."""

    state: State
    token: str
    now: Clock
    snowflakes: Snowflakes
    sessions: Sessions
    limits: Limits
    commands: Commands
    feed: Feed
    grants_message_content: bool = True
    interaction_seconds: float = 3
    guild_seconds: float = 0
    """How long after READY the guild tells its channels."""
    interactions: dict[str, Interaction] = field(default_factory=dict[str, Interaction])
    typing: dict[str, asyncio.TimerHandle] = field(default_factory=dict[str, asyncio.TimerHandle])
    """When the bot's typing ends, by channel."""
    origin: str = ""
    """The address at which this is served, with its path; empty until it is located."""

    @property
    def gateway_url(self) -> str:
        """The gateway's websocket address."""
        return f"{self.origin.replace('http', 'ws', 1)}/gateway"

    def publish(self, event: FeedEvent) -> None:
        """Tell the page and the tests."""
        self.feed.publish({"platform": PLATFORM, **event})

    def show_status(self, channel: str, text: str) -> None:
        """Show that the bot types, or (empty) no more; it ends by itself as it does on Discord."""
        timer = self.typing.pop(channel, None)
        if timer is not None:
            timer.cancel()
        if text:
            loop = asyncio.get_running_loop()
            self.typing[channel] = loop.call_later(TYPING_SECONDS, self.show_status, channel, "")
        self.publish({"type": "status", "channel": channel, "thread": "", "text": text})

    def stop_timers(self) -> None:
        """End what would end by itself later."""
        for timer in self.typing.values():
            timer.cancel()
        self.typing.clear()

    def dispatch(self, event: Event, detail: str = "") -> None:
        """Tell the bot, and the page that it was told."""
        if self.sessions.dispatch(event):
            self.publish(
                {
                    "type": "delivery",
                    "name": event.name,
                    "detail": detail,
                    "attempt": event.attempt,
                }
            )

    def announce_post(self, name: str, post: Post, attempt: int = 1) -> None:
        """Tell everyone that a message is new or changed; `name` is the gateway event's."""
        self.send_post(name, post, attempt)
        self.show(post)

    def show(self, post: Post) -> None:
        """Tell the page that a message is new or changed."""
        self.publish({"type": "message", "message": message_view(self.state, post)})

    def send_post(self, name: str, post: Post, attempt: int = 1) -> None:
        """Tell the bot alone about a message."""
        is_private = self.state.channels[post.channel].is_dm or post.is_ephemeral
        event = Event(
            name,
            message_event(self.state, post, sees_content=True),
            Intents.DIRECT_MESSAGES if is_private else Intents.GUILD_MESSAGES,
            is_private,
            message_event(self.state, post, sees_content=False),
            attempt,
        )
        self.dispatch(event, post.content[:80])

    def announce_channel(self, name: str, channel: Channel, **more: object) -> None:
        """Tell everyone that a channel or thread is new or changed."""
        data: Json = {**channel_object(self.state, channel), **more}
        self.dispatch(Event(name, data, Intents.GUILDS), channel.name)
        self.publish({"type": "channel", "channel": channel_view(channel)})
