"""When the frontend looks for what it missed, and what it bears from Slack as it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import aiohttp
import pytest

from bots.playground.base import Fault
from bots.playground.slack import SimulatedSlack
from bots.slack.bolt import make_client
from bots.slack.catch_up import CatchUp, Place, Times, find_places
from bots.slack.events import Heard, Identity, parse_message
from core.beside import beside
from core.conversation import ThreadKey
from core.errors import StoreError
from core.store.base import ConversationInfo
from tests.bots.slack.fakes import FakeThreads, FakeTurns, make_info

QUICK = Times(
    gives_up=timedelta(milliseconds=200),
    store_pause=timedelta(milliseconds=50),
    between_calls=timedelta(0),
    longest_wait=timedelta(seconds=5),
)
ME = Identity("U0SKEIN001", "B0BOT", "skein", "T0ACME", "Acme")


class AwayThreads(FakeThreads):
    """Threads of a store that is away for some questions."""

    failures = 0

    async def recent(self, *of: object, **named: object) -> list[ConversationInfo]:
        if self.failures:
            self.failures -= 1
            raise StoreError("away")
        return self.infos


@dataclass
class Look:
    """A catch-up under way, and what came of it."""

    catch_up: CatchUp
    threads: AwayThreads
    heard: asyncio.Queue[Heard] = field(default_factory=asyncio.Queue[Heard])

    async def next(self) -> str:
        async with asyncio.timeout(20):
            return (await self.heard.get()).raw_text


@asynccontextmanager
async def looking(slack: SimulatedSlack, times: Times = QUICK) -> AsyncGenerator[Look]:
    client = make_client(slack.api_url, slack.bot_token)
    threads = AwayThreads(FakeTurns())
    heard = asyncio.Queue[Heard]()

    async def hear(each: Heard) -> None:
        heard.put_nowait(each)

    catch_up = CatchUp(
        client, threads, lambda body: parse_message(body, ME), hear, timedelta(minutes=15), times
    )
    async with aiohttp.ClientSession() as session, beside(catch_up.run()):
        client.session = session
        yield Look(catch_up, threads, heard)


async def said_in_dm(slack: SimulatedSlack, look: Look, text: str = "hello?") -> None:
    dm = slack.dm("ada")
    await slack.say("ada", dm, text)
    look.threads.infos = [make_info(ThreadKey("slack", "T0ACME", dm))]


async def test_a_short_silence_is_slacks_to_make_good(slack: SimulatedSlack) -> None:
    async with looking(slack) as look:
        look.catch_up.note_connection(timedelta(seconds=59))
        await asyncio.sleep(0.1)
    assert not slack.calls


async def test_a_long_silence_is_made_good(slack: SimulatedSlack) -> None:
    async with looking(slack) as look:
        await said_in_dm(slack, look)
        look.catch_up.note_connection(timedelta(minutes=1))
        assert await look.next() == "hello?"


async def test_what_could_not_be_recorded_is_looked_for_after_slack_gave_up(
    slack: SimulatedSlack,
) -> None:
    async with looking(slack) as look:
        await said_in_dm(slack, look)
        clock = asyncio.get_running_loop().time
        failed_at = clock()
        look.catch_up.note_failure()
        await slack.wait_for_call("conversations.history")
        assert clock() - failed_at >= QUICK.gives_up.total_seconds()
        assert await look.next() == "hello?"


async def test_a_look_that_began_before_slack_gave_up_is_followed_by_another(
    slack: SimulatedSlack,
) -> None:
    async with looking(slack) as look:
        await said_in_dm(slack, look)
        look.catch_up.note_failure()
        look.catch_up.note_connection(timedelta.max)
        assert [await look.next(), await look.next()] == ["hello?", "hello?"]


async def test_a_late_mention_is_not_heard_again_with_what_followed_it(
    slack: SimulatedSlack,
) -> None:
    async with looking(slack, replace(QUICK, late=timedelta(0))) as look:
        channel = slack.channel("general")
        ts = await slack.say("ada", channel, "@Skein hello?")
        await slack.say("ada", channel, "and you?", thread=ts)
        said = {"channel": channel, "user": slack.person("ada"), "ts": ts}
        mention = parse_message({"team_id": "T0ACME", "event": {"type": "app_mention", **said}}, ME)
        assert mention
        look.catch_up.note_recorded(mention)
        assert await look.next() == "and you?"


async def test_a_store_that_is_away_is_waited_for(slack: SimulatedSlack) -> None:
    async with looking(slack) as look:
        await said_in_dm(slack, look)
        look.threads.failures = 2
        look.catch_up.note_connection(timedelta.max)
        assert await look.next() == "hello?"


@pytest.mark.parametrize(
    "fault",
    [
        Fault("conversations.history", status=503),
        Fault("conversations.history", drop=True),
        Fault("conversations.history", status=429, retry_after=timedelta(seconds=1)),
    ],
    ids=["503", "dropped", "429"],
)
async def test_what_may_pass_is_borne(slack: SimulatedSlack, fault: Fault) -> None:
    slack.faults.add(fault)
    async with looking(slack) as look:
        await said_in_dm(slack, look)
        look.catch_up.note_connection(timedelta.max)
        assert await look.next() == "hello?"


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault("conversations.*", status=200, error="missing_scope"), "does not let the bot"),
        (Fault("conversations.*", status=429, retry_after=timedelta(seconds=60)), "too little"),
    ],
    ids=["scope", "marketplace"],
)
async def test_what_slack_does_not_allow_is_told_once(
    slack: SimulatedSlack, caplog: pytest.LogCaptureFixture, fault: Fault, told: str
) -> None:
    async with looking(slack) as look:
        await said_in_dm(slack, look, "one")
        for _ in range(2):
            slack.faults.add(Fault(fault.method, fault.status, fault.error, fault.retry_after))
            look.catch_up.note_connection(timedelta.max)
            await slack.wait_for(lambda: not slack.faults.waiting or None)
            await said_in_dm(slack, look, "two")
            look.catch_up.note_connection(timedelta.max)
            await look.next()
            while not look.heard.empty():
                look.heard.get_nowait()
    assert sum(told in message for message in caplog.messages) == 1


def test_conversations_are_read_before_the_channels_that_they_are_in() -> None:
    keys = [ThreadKey("slack", "T1", "C1", "1.1"), ThreadKey("slack", "T1", "D1")]
    assert list(find_places(keys)) == [
        Place("T1", "C1", "1.1"),
        Place("T1", "D1"),
        Place("T1", "C1"),
    ]
