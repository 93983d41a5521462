"""People who keep asking, a model whose answers can be told apart, and the count of what came."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol

from bots.playground.base import Feed, MessageView, Simulation
from bots.playground.discord import SimulatedDiscord
from bots.playground.slack import SimulatedSlack
from tests.core.providers.scripted_server import Answer, Json

_NAME = re.compile(r"\bq(\d+)\b")


def answer_slowly(payload: Json, chance: random.Random, longest_step: int = 30) -> Answer:
    """Answer the question, or all that were merged into it, in a few steps between marks for each.

    A mark has no space, at which an answer of several messages may be divided.
    Each step has as many words as chance gives, so that an answer asked for again is of another length.
    """
    questions = _NAME.findall(payload["messages"][-1]["content"])
    loop = asyncio.get_running_loop()
    steps: list[str | asyncio.Event] = ["".join(f"[begin:q{name}] " for name in questions)]
    at = 0.0
    for number in range(chance.randrange(3, 7)):
        at += chance.uniform(0.05, 0.4)
        event = asyncio.Event()
        loop.call_later(at, event.set)
        steps += [event, f"word{number} " * chance.randrange(1, longest_step)]
    return Answer(*steps, " ".join(f"[end:q{name}]" for name in questions))


class Crowd(Protocol):
    """People in several conversations of one platform."""

    @property
    def simulation(self) -> Simulation:
        """The platform."""
        ...

    feed: Feed

    async def ask(self, place: int, number: int) -> None:
        """Ask question `number` in the place with this index."""
        ...

    def replies(self, place: int) -> Sequence[MessageView]:
        """Give all that the bot said in a place, oldest first."""
        ...


class SlackCrowd:
    """Threads in #general, each begun by a mention and gone on with without one; and direct messages."""

    def __init__(self, slack: SimulatedSlack) -> None:
        self._slack = slack
        self.feed = slack.feed
        self.mentions_until_answered = False
        """Whether a thread is gone on with by mentions until the bot has spoken in it: several processes
        hear what begins a thread and what follows in no order, least of all after a kill."""
        self._threads: dict[int, str] = {}

    @property
    def simulation(self) -> SimulatedSlack:
        """The workspace."""
        return self._slack

    async def ask(self, place: int, number: int) -> None:
        """Ask in a thread, which the first question begins."""
        channel = self._slack.channel("general")
        text = f"question q{number}"
        if place in self._threads:
            if self.mentions_until_answered and not self.replies(place):
                text = f"@skein {text}"
            await self._slack.say("Ada", channel, text, thread=self._threads[place])
        else:
            self._threads[place] = await self._slack.say("Ada", channel, f"@skein {text}")

    def replies(self, place: int) -> Sequence[MessageView]:
        """Give the bot's messages in the thread."""
        if place not in self._threads:
            return []
        bot = self._slack.state.identity.bot_user
        shown = self._slack.messages(self._slack.channel("general"), self._threads[place])
        return [view for view in shown if view["author"] == bot]


class DiscordCrowd:
    """Channels with mentions, a channel without, and direct messages."""

    def __init__(self, discord: SimulatedDiscord) -> None:
        self._discord = discord
        self.feed = discord.feed
        snapshot = discord.snapshot()
        self._bot = snapshot["bot"]["id"]
        self._places = snapshot["channels"]

    @property
    def simulation(self) -> SimulatedDiscord:
        """The server."""
        return self._discord

    async def ask(self, place: int, number: int) -> None:
        """Mention the bot in a channel, or write to it directly."""
        channel = self._places[place % len(self._places)]
        person = "Ada"
        if channel["kind"] == "dm":
            person = channel["name"]
        text = f"question q{number}"
        mention = "" if channel["kind"] == "dm" else "@skein "
        await self._discord.say(person, channel["id"], mention + text)

    def replies(self, place: int) -> Sequence[MessageView]:
        """Give the bot's messages in the place."""
        channel = self._places[place % len(self._places)]["id"]
        return [
            view
            for view in self._discord.snapshot()["messages"]
            if view["channel"] == channel and view["author"] == self._bot
        ]


@dataclass
class Talk:
    """All questions that were asked, and what can be seen of their answers."""

    crowd: Crowd
    places: int
    chance: random.Random
    asked: dict[int, int] = field(default_factory=dict[int, int])
    """Each question's place."""

    async def ask(self) -> int:
        """Ask the next question, somewhere."""
        number = len(self.asked)
        place = self.chance.randrange(self.places)
        self.asked[number] = place
        await self.crowd.ask(place, number)
        return number

    async def greet(self, timeout: float) -> None:
        """Ask once in each place, and wait for the answers: of all the bot knows from then on.

        A first direct message on Discord that a killed process heard and did not record is found by
        nobody, until its author writes again (docs/reliability.md).
        """
        for place in range(self.places):
            number = len(self.asked)
            self.asked[number] = place
            await self.crowd.ask(place, number)
        assert await self.wait_until_answered(timeout), "nobody was to be greeted"

    def outcomes(self) -> Mapping[int, str]:
        """Say what came of each question: answered, lost, torso, twice, or told that it failed."""
        begun, ended = Counter[int](), Counter[int]()
        told: Counter[int] = Counter()
        for place in range(self.places):
            for view in self.crowd.replies(place):
                text = view["text"]
                begun.update(int(n) for n in re.findall(r"\[begin:q(\d+)\]", text))
                if not view["is_streaming"]:
                    ended.update(int(n) for n in re.findall(r"\[end:q(\d+)\]", text))
                if "⚠️" in text:
                    told[place] += 1
        return {number: _judge(begun[number], ended[number]) for number in self.asked}

    def shared_count(self) -> int:
        """Count the replies that answer more than one question."""
        views = chain.from_iterable(self.crowd.replies(place) for place in range(self.places))
        return sum(1 for view in views if view["text"].count("[begin:q") > 1)

    def open_count(self) -> int:
        """Count the questions that have no whole answer yet."""
        return sum(1 for outcome in self.outcomes().values() if outcome in ("lost", "torso"))

    async def wait_until_answered(self, timeout: float) -> bool:
        """Wait until each question has a whole answer. False where that does not come."""
        with self.crowd.feed.listen() as events:
            try:
                async with asyncio.timeout(timeout):
                    while self.open_count():
                        await events.get()
                        while not events.empty():
                            events.get_nowait()
            except TimeoutError:
                return False
        return True


def _judge(begun: int, ended: int) -> str:
    if begun > 1 or ended > 1:
        return "twice"
    if begun == 0:
        return "lost"
    return "answered" if ended == 1 else "torso"
