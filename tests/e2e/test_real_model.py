"""A real language model answers on loopback, through both adapters and both platforms.

It is a weak one: what it says is never looked at, only that it says something.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import pytest

from core.answer import LENGTH_NOTE
from core.errors import ContextTooLongError
from core.providers.anthropic import AnthropicProvider
from core.providers.base import Provider
from core.providers.openai import OpenAIProvider
from tests.core.providers.contract import ask, read, text_of
from tests.e2e.conftest import World
from tests.e2e.model_server import SKIP_REASON, WINDOW_TOKENS, find_weights, run_model_server
from tests.processes import SKEIN, run_program

pytestmark = pytest.mark.skipif(find_weights() is None, reason=SKIP_REASON)

MAX_NEW_TOKENS = 24
NOTE = LENGTH_NOTE.strip().strip("_")


@pytest.fixture
async def address() -> AsyncGenerator[str]:
    async with run_model_server() as address:
        yield address


def settings_for(kind: str, address: str) -> dict[str, str]:
    """Give the settings that make the model the only one there is."""
    if kind == "openai":
        return {"OPENAI_BASE_URL": f"{address}/v1"}
    return {
        "OPENAI_BASE_URL": "",
        "ANTHROPIC_BASE_URL": address,
        "MODEL": "anthropic/smollm2",
    }


async def load_usage(world: World, platform: str) -> dict[str, Any]:
    """Give what the operator sees of all questions so far."""
    command = (*SKEIN, "usage", "--format", "json", "--by", "model")
    environment = world.environment((platform,))
    async with run_program(command, cwd=world.folder, environment=environment) as program:
        assert await program.wait() == 0
        [line] = json.loads(program.output)["lines"]
    return line


@pytest.mark.parametrize(("kind", "platform"), [("openai", "slack"), ("anthropic", "discord")])
async def test_a_real_model_answers_in_a_thread_that_grows(
    world: World, address: str, kind: str, platform: str
) -> None:
    place = world.place(platform)
    settings = {"MAX_NEW_TOKENS": str(MAX_NEW_TOKENS), "TEMPERATURE": "0"}
    async with world.skein(platform, **settings, **settings_for(kind, address)):
        asked = await place.ask("Tell me a long story about the sea.")
        first = await place.wait_for(NOTE, after=asked)
        after_first = await load_usage(world, platform)
        asked = await place.ask("Tell me a long story about the mountains, too.")
        second = await place.wait_for(NOTE, after=asked)
        after_second = await load_usage(world, platform)
    for answer in (first, second):
        assert answer["text"].partition(NOTE)[0].strip(" _\n")
    assert after_first["model"].startswith(f"{kind}/")
    assert after_first["output_tokens"] == MAX_NEW_TOKENS
    assert after_second["output_tokens"] == 2 * MAX_NEW_TOKENS
    assert after_second["estimated"] == 0
    assert after_second["input_tokens"] - after_first["input_tokens"] > after_first["input_tokens"]


@pytest.fixture(params=["openai", "anthropic"])
async def provider(request: pytest.FixtureRequest, address: str) -> AsyncGenerator[Provider]:
    # The server closes each connection a moment after its answer; asking again is the router's.
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        if request.param == "openai":
            yield OpenAIProvider("openai", session, f"{address}/v1")
        else:
            yield AnthropicProvider("anthropic", session, address)


async def test_it_ends_by_itself_and_refuses_what_is_too_long_with_its_numbers(
    provider: Provider,
) -> None:
    chunks = await read(provider, ask("smollm2", "Say hello.", system="Be brief.", temperature=0))
    assert text_of(chunks).strip()
    assert len(chunks) > 2
    assert chunks[-1].finish_reason in ("stop", "length")
    with pytest.raises(ContextTooLongError) as refused:
        await read(provider, ask("smollm2", "word " * 2 * WINDOW_TOKENS))
    assert refused.value.limit == WINDOW_TOKENS
    assert (refused.value.tokens or 0) > WINDOW_TOKENS
