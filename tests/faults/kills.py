"""Kills `skein run` again and again while people keep asking, and counts what became of each question."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bots.playground.discord import SimulatedDiscord, serve_discord
from bots.playground.slack import SimulatedSlack, Timing, serve_slack
from tests.core.providers.scripted_server import ScriptedModelServer
from tests.faults.talk import Crowd, DiscordCrowd, SlackCrowd, Talk, answer_slowly
from tests.faults.truth import find_differences
from tests.processes import SKEIN, Program, clean_environment, run_program

PLACES = 6
PLACES_TO_WAIT_IN = 3
"""Where waiting questions are merged there must be some that wait."""
UNDER_WAY = 4
START_SECONDS = 30.0
SETTLE_SECONDS = 90.0
LONGEST_LIFE_SECONDS = 3.0
SHORT_STEP = 30
LONGEST_STEP = 700
"""Words in a step of an answer; a few of so many are more than a message of either platform holds."""


@dataclass(frozen=True)
class Report:
    """What a run of kills came to."""

    seed: int
    kills: int
    counts: Counter[str]
    """How many questions ended how."""
    shared: int
    """How many replies answered more than one."""
    bad: Mapping[int, str]
    """Each question that was not answered exactly once."""
    logs: str

    @classmethod
    def nothing(cls) -> Report:
        """Begin a sum."""
        return cls(0, 0, Counter(), 0, {}, "")

    def __add__(self, other: Report) -> Report:
        counts, shared = self.counts + other.counts, self.shared + other.shared
        bad = dict(enumerate((*self.bad.values(), *other.bad.values())))
        return Report(0, self.kills + other.kills, counts, shared, bad, "")

    @property
    def questions(self) -> int:
        """How many questions were asked."""
        return self.counts.total()

    @property
    def is_clean(self) -> bool:
        """Whether each question was answered exactly once."""
        return self.counts["answered"] == self.questions and not self.bad

    @property
    def summary(self) -> str:
        """The counts, in words."""
        counts = ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items()))
        shared = f" ({self.shared} replies to several)" if self.shared else ""
        return f"{self.kills} kills, {self.questions} questions: {counts}{shared}"

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.summary} {dict(self.bad) or ''}".rstrip()


class Killer:
    """One platform, one database, one way to wait, one seed."""

    def __init__(
        self,
        platform: str,
        folder: Path,
        seed: int,
        database_url: str = "",
        waiting: str = "queue",
        *,
        is_long: bool = False,
    ) -> None:
        self.platform = platform
        self.seed = seed
        self._folder = folder
        self._waiting = waiting
        self._longest_step = LONGEST_STEP if is_long else SHORT_STEP
        self._database_url = database_url or f"sqlite:///{folder / 'skein.db'}"
        self._chance = random.Random(seed)
        self._logs: list[str] = []

    async def run(self, kills: int, replicas: int = 1) -> Report:
        """Kill so many times, each time one of the replicas, then let it settle, and count."""
        async with AsyncExitStack() as stack:
            model = await stack.enter_async_context(
                ScriptedModelServer(
                    lambda payload: answer_slowly(payload, self._chance, self._longest_step)
                )
            )
            crowd, settings = await self._open_platform(stack)
            settings |= {
                "OPENAI_BASE_URL": model.openai_url,
                "DATABASE_URL": self._database_url,
                "WAITING": self._waiting,
                "MAX_ATTEMPTS": "10",
                "MAX_REQUESTS_PER_MINUTE": "100000",
                "SHUTDOWN_SECONDS": "10",
                "ANSWER_FILE_CHARACTERS": "100000",
            }
            environment = clean_environment(**settings)
            if isinstance(crowd, SlackCrowd):
                crowd.mentions_until_answered = replicas > 1
            places = PLACES_TO_WAIT_IN if self._waiting == "merge" else PLACES
            talk = Talk(crowd, places, self._chance)
            async with AsyncExitStack() as lives:
                programs = [
                    await lives.enter_async_context(self._skein(environment))
                    for _ in range(replicas)
                ]
                await self._wait_until_heard(programs)
                await talk.greet(SETTLE_SECONDS)
                for _ in range(kills):
                    await self._ask_for_a_while(talk)
                    victim = self._chance.randrange(replicas)
                    programs[victim].kill()
                    await programs[victim].wait()
                    programs[victim] = await lives.enter_async_context(self._skein(environment))
                await talk.wait_until_answered(SETTLE_SECONDS)
                for program in programs:  # what is shown whole may not be marked as done yet
                    program.terminate()
                    await program.wait()
            outcomes = talk.outcomes()
            bad = {number: how for number, how in outcomes.items() if how != "answered"}
            counts = Counter(outcomes.values())
            if self._longest_step > SHORT_STEP:  # what stands between the marks counts, too
                bad |= dict(enumerate(await self._find_differences(crowd), len(outcomes)))
            logs = "\n".join(self._logs)
            return Report(self.seed, kills, counts, talk.shared_count(), bad, logs)

    async def _wait_until_heard(self, programs: Sequence[Program]) -> None:
        """Wait until one of the programs hears what is said; with Discord that is one at a time."""
        line = "Discord: ready" if self.platform == "discord" else "Slack: connected"
        looks = [asyncio.create_task(each.wait_for_line(line, START_SECONDS)) for each in programs]
        done, others = await asyncio.wait(looks, return_when=asyncio.FIRST_COMPLETED)
        for look in others:
            look.cancel()
        await asyncio.gather(*done)

    async def _find_differences(self, crowd: Crowd) -> list[str]:
        # What Slack was not acknowledged it sends again later, when more was said.
        is_in_order = self.platform != "slack"
        found = await find_differences(
            self._database_url, crowd.simulation, is_in_order=is_in_order
        )
        return [f"{each[:200]} ... {each[-200:]}" for each in found]

    async def _ask_for_a_while(self, talk: Talk) -> None:
        asking = asyncio.create_task(self._keep_asking(talk))
        try:
            await asyncio.sleep(self._chance.uniform(0.0, LONGEST_LIFE_SECONDS))
        finally:
            asking.cancel()
            await asyncio.wait({asking})

    async def _keep_asking(self, talk: Talk) -> None:
        """Keep at least so many questions open, and let some time pass between two."""
        while True:
            if talk.open_count() < UNDER_WAY + 2:
                await talk.ask()
            await asyncio.sleep(self._chance.uniform(0.01, 0.1))

    @asynccontextmanager
    async def _skein(self, environment: Mapping[str, str]) -> AsyncGenerator[Program]:
        async with run_program(
            (*SKEIN, "run"), cwd=self._folder, environment=environment
        ) as program:
            await program.wait_for_line("connected as", START_SECONDS)
            try:
                yield program
            finally:
                self._logs.append(program.output)

    async def _open_platform(self, stack: AsyncExitStack) -> tuple[Crowd, dict[str, str]]:
        if self.platform == "slack":
            timing = Timing(retries=(timedelta(0), timedelta(seconds=2), timedelta(seconds=10)))
            slack = await stack.enter_async_context(
                serve_slack(SimulatedSlack(rate_scale=None, timing=timing))
            )
            return SlackCrowd(slack), {
                "SLACK_API_URL": slack.api_url,
                "SLACK_BOT_TOKEN": slack.bot_token,
                "SLACK_APP_TOKEN": slack.app_token,
            }
        discord = await stack.enter_async_context(serve_discord(SimulatedDiscord(rate_limits=0)))
        return DiscordCrowd(discord), {
            "DISCORD_API_URL": discord.api_url,
            "DISCORD_BOT_TOKEN": discord.bot_token,
        }
