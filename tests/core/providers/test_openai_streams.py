from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import aiohttp
import pytest

from core.conversation import Usage
from core.errors import (
    BadRequestError,
    ContextTooLongError,
    OverloadedError,
    ProviderError,
    RateLimitedError,
    UnreachableError,
)
from core.providers.base import Chunk, Provider, Timeouts
from tests.core.providers.completions import (
    KEY,
    SHORT,
    data,
    delta,
    make_openai,
    raw,
)
from tests.core.providers.contract import ask, read, text_of
from tests.core.providers.scripted_server import (
    Answer,
    Break,
    Cut,
    Hang,
    Plain,
    Raw,
    Refuse,
    ScriptedModelServer,
)


@pytest.fixture
def provider(session: aiohttp.ClientSession, server: ScriptedModelServer) -> Provider:
    return make_openai(session, server, KEY)


class TestStreams:
    @pytest.mark.parametrize(
        "answer",
        [
            raw(delta("Hel"), delta("lo"), delta(None, "stop"), "[DONE]"),
            raw(delta("Hel"), delta("lo", "stop")),
            raw(delta("Hel"), delta("lo"), "[DONE]"),
            raw(delta(None), delta("Hel"), {"choices": []}, delta("lo", "stop"), "[DONE]"),
            raw(delta("Hel"), delta("lo"), delta("", "stop"), "[DONE]", end="\r\n\r\n"),
            raw(delta("", reasoning_content="Hm"), delta("Hel"), delta("lo", "stop")),
            raw({"choices": None}, delta("Hel", role=None), delta("lo", "stop"), "[DONE]"),
            raw(
                delta(
                    [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Hello"}],
                    "stop",
                )
            ),
            raw(delta("Hello", "stop") | {"error": None}, "[DONE]"),
            Answer(Raw(b": keep-alive\n\n"), data(delta("Hello", "stop"), "[DONE]"), finish=None),
            Answer(Raw(b"\n\n"), data(delta("Hello", "stop")), finish=None),
            Answer(data(delta("Hello", "stop")), Cut(), finish=None),
            Answer(data(delta("Hello", "stop")), Raw(b"data: {garbled\n\n"), finish=None),
            Plain("Hello"),
            # Azure begins with what its filter said of the question, and an empty choice.
            raw(
                {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
                {"choices": [{"index": 0, "delta": {}, "content_filter_results": {}}]},
                delta("Hello", "stop"),
            ),
            raw({"choices": [{"delta": None}]}, delta("Hello"), delta(None, "stop"), "[DONE]"),
            raw(
                {"choices": [{"index": 0, "delta": {"role": "assistant"}}]}, delta("Hello", "stop")
            ),
            raw(delta("Hello"), {"choices": [{"index": 0, "finish_reason": "stop"}]}, "[DONE]"),
            raw(
                delta([{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]),
                delta([{"type": "text", "text": "Hel"}]),
                delta("lo", "stop"),
            ),
            raw(delta(None, reasoning_details=[{"text": "Hm"}]), delta("Hello", "stop")),
            raw(delta("Hello", "stop"), delta(None, "stop"), "[DONE]", "[DONE]"),
            Answer(Raw(b"\xef\xbb\xbf"), data(delta("Hello", "stop")), finish=None),
            Answer(
                Raw(b"data:" + json.dumps(delta("Hello", "stop")).encode() + b"\n\n"), finish=None
            ),
            Answer(
                Raw(b"event: message\nid: 7\nretry: 10\n" + data(delta("Hello", "stop")).data),
                finish=None,
            ),
            Answer(
                Raw(
                    b"data: "
                    + json.dumps(delta("Hello", "stop"), indent=1)
                    .replace("\n", "\ndata: ")
                    .encode()
                    + b"\n\n"
                ),
                finish=None,
            ),
            Answer(
                Raw(gzip.compress(data(delta("Hel"), delta("lo", "stop"), "[DONE]").data, mtime=0)),
                finish=None,
                headers={"Content-Encoding": "gzip"},
            ),
        ],
        ids=lambda answer: str(answer)[:80],
    )
    async def test_every_servers_way_gives_the_same_text(
        self, provider: Provider, server: ScriptedModelServer, answer: Answer | Plain
    ) -> None:
        server.play(answer)
        chunks = await read(provider, ask("m"))
        assert text_of(chunks) == "Hello"
        assert chunks[-1].finish_reason in ("stop", "other")

    async def test_usage_after_the_finish_reason_is_read(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        usage = {
            "prompt_tokens": 20,
            "completion_tokens": 3,
            "prompt_tokens_details": {"cached_tokens": 16},
        }
        server.play(raw(delta("Hi", "stop"), {"choices": [], "usage": usage}, "[DONE]"))
        chunks = await read(provider, ask("m"))
        assert chunks[-1] == Chunk("", "stop", Usage(20, 3, 16))

    @pytest.mark.parametrize(
        ("finish", "reason"),
        [
            ("stop", "stop"),
            ("length", "length"),
            ("content_filter", "refusal"),
            ("tool_calls", "other"),
            ("function_call", "other"),
            ("whatever", "other"),
            ("max_tokens", "length"),
            ("model_length", "length"),
            ("MAX_TOKENS", "length"),
            ("FinishReason.STOP", "stop"),
            ("content_filter: SAFETY", "refusal"),
            ("PROHIBITED_CONTENT", "refusal"),
            ("eos_token", "stop"),
        ],
    )
    async def test_finish_reasons_are_translated(
        self, provider: Provider, server: ScriptedModelServer, finish: str, reason: str
    ) -> None:
        server.play(Answer("Hi", finish=finish))
        assert (await read(provider, ask("m")))[-1].finish_reason == reason

    async def test_a_character_split_across_reads_stays_whole(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        event = (
            b"data: " + json.dumps(delta("Zoë 🧶", "stop"), ensure_ascii=False).encode() + b"\n\n"
        )
        pieces = [Raw(event[at : at + 1]) for at in range(len(event))]
        server.play(Answer(*pieces, finish=None))
        assert text_of(await read(provider, ask("m"))) == "Zoë 🧶"

    async def test_half_a_character_never_gets_through(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        joined = Raw(data(delta("\ud83e")).data + data(delta("\uddf6 and \ud83e", "stop")).data)
        server.play(Answer(joined, finish=None))
        assert text_of(await read(provider, ask("m"))) == "🧶 and \ufffd"

    async def test_text_is_given_before_the_next_comes(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        gate = asyncio.Event()
        server.play(Answer("Hel", gate, "lo"))
        async with asyncio.timeout(10), provider.stream(ask("m")) as chunks:
            assert (await anext(aiter(chunks))).text == "Hel"
            gate.set()
            assert text_of([chunk async for chunk in chunks]) == "lo"

    async def test_what_hangs_after_the_finish_reason_is_whole_all_the_same(
        self, session: aiohttp.ClientSession, server: ScriptedModelServer
    ) -> None:
        provider = make_openai(session, server, timeouts=Timeouts(between_tokens=SHORT))
        server.play(Answer(data(delta("Hello", "stop")), Hang(), finish=None))
        chunks = await read(provider, ask("m"))
        assert text_of(chunks) == "Hello"
        assert chunks[-1].finish_reason == "stop"


class TestBrokenStreams:
    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (Answer("Hel", finish=None), UnreachableError),
            (Answer("Hel", Cut()), UnreachableError),
            (Answer("Hel", Raw(b"data: {garbled\n\n")), UnreachableError),
            (Answer("Hel", Raw(b'data: "text"\n\n')), UnreachableError),
            (Answer("Hel", Raw(b'data: {"choices": [7]}\n\n')), UnreachableError),
            (Answer("Hel", Raw(b"data: " + b"x" * 5_000_000)), UnreachableError),
            (Answer("Hel", Raw(b"data: " + b"[" * 100_000 + b"\n\n")), UnreachableError),
            (Answer("Hel", Break()), OverloadedError),
            (Answer("Hel", Break("rate_limit_error", "Slow down")), RateLimitedError),
            (Answer("Hel", Break("x", "maximum context length is 10 tokens")), ContextTooLongError),
            (Answer("Hel", data({"error": {"code": 502, "message": "Gone"}})), OverloadedError),
            (Answer("Hel", data([{"error": {"code": 429, "message": "Quota"}}])), RateLimitedError),
            (Answer("Hel", data(delta("", "error"))), OverloadedError),
            (Answer("Hel", data(delta(None, "insufficient_system_resource"))), OverloadedError),
            (Answer("Hel", data(delta(None, "abort"))), OverloadedError),
            (
                Answer(
                    "Hel",
                    data(
                        {
                            "choices": [
                                {
                                    "delta": {"content": ""},
                                    "finish_reason": "error",
                                    "error": {"code": 429, "message": "Upstream is busy"},
                                }
                            ]
                        }
                    ),
                ),
                RateLimitedError,
            ),
            (
                Answer(
                    "Hel",
                    data(
                        {
                            "error": {"code": "server_error", "message": "Gone"},
                            "choices": [{"delta": {"content": ""}, "finish_reason": "error"}],
                        }
                    ),
                ),
                OverloadedError,
            ),
            (
                Answer("Hel", data({"object": "error", "message": "x", "code": 503})),
                OverloadedError,
            ),
            (Answer("Hel", data({"error": {"object": "error", "code": 400}})), BadRequestError),
            (
                Answer("Hel", Raw(b'event: error\ndata: {"error": "the model crashed"}\n\n')),
                OverloadedError,
            ),
        ],
        ids=lambda value: str(value)[:60],
    )
    async def test_a_break_is_told_after_the_text_before_it(
        self,
        provider: Provider,
        server: ScriptedModelServer,
        answer: Answer,
        kind: type[ProviderError],
    ) -> None:
        server.play(answer)
        received = list[Chunk]()

        async def listen() -> None:
            async with asyncio.timeout(20), provider.stream(ask("m")) as chunks:
                async for chunk in chunks:
                    received.append(chunk)

        with pytest.raises(kind):
            await listen()
        assert text_of(received) == "Hel"

    @pytest.mark.parametrize("reason", ["insufficient_system_resource", "abort", "error"])
    async def test_who_gives_up_before_a_word_is_overloaded_and_may_be_asked_again(
        self, provider: Provider, server: ScriptedModelServer, reason: str
    ) -> None:
        server.play(raw(delta(""), delta(None, reason), "[DONE]"))
        with pytest.raises(OverloadedError) as broken:
            await read(provider, ask("m"))
        assert broken.value.retryable

    @pytest.mark.parametrize(
        "answer",
        [raw(delta(""), delta(None, "content_filter"), "[DONE]"), raw(delta(None, "refusal"))],
    )
    async def test_who_declines_without_a_word_refuses_the_question(
        self, provider: Provider, server: ScriptedModelServer, answer: Answer
    ) -> None:
        server.play(answer)
        with pytest.raises(BadRequestError, match="declined"):
            await read(provider, ask("m"))

    async def test_openais_field_for_a_refusal_is_the_answer(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.play(
            raw(delta(None, refusal="I can't"), delta(None, refusal=" help."), delta(None, "stop"))
        )
        chunks = await read(provider, ask("m"))
        assert text_of(chunks) == "I can't help."
        assert chunks[-1].finish_reason == "refusal"

    async def test_a_web_page_is_no_answer(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.play(Refuse(200, body="<!DOCTYPE html><p>Please log in</p>"))
        with pytest.raises(UnreachableError, match="web page"):
            await read(provider, ask("m"))

    async def test_an_answer_that_breaks_before_a_word_is_unreachable(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.play(Answer(finish=None))
        with pytest.raises(UnreachableError):
            await read(provider, ask("m"))

    async def test_an_error_as_plain_json_with_status_200_is_an_error(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.play(Refuse(200, "Overloaded", "overloaded_error"))
        with pytest.raises(OverloadedError, match="Overloaded"):
            await read(provider, ask("m"))

    async def test_a_whole_message_without_a_reason_is_given_to_its_end(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        message = {"role": "assistant", "content": "<th"}
        server.play(Refuse(200, body=json.dumps({"choices": [{"message": message}]})))
        assert text_of(await read(provider, ask("m"))) == "<th"


class TestUsage:
    @pytest.mark.parametrize(
        "last",
        [
            {"choices": [], "usage": {"prompt_tokens": 9, "prompt_cache_hit_tokens": 4}},
            {
                "choices": [],
                "x_groq": {
                    "usage": {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}}
                },
            },
            {"choices": [{"delta": {}, "usage": {"prompt_tokens": 9, "cached_tokens": 4}}]},
        ],
        ids=["deepseek", "groq", "moonshot"],
    )
    async def test_usage_is_read_in_the_servers_own_words(
        self, provider: Provider, server: ScriptedModelServer, last: dict[str, Any]
    ) -> None:
        server.play(raw(delta("Hi", "stop"), last, "[DONE]"))
        usage = (await read(provider, ask("m")))[-1].usage
        assert usage
        assert (usage.input_tokens, usage.cached_tokens) == (9, 4)

    async def test_thinking_that_is_in_the_total_alone_is_paid_for(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        usage = {"prompt_tokens": 30, "completion_tokens": 52, "total_tokens": 530}
        server.play(raw(delta("Hi", "stop"), {"choices": [], "usage": usage}, "[DONE]"))
        assert (await read(provider, ask("m")))[-1].usage == Usage(30, 500)

    async def test_usage_on_each_chunk_is_that_of_the_whole_answer_so_far(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        def told(sent: int, received: int) -> dict[str, Any]:
            return {"usage": {"prompt_tokens": sent, "completion_tokens": received}}

        server.play(
            raw(
                delta("Hel") | told(9, 1),
                delta("lo", "stop") | told(9, 2),
                {"choices": []} | told(9, 2),
                {"choices": []} | told(0, 0),
                "[DONE]",
            )
        )
        assert (await read(provider, ask("m")))[-1].usage == Usage(9, 2)
