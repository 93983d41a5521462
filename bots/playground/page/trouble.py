"""What the page's "Make it hard" menu can let go wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol, runtime_checkable

from bots.playground.base import Fault, MessageView, Simulation, Snapshot


@runtime_checkable
class Redelivers(Protocol):
    """A simulation that can send the bot the events of a message once more."""

    async def redeliver(self, message: str) -> object:
        """Send a person's message again, as the platform would. Raises ValueError."""
        ...


# The calls that show an answer; failing a log-in as well would only tell less clearly what happens.
_ANSWER_CALLS = {"slack": "chat.*", "discord": "* /channels/*"}


async def make_trouble(simulation: Simulation, kind: str) -> str:
    """Let something go wrong, and say what in one sentence. Raises ValueError for an unknown kind."""
    if kind not in _KINDS:
        raise ValueError(f"there is no trouble called {kind!r}")
    return await _KINDS[kind](simulation)


def _calls(simulation: Simulation) -> str:
    return _ANSWER_CALLS.get(simulation.platform, "*")


async def _rate_limit(simulation: Simulation) -> str:
    wait = timedelta(seconds=2)
    fault = Fault(_calls(simulation), status=429, error="ratelimited", retry_after=wait, times=3)
    simulation.faults.add(fault)
    return "The next 3 calls are answered with 429 and Retry-After: 2."


async def _server_error(simulation: Simulation) -> str:
    simulation.faults.add(Fault(_calls(simulation), status=500, times=2))
    return "The next 2 calls are answered with 500."


async def _lost_answer(simulation: Simulation) -> str:
    simulation.faults.add(Fault(_calls(simulation), drop=True, after=True))
    return "The next call takes effect, but its answer is lost."


async def _slow(simulation: Simulation) -> str:
    fault = Fault(_calls(simulation), delay=timedelta(seconds=2), is_slow_only=True, times=5)
    simulation.faults.add(fault)
    return "The next 5 calls take 2 seconds longer."


async def _disconnect(simulation: Simulation) -> str:
    count = simulation.connections()
    await simulation.drop_connections()
    return f"Cut {count} event connection{'' if count == 1 else 's'}; the bot has to come back."


async def _redeliver(simulation: Simulation) -> str:
    if not isinstance(simulation, Redelivers):
        raise ValueError(f"{simulation.platform} never sends an event twice here")  # noqa: TRY004
    message = _last_of_a_person(simulation.snapshot())
    await simulation.redeliver(message["id"])
    excerpt = " ".join(message["text"].split())[:60]
    return f"Delivered “{excerpt}” once more; it must not be answered twice."


def _last_of_a_person(snapshot: Snapshot) -> MessageView:
    bot = snapshot["bot"]["id"]
    spoken = [each for each in snapshot["messages"] if each["author"] != bot]
    if not spoken:
        raise ValueError("nobody has said anything yet")
    return max(spoken, key=lambda message: (len(message["id"]), message["id"]))


async def _calm(simulation: Simulation) -> str:
    simulation.faults.clear()
    return "Nothing more will go wrong."


_KINDS: dict[str, Callable[[Simulation], Awaitable[str]]] = {
    "rate_limit": _rate_limit,
    "server_error": _server_error,
    "lost_answer": _lost_answer,
    "slow": _slow,
    "disconnect": _disconnect,
    "redeliver": _redeliver,
    "calm": _calm,
}
