"""Where the fault tests play: a world whose every run ends with store and platform compared."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bots.playground.base import Simulation
from tests.core.providers.scripted_server import Answer, Json
from tests.e2e.conftest import World
from tests.faults.truth import find_differences
from tests.processes import Program

PLATFORMS = ("slack", "discord")


def answer_by_name(payload: Json) -> Answer:
    """Answer `what is q1?` with `The answer to q1 is here, all of it.`"""
    question: str = payload["messages"][-1]["content"]
    return Answer("The answer to ", f"{question.split()[-1].rstrip('?')} is here, ", "all of it.")


def whole(name: str) -> str:
    """Give the whole answer to a question."""
    return f"The answer to {name} is here, all of it."


@dataclass
class Stage(World):
    """A world with one database at a time."""

    database_url: str = ""

    @property
    def url(self) -> str:
        """The database: a file in the folder unless told."""
        return self.database_url or f"sqlite:///{self.folder / 'skein.db'}"

    def simulation(self, platform: str) -> Simulation:
        """Give a platform's server."""
        return self.slack if platform == "slack" else self.discord

    @asynccontextmanager
    async def running(self, *platforms: str, **more: str) -> AsyncGenerator[Program]:
        """Run `skein run` on some platforms, and end it by SIGTERM when the context ends."""
        settings = {
            "DATABASE_URL": self.url,
            "MAX_REQUESTS_PER_MINUTE": "100000",
            "SHUTDOWN_SECONDS": "10",
        }
        async with self.skein(*platforms, **settings | more) as program:
            try:
                yield program
            except BaseException:
                print(program.output)  # pytest shows it
                raise
            if program.process.returncode is None:
                program.terminate()
                assert await program.wait() == 0, program.output

    async def check(
        self, platform: str, *, told: Collection[str] = (), unrecorded: Collection[str] = ()
    ) -> None:
        """Fail unless each question has its one reply, and the store has what the platform shows."""
        differences = await find_differences(
            self.url, self.simulation(platform), told=told, unrecorded=unrecorded
        )
        assert not differences, "\n".join(differences)
