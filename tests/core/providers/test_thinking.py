"""How models are asked that think before they speak, and how their thoughts are kept out of answers."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from core.conversation import Usage
from core.errors import BadRequestError, ProviderError
from core.providers.anthropic import AnthropicProvider
from core.providers.base import Asker, Chunk, Provider
from core.providers.openai import OpenAIProvider
from core.providers.sighted import SightedProvider
from core.providers.wire.dialect import Thinking
from tests.core.providers.completions import delta, raw
from tests.core.providers.contract import ask, read, text_of
from tests.core.providers.scripted_server import Answer, Plain, Raw, Refuse, ScriptedModelServer

THOUGHT = "Hm, what to say?"


def spent(received: int, reasoning: int = 0) -> dict[str, Any]:
    details = {"reasoning_tokens": reasoning}
    counts = {"prompt_tokens": 20, "completion_tokens": received}
    return {"choices": [], "usage": counts | {"completion_tokens_details": details}}


def messages(*events: dict[str, Any]) -> Answer:
    sent = "".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in events)
    return Answer(Raw(sent.encode()), finish=None)


ALL_THOUGHT = {
    "in a field": raw(delta(None, reasoning_content=THOUGHT), delta("", "length"), spent(100)),
    "in marks": raw(delta("<think>" + THOUGHT), delta("", "length"), spent(100)),
    "unseen": raw(delta(""), delta(None, "length"), spent(100, 100)),
    "in parts": raw(
        delta([{"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]}]),
        delta("", "length"),
        spent(100),
    ),
}


def make(
    session: aiohttp.ClientSession, server: ScriptedModelServer, thinking: Thinking | None = None
) -> Provider:
    return OpenAIProvider("openai", session, server.openai_url, thinking=thinking)


@pytest.fixture
def provider(session: aiohttp.ClientSession, server: ScriptedModelServer) -> Provider:
    return make(session, server, Thinking(1000))


def limits(server: ScriptedModelServer) -> list[int]:
    return [request.payload["max_tokens"] for request in server.requests]


async def hear(provider: Provider, model: str, gate: asyncio.Event) -> list[str]:
    """Give the texts as they come; the gate opens with the first."""
    texts = list[str]()
    async with asyncio.timeout(10), provider.stream(ask(model)) as chunks:
        async for chunk in chunks:
            if chunk.text:
                texts.append(chunk.text)
                gate.set()
    return texts


async def listen(provider: Provider, model: str, received: list[Chunk]) -> None:
    async with asyncio.timeout(10), provider.stream(ask(model)) as chunks:
        async for chunk in chunks:
            received.append(chunk)  # noqa: PERF401 -- it is to be seen how far it came


class TestRoom:
    @pytest.mark.parametrize("thought", ALL_THOUGHT.values(), ids=ALL_THOUGHT)
    async def test_what_was_all_thought_is_asked_again_with_more_room(
        self, provider: Provider, server: ScriptedModelServer, thought: Answer
    ) -> None:
        server.play(thought, raw(delta("Hello", "stop"), spent(350, 300), "[DONE]"))
        chunks = await read(provider, ask("m"))
        assert text_of(chunks) == "Hello"
        assert chunks[-1] == Chunk("", "stop", Usage(20, 350))
        await read(provider, ask("m"))
        await read(provider, ask("other"))
        assert limits(server) == [100, 1100, 1100, 100]

    async def test_it_is_asked_again_once_and_no_more(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.default = ALL_THOUGHT["in a field"]
        chunks = await read(provider, ask("m"))
        assert chunks[-1].finish_reason == "length"
        assert not text_of(chunks)
        assert limits(server) == [100, 1100]
        await read(provider, ask("m"))
        assert limits(server) == [100, 1100, 1100]

    async def test_who_was_seen_to_think_has_room_from_then_on(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.play(raw(delta("Hello", "stop"), spent(90, 80), "[DONE]"))
        assert provider.find_room(ask("m")) == 100
        await read(provider, ask("m"))
        assert SightedProvider(provider).find_room(ask("m")) == 1100
        await read(provider, ask("m"))
        assert limits(server) == [100, 1100]

    async def test_an_answer_that_was_cut_with_words_in_it_is_given_as_it_is(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.play(raw(delta("Hel", "length", reasoning="Hm"), "[DONE]"))
        chunks = await read(provider, ask("m"))
        assert (text_of(chunks), chunks[-1].finish_reason) == ("Hel", "length")
        assert len(server.requests) == 1

    async def test_without_extra_room_nothing_is_asked_again(
        self, session: aiohttp.ClientSession, server: ScriptedModelServer
    ) -> None:
        server.default = ALL_THOUGHT["in a field"]
        await read(make(session, server, Thinking(0)), ask("m"))
        assert limits(server) == [100]

    async def test_more_room_than_the_model_gives_is_not_asked_for_twice(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.play(
            ALL_THOUGHT["in a field"],
            Refuse(400, "max_tokens is too large: 1100. This model supports at most 1024."),
        )
        assert text_of(await read(provider, ask("m")))
        await read(provider, ask("m"))
        assert limits(server) == [100, 1100, 1024, 1024]

    async def test_a_refusal_of_the_second_try_is_told(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.play(ALL_THOUGHT["in a field"], Refuse(400, "No."))
        with pytest.raises(BadRequestError):
            await read(provider, ask("m"))

    async def test_the_first_try_is_paid_for_all_the_same(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        paid = list[tuple[str, Usage]]()
        asker = Asker(on_attempt=lambda ref, usage: paid.append((str(ref), usage)))
        server.play(ALL_THOUGHT["in a field"])
        await read(provider, replace(ask("m"), asker=asker))
        await read(provider, replace(ask("m"), asker=asker))
        assert paid == [("openai/m", Usage(20, 100))]

    async def test_claude_has_room_once_it_was_seen_to_think(
        self, session: aiohttp.ClientSession, server: ScriptedModelServer
    ) -> None:
        provider = AnthropicProvider(
            "anthropic", session, server.anthropic_url, thinking=Thinking(1000)
        )
        block = {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking"}}
        thought = {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "thinking_delta", "thinking": THOUGHT},
        }
        usage = {"output_tokens": 100, "output_tokens_details": {"thinking_tokens": 90}}
        end = {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": usage}
        server.play(messages(block, thought, end, {"type": "message_stop"}))
        assert text_of(await read(provider, ask("m")))
        assert limits(server) == [100, 1100]
        assert provider.find_room(ask("m")) == 1100


class TestEffort:
    async def test_it_is_said_where_it_is_set(
        self, session: aiohttp.ClientSession, server: ScriptedModelServer
    ) -> None:
        await read(make(session, server), ask("m"))
        await read(make(session, server, Thinking(effort="low")), ask("m"))
        assert [request.payload.get("reasoning_effort") for request in server.requests] == [
            None,
            "low",
        ]

    async def test_anthropic_has_a_word_of_its_own_for_it(
        self, session: aiohttp.ClientSession, server: ScriptedModelServer
    ) -> None:
        url, thinking = server.anthropic_url, Thinking(effort="minimal")
        provider = AnthropicProvider("anthropic", session, url, thinking=thinking)
        refusal = "This model does not support the effort parameter."
        server.play(Answer("Hi"), Refuse(400, refusal, "invalid_request_error"))
        for _ in range(3):
            await read(provider, ask("m"))
        efforts = [request.payload.get("output_config") for request in server.requests]
        assert efforts == [{"effort": "low"}, {"effort": "low"}, None, None]

    async def test_a_model_that_does_not_know_it_is_asked_without(
        self, session: aiohttp.ClientSession, server: ScriptedModelServer
    ) -> None:
        provider = make(session, server, Thinking(effort="low"))
        server.play(Refuse(400, "property 'reasoning_effort' is unsupported"))
        await read(provider, ask("m"))
        await read(provider, ask("m"))
        said = ["reasoning_effort" in request.payload for request in server.requests]
        assert said == [True, False, False]


class TestThoughtsInTheText:
    async def test_a_block_at_the_beginning_is_kept_out(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.play(Answer("<th", "ink>Hm, what", " to say?</thi", "nk>\n\nHel", "lo"))
        assert text_of(await read(provider, ask("m"))) == "Hello"

    async def test_a_server_of_the_other_api_is_treated_alike(
        self, session: aiohttp.ClientSession, server: ScriptedModelServer
    ) -> None:
        provider = AnthropicProvider("own", session, server.anthropic_url)
        server.play(
            Answer("<th", "ink>Hm</think>\n\nHello"),
            Plain("<think>Hm</think>Hello"),
            Answer("<th"),
            Plain("<th"),
        )
        for expected in ("Hello", "Hello", "<th", "<th"):
            assert text_of(await read(provider, ask("m"))) == expected

    async def test_a_short_text_that_only_looks_like_a_mark_comes_through(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.play(Answer("<th"))
        assert text_of(await read(provider, ask("m"))) == "<th"

    async def test_a_model_known_to_begin_in_thought_is_not_heard_before_its_end(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        gate = asyncio.Event()
        server.play(Answer("Hm, what", " to say?\n</thi", "nk>\n\nHel", gate, "lo"))
        assert await hear(provider, "deepseek-r1:14b", gate) == ["Hel", "lo"]

    async def test_one_whose_server_sends_thoughts_apart_is_heard_at_once(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.play(raw(delta(None, reasoning="Hm"), delta("Hel"), delta("lo", "stop")))
        assert text_of(await read(provider, ask("deepseek-r1:14b"))) == "Hello"

    async def test_one_that_did_not_think_is_heard_at_its_end_and_then_at_once(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        gate = asyncio.Event()
        server.play(Answer("Hello"), Answer("Hel", gate, "lo"))
        assert text_of(await read(provider, ask("deepseek-r1:14b"))) == "Hello"
        assert await hear(provider, "deepseek-r1:14b", gate) == ["Hel", "lo"]

    async def test_a_model_that_was_caught_at_it_is_not_heard_before_its_end_the_next_time(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.default = Answer("Hm, what to say?\n</think>\n\n", "Hello")
        assert "</think>" in text_of(await read(provider, ask("m")))
        assert text_of(await read(provider, ask("m"))) == "Hello"
        assert "</think>" in text_of(await read(provider, ask("other")))

    async def test_a_break_in_the_midst_of_a_thought_shows_nothing_of_it(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        received = list[Chunk]()
        server.play(Answer("Hm, what to", finish=None))
        with pytest.raises(ProviderError):
            await listen(provider, "qwq-32b", received)
        assert not text_of(received)
