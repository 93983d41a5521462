"""What a growing conversation pays for at Anthropic: the new text, and no more."""

from __future__ import annotations

import json

import aiohttp
import pytest

from core.conversation import Message
from core.files.values import Image
from core.memory.context import Material, fit
from core.providers.anthropic import AnthropicProvider
from core.providers.base import Request
from core.store.rooms.memories import Pin
from tests.core.providers.contract import read
from tests.core.providers.prompt_cache import Charge, FakePromptCache
from tests.core.providers.scripted_server import ScriptedModelServer

SYSTEM = "You are kind. " * 200
ROOM = 100_000
FRAME = 120
"""Characters of JSON around a text at the most."""


class Thread:
    """A conversation that is sent as the bot does, and charged for as Anthropic does."""

    def __init__(self, provider: AnthropicProvider, server: ScriptedModelServer) -> None:
        self._provider = provider
        self._server = server
        self._cache = FakePromptCache()
        self._messages: list[Message] = []
        self.summary = ""
        self.pins: list[Pin] = []

    async def ask(self, text: str, *images: Image, is_answered: bool = True) -> Charge:
        """Put a question, and give what it is charged for."""
        self._say(Message("user", text, images=images))
        fitted = fit(Material(self._messages, SYSTEM, self.summary, self.pins), ROOM)
        await read(self._provider, Request("m", fitted.messages, fitted.system))
        if is_answered:
            self._say(Message.ai("An answer. " * 20))
        return self._cache.ask(self._server.requests[-1].payload)

    def _say(self, message: Message) -> None:
        place = len(self._messages) + 1
        self._messages.append(
            Message(message.role, message.text, images=message.images, position=place)
        )

    def forget(self, count: int, summary: str) -> None:
        """Have a summary take over the oldest messages."""
        del self._messages[:count]
        self.summary = summary


@pytest.fixture
def thread(session: aiohttp.ClientSession, server: ScriptedModelServer) -> Thread:
    return Thread(AnthropicProvider("anthropic", session, server.anthropic_url), server)


def picture(number: int) -> Image:
    return Image(f"{number}.png", "image/png", f"picture {number}".encode() * 30, 100)


async def test_each_question_pays_for_itself_and_the_answer_before_it(thread: Thread) -> None:
    first = await thread.ask("Hello? " * 20)
    assert first.read == 0
    before = first
    for _ in range(10):
        charge = await thread.ask("And then? " * 20)
        assert charge.read == before.read + before.written
        assert charge.new <= len("And then? " * 20) + len("An answer. " * 20) + 2 * FRAME
        assert charge.fresh == 0
        before = charge


async def test_a_question_with_many_images_is_found_again_as_a_whole(thread: Thread) -> None:
    await thread.ask("Hello?")
    images = [picture(number) for number in range(30)]
    charge = await thread.ask("What are these?", *images)
    assert charge.read > len(SYSTEM)
    charge = await thread.ask("And the last one?")
    assert charge.new <= len("And the last one?") + len("An answer. " * 20) + 2 * FRAME


async def test_a_pin_and_a_new_summary_are_paid_for_once_and_the_system_prompt_never_again(
    thread: Thread,
) -> None:
    await thread.ask("Hello? " * 20)
    await thread.ask("And then? " * 20)
    thread.pins.append(Pin(1, "The code is 7."))
    for change in (lambda: None, lambda: thread.forget(2, "They greeted one another.")):
        change()
        charge = await thread.ask("What now? " * 20)
        assert len(SYSTEM) < charge.read < len(SYSTEM) + FRAME
        charge = await thread.ask("What now? " * 20)
        assert charge.new <= len("What now? " * 20) + len("An answer. " * 20) + 2 * FRAME


async def test_a_question_that_had_no_answer_costs_no_more_than_itself(thread: Thread) -> None:
    before = [await thread.ask("Hello? " * 20), await thread.ask("And then? " * 20)][0]
    await thread.ask("Lost. " * 20, is_answered=False)
    charge = await thread.ask("What now? " * 20)
    assert charge.read > before.read + before.written
    assert charge.new <= len("Lost. What now? " * 20) + len("An answer. " * 20) + 2 * FRAME


async def test_no_request_has_more_marks_than_are_allowed(
    thread: Thread, server: ScriptedModelServer
) -> None:
    for number in range(4):
        await thread.ask("Look!", picture(number))
    marks = [json.dumps(request.payload).count("cache_control") for request in server.requests]
    assert marks == [2, 3, 3, 3]


def test_the_simulation_reads_no_further_back_than_the_real_one() -> None:
    def say(count: int) -> dict[str, object]:
        blocks = [{"type": "text", "text": str(number)} for number in range(count)]
        marked = [*blocks[:-1], blocks[-1] | {"cache_control": {"type": "ephemeral"}}]
        return {"messages": [{"role": "user", "content": marked}]}

    cache = FakePromptCache()
    assert cache.ask(say(1)).read == 0
    assert cache.ask(say(21)).read > 0
    assert cache.ask(say(42)).read == 0
    assert FakePromptCache(10_000).ask(say(3)).written == 0
