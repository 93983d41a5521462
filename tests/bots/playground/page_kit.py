"""What the tests of the page share: a playground over simulations in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bots.playground.page.views import ConversationView
from bots.playground.server import Playground, serve_playground
from tests.bots.playground.fake_simulation import FakeSimulation


class RecordingMemory:
    """Gives the conversation it holds, and remembers for which places it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.conversation: ConversationView | None = None

    async def __call__(self, place: dict[str, str]) -> ConversationView | None:
        self.asked.append(place)
        return self.conversation


def stored(
    *messages: tuple[str, str, bool],
    model: str = "demo/echo",
    summary: str = "",
    pins: tuple[str, ...] = (),
) -> ConversationView:
    """Make a stored conversation of (role, text, whether it is sent)."""
    return {
        "is_stored": True,
        "workspace": "W1",
        "channel": "C1",
        "thread": "",
        "model": model,
        "system_prompt": "Be brief.",
        "sent_tokens": 42,
        "room_tokens": 28_672,
        "used": "512 tokens, $0.02",
        "summary": summary,
        "pins": list(pins),
        "messages": [
            {
                "role": "user" if role == "user" else "assistant",
                "author": "Ada" if role == "user" else "",
                "text": text,
                "is_sent": is_sent,
                "note": "" if is_sent else "in the summary",
                "model": "" if role == "user" else model,
            }
            for role, text, is_sent in messages
        ],
        "others": [],
    }


@dataclass(frozen=True, slots=True)
class Stage:
    """A playground that runs, and all its parts."""

    playground: Playground
    slack: FakeSimulation
    discord: FakeSimulation
    memory: RecordingMemory

    @property
    def url(self) -> str:
        return self.playground.url


@asynccontextmanager
async def serve_stage(**options: Any) -> AsyncGenerator[Stage]:
    """Serve the page over two simulations in memory."""
    slack, discord, memory = FakeSimulation("slack"), FakeSimulation("discord"), RecordingMemory()
    async with serve_playground((slack, discord), memory, **options) as playground:
        yield Stage(playground, slack, discord, memory)
