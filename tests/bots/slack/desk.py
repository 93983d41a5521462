"""An outlet in a thread of #general, in a simulated workspace over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from bots.playground.base import MessageView
from bots.playground.slack import SimulatedSlack
from bots.slack.bolt import make_client
from bots.slack.events import parse_ts
from bots.slack.sink import SlackOutlet
from bots.slack.support import Support
from core.conversation import Author, Incoming, ThreadKey
from tests.bots.slack.fakes import make_turn


@dataclass
class Desk:
    """A workspace to show replies in, and a clock to turn."""

    slack: SimulatedSlack
    client: AsyncWebClient
    key: ThreadKey
    support: Support = field(default_factory=Support)
    now: float = 0.0
    suspicions: int = 0
    known: set[str] = field(default_factory=set[str])
    """The messages of replies that were recorded."""

    def outlet(
        self, key: ThreadKey | None = None, question: str = "", turn_id: int = 1, attempts: int = 1
    ) -> SlackOutlet:
        key, ts = key or self.key, question or self.key.thread
        author = Author(self.slack.person("ada"), "Ada")
        incoming = Incoming(key, ts, author, "hi", parse_ts(ts))
        turn = make_turn(incoming, turn_id=turn_id, attempts=attempts)
        return SlackOutlet(
            self.client,
            turn,
            self.slack.state.identity.bot_user,
            self.support,
            self._suspect,
            self._load_known,
            lambda: self.now,
        )

    async def _load_known(self) -> frozenset[str]:
        return frozenset(self.known)

    def shown(self) -> Sequence[MessageView]:
        return self.slack.messages(self.key.channel, self.key.thread)

    def methods(self) -> list[str]:
        return [call.method for call in self.slack.calls]

    def _suspect(self) -> None:
        self.suspicions += 1


@asynccontextmanager
async def open_desk(slack: SimulatedSlack) -> AsyncGenerator[Desk]:
    channel = slack.channel("general")
    thread = await slack.say("ada", "general", "hello")
    key = ThreadKey("slack", slack.state.identity.team, channel, thread)
    async with aiohttp.ClientSession() as session:
        client = make_client(slack.api_url, slack.bot_token)
        client.session = session
        yield Desk(slack, client, key)
