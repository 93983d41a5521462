from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from core import errors
from core.conversation import Message, Usage
from core.errors import (
    AuthError,
    BadRequestError,
    ContextTooLongError,
    OverloadedError,
    ProviderError,
    RateLimitedError,
    UnreachableError,
)
from core.providers.anthropic import AnthropicProvider
from core.providers.base import Chunk, Provider, Request, Timeouts
from tests.core.providers.contract import Kit, ProviderContract, ask, read, text_of
from tests.core.providers.kits import HttpKit
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

KEY = "sk-ant-0123456789abcdef"
LONG = "Be brief. " * 200


def make_anthropic(
    session: aiohttp.ClientSession,
    server: ScriptedModelServer,
    key: str | None = None,
    timeouts: Timeouts | None = None,
) -> AnthropicProvider:
    secret = SecretStr(key) if key else None
    return AnthropicProvider("anthropic", session, server.anthropic_url, secret, timeouts)


def events(*sent: dict[str, Any]) -> Raw:
    return Raw(
        "".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in sent).encode()
    )


def block(index: int, kind: str = "text") -> dict[str, Any]:
    return {
        "type": "content_block_start",
        "index": index,
        "content_block": {"type": kind, kind: ""},
    }


def delta(index: int, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": fields}


def text(index: int, text: str) -> dict[str, Any]:
    return delta(index, type="text_delta", text=text)


def stop(reason: str = "end_turn", **usage: int) -> tuple[dict[str, Any], dict[str, Any]]:
    ended = {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}
    return ended, {"type": "message_stop"}


def words(text: str, *, is_marked: bool = False) -> dict[str, Any]:
    mark = {"cache_control": {"type": "ephemeral"}} if is_marked else {}
    return {"type": "text", "text": text, **mark}


class TestContract(ProviderContract):
    @pytest.fixture
    def kit(self) -> Kit:
        return HttpKit(make_anthropic)


@pytest.fixture
def provider(session: aiohttp.ClientSession, server: ScriptedModelServer) -> Provider:
    return make_anthropic(session, server, KEY)


class TestRequests:
    async def test_a_request_says_what_was_asked(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        await read(provider, ask("m", "Hi", "Hello", "And?", system="Be brief", temperature=0.5))
        (request,) = server.requests
        assert request.path == "/v1/messages"
        assert request.headers["x-api-key"] == KEY
        assert request.headers["anthropic-version"] == "2023-06-01"
        assert request.payload == {
            "model": "m",
            "max_tokens": 100,
            "system": "Be brief",
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello"},
                {"role": "user", "content": "And?"},
            ],
            "stream": True,
            "temperature": 0.5,
        }

    async def test_what_a_cache_would_keep_is_marked(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        await read(provider, ask("m", "Hi", "Hello", "And?", system=LONG))
        assert server.requests[0].payload["system"] == [words(LONG, is_marked=True)]
        assert server.requests[0].payload["messages"] == [
            {"role": "user", "content": [words("Hi", is_marked=True)]},
            {"role": "assistant", "content": [words("Hello")]},
            {"role": "user", "content": [words("And?", is_marked=True)]},
        ]

    async def test_without_a_key_none_is_sent(
        self, session: aiohttp.ClientSession, server: ScriptedModelServer
    ) -> None:
        await read(make_anthropic(session, server), ask("m"))
        assert "x-api-key" not in server.requests[0].headers
        assert "system" not in server.requests[0].payload

    async def test_messages_of_one_role_are_merged_and_empty_ones_left_out(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        messages = (
            Message.user("One"),
            Message.user("Two"),
            Message.ai("  "),
            Message.system("Rule"),
            Message.user("Three"),
        )
        await read(provider, Request("m", messages, "Be brief"))
        payload = server.requests[0].payload
        assert server.requests[0].texts == ["One\n\nTwo\n\nThree"]
        assert payload["system"] == "Be brief\n\nRule"

    async def test_what_one_request_marks_last_the_next_one_marks_again(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        said = ["q1", "a1", "q2", "a2", "q3", "a3", "q4", "a4", "q5"]
        last_marks = list[str]()
        for count in range(1, len(said) + 1, 2):
            await read(provider, ask("m", *said[:count], system=LONG))
            blocks = [b for m in server.requests[-1].payload["messages"] for b in m["content"]]
            marked = [b["text"] for b in blocks if "cache_control" in b]
            assert marked[-1] == said[count - 1]
            assert len(marked) <= 3  # and the system prompt's: four are allowed
            assert last_marks[-1:] == marked[:-1]
            last_marks.append(marked[-1])

    async def test_a_summary_is_not_kept_in_the_cache(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        request = replace(ask("m", system=LONG), purpose="summary")
        await read(provider, request)
        assert "cache_control" not in json.dumps(server.requests[0].payload)

    async def test_a_server_that_knows_no_marks_is_asked_without_them_from_then_on(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        message = "messages.0.content.0.cache_control: Extra inputs are not permitted"
        server.play(Refuse(400, message, "invalid_request_error"))
        await read(provider, ask("m", system=LONG))
        await read(provider, ask("m", system=LONG))
        marked = ["cache_control" in json.dumps(each.payload) for each in server.requests]
        assert marked == [True, False, False]

    @pytest.mark.parametrize(
        "message",
        [
            "body.messages.0.content: Input should be a valid string",
            "json: cannot unmarshal array into Go struct field Message.content of type string",
            "messages[0].content: invalid type: sequence, expected a string",
        ],
    )
    async def test_a_server_that_takes_texts_alone_is_asked_with_such_from_then_on(
        self, provider: Provider, server: ScriptedModelServer, message: str
    ) -> None:
        server.play(Refuse(422, message, "invalid_request_error"))
        await read(provider, ask("m", "Hi", system=LONG))
        await read(provider, ask("m", "Hi", system=LONG))
        systems = [request.payload["system"] for request in server.requests]
        contents = [request.payload["messages"][0]["content"] for request in server.requests]
        assert systems == [[words(LONG, is_marked=True)], LONG, LONG]
        assert contents[1:] == ["Hi", "Hi"]

    async def test_the_address_may_end_in_v1_or_not(
        self, session: aiohttp.ClientSession, server: ScriptedModelServer
    ) -> None:
        provider = AnthropicProvider("anthropic", session, server.anthropic_url + "/v1/")
        assert text_of(await read(provider, ask("m")))

    async def test_a_temperature_above_the_highest_is_lowered(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        await read(provider, ask("m", temperature=1.7))
        assert server.requests[0].payload["temperature"] == 1.0

    async def test_a_longest_answer_that_the_model_tells_is_heeded(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        told = "which is the maximum allowed number of output tokens for claude-sonnet-4-5-20250929"
        server.play(Refuse(400, f"max_tokens: 100 > 64, {told}", "invalid_request_error"))
        await read(provider, ask("m"))
        await read(provider, ask("m"))
        assert [request.payload["max_tokens"] for request in server.requests] == [100, 64, 64]

    async def test_an_answer_that_the_window_has_no_room_for_is_shorter_this_once(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        message = "input length and `max_tokens` exceed context limit: 199000 + 4096 > 200000"
        server.play(Refuse(400, message, "invalid_request_error"))
        request = replace(ask("m"), max_new_tokens=4096)
        await read(provider, request)
        await read(provider, request)
        limits = [request.payload["max_tokens"] for request in server.requests]
        assert limits == [4096, 1000, 4096]

    async def test_a_temperature_that_is_refused_is_left_out(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.play(
            Refuse(400, "`temperature` is deprecated for this model.", "invalid_request_error")
        )
        assert text_of(await read(provider, ask("m", temperature=0.5)))
        await read(provider, ask("m", temperature=0.5))
        assert ["temperature" in request.payload for request in server.requests] == [
            True,
            False,
            False,
        ]


class TestStreams:
    async def test_several_text_blocks_are_one_answer(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.play(
            Answer(events(block(0), text(0, "Hel"), block(1), text(1, "lo"), *stop()), finish=None)
        )
        assert text_of(await read(provider, ask("m"))) == "Hello"

    async def test_thinking_is_kept_out(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        thinking = delta(0, type="thinking_delta", thinking="Hm, what to say?")
        signature = delta(0, type="signature_delta", signature="c2ln")
        sent = events(block(0, "thinking"), thinking, signature, block(1), text(1, "Hi"), *stop())
        server.play(Answer(sent, finish=None))
        assert text_of(await read(provider, ask("m"))) == "Hi"

    async def test_pings_and_events_yet_to_be_invented_are_passed_over(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        sent = events({"type": "ping"}, {"type": "new_in_2030", "x": 1}, text(0, "Hi"), *stop())
        server.play(Answer(sent, finish=None))
        assert text_of(await read(provider, ask("m"))) == "Hi"

    async def test_usage_counts_what_came_from_the_cache(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        usage = {
            "input_tokens": 5,
            "cache_read_input_tokens": 100,
            "cache_creation_input_tokens": 10,
            "output_tokens": 1,
        }
        started = {"type": "message_start", "message": {"usage": usage | {"service_tier": "x"}}}
        server.play(Answer(events(started, text(0, "Hi"), *stop(output_tokens=42)), finish=None))
        chunks = await read(provider, ask("m"))
        assert chunks[-1] == Chunk("", "stop", Usage(115, 42, 100, 10))

    @pytest.mark.parametrize(
        ("told", "reason"),
        [
            ("end_turn", "stop"),
            ("stop_sequence", "stop"),
            ("max_tokens", "length"),
            ("model_context_window_exceeded", "length"),
            ("refusal", "refusal"),
            ("pause_turn", "other"),
        ],
    )
    async def test_stop_reasons_are_translated(
        self, provider: Provider, server: ScriptedModelServer, told: str, reason: str
    ) -> None:
        server.play(Answer(events(text(0, "Hi"), *stop(told)), finish=None))
        assert (await read(provider, ask("m")))[-1].finish_reason == reason

    async def test_a_stop_reason_is_end_enough(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.play(Answer(events(text(0, "Hi"), stop()[0]), finish=None))
        assert text_of(await read(provider, ask("m"))) == "Hi"

    async def test_a_server_that_does_not_stream_is_understood(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.play(Plain("Hello"))
        chunks = await read(provider, ask("m"))
        assert text_of(chunks) == "Hello"
        assert chunks[-1] == Chunk("", "stop", Usage(11, 7))


class TestErrors:
    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (Answer("Hel", Break()), OverloadedError),
            (Answer("Hel", Break("rate_limit_error", "Slow down")), RateLimitedError),
            (Answer("Hel", Break("api_error", "Oops")), OverloadedError),
            (Answer("Hel", finish=None), UnreachableError),
            (Answer("Hel", Cut()), UnreachableError),
            (Answer("Hel", Raw(b"data: {garbled\n\n")), UnreachableError),
            (Answer("Hel", events({"type": "content_block_delta"})), UnreachableError),
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
            async with provider.stream(ask("m")) as chunks:
                async for chunk in chunks:
                    received.append(chunk)

        with pytest.raises(kind):
            await listen()
        assert text_of(received) == "Hel"

    async def test_what_a_broken_answer_took_is_told_as_far_as_it_is_known(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        usage = {"input_tokens": 5, "cache_read_input_tokens": 100, "output_tokens": 1}
        started = {"type": "message_start", "message": {"usage": usage}}
        received = list[Chunk]()

        async def listen() -> None:
            async with provider.stream(ask("m")) as chunks:
                async for chunk in chunks:
                    received.append(chunk)

        for end in (Break(), Cut()):
            server.play(Answer(events(started, text(0, "Hi")), end, finish=None))
            with pytest.raises(ProviderError):
                await listen()
        assert [chunk.usage for chunk in received if chunk.usage] == [Usage(105, None, 100)] * 2

    @pytest.mark.parametrize(
        ("refusal", "kind"),
        [
            (Refuse(529, "Overloaded", "overloaded_error"), OverloadedError),
            (Refuse(429, "Slow down", "rate_limit_error"), RateLimitedError),
            (
                Refuse(400, "prompt is too long: 210000 tokens > 200000 maximum"),
                ContextTooLongError,
            ),
        ],
        ids=str,
    )
    async def test_a_refusal_has_its_error(
        self,
        provider: Provider,
        server: ScriptedModelServer,
        refusal: Refuse,
        kind: type[ProviderError],
    ) -> None:
        server.play(refusal)
        with pytest.raises(kind):
            await read(provider, ask("m"))

    async def test_who_declines_without_a_word_refuses_the_question(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.play(Answer(events(*stop("refusal", output_tokens=1)), finish=None))
        with pytest.raises(BadRequestError, match="declined"):
            await read(provider, ask("m"))

    async def test_a_wrong_key_is_refused_without_showing_it(
        self, provider: Provider, server: ScriptedModelServer
    ) -> None:
        server.key = "another"
        with pytest.raises(AuthError) as refused:
            await read(provider, ask("m"))
        assert KEY[:6] not in str(refused.value)

    async def test_thinking_counts_as_a_word_for_the_bounds(
        self, session: aiohttp.ClientSession, server: ScriptedModelServer
    ) -> None:
        bounds = Timeouts(between_tokens=timedelta(milliseconds=150))
        thinking = delta(0, type="thinking_delta", thinking="Hm")
        server.play(Answer(events(thinking), Hang(), finish=None))
        with pytest.raises(errors.TimeoutError, match="no further word"):
            await read(make_anthropic(session, server, timeouts=bounds), ask("m"))

    async def test_pings_do_not_count_as_words(
        self, session: aiohttp.ClientSession, server: ScriptedModelServer
    ) -> None:
        bounds = Timeouts(first_token=timedelta(milliseconds=150))
        server.play(Answer(events({"type": "ping"}), Hang(), finish=None))
        with pytest.raises(errors.TimeoutError, match="no first word"):
            await read(make_anthropic(session, server, timeouts=bounds), ask("m"))
