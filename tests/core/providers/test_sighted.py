"""Images that a model's server does not take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import aiohttp
import pytest

from core.conversation import Message
from core.errors import BadRequestError, ContextTooLongError
from core.files.values import Image
from core.providers.base import Chunk, Request
from core.providers.sighted import MEMORY, SightedProvider, find_max_images
from tests.core.clock import FakeClock
from tests.core.providers.completions import make_openai
from tests.core.providers.contract import read, text_of
from tests.core.providers.scripted_server import Answer, Break, Json, Refuse, ScriptedModelServer

BLIND = "Invalid content type. image_url is only supported by certain models."


def show(text: str, *names: str) -> Message:
    images = tuple(Image(name, "image/png", b"\x89PNG", 1_000) for name in names)
    return replace(Message.user(text), images=images)


def images_in(payload: Json) -> int:
    return sum(
        isinstance(message["content"], list)
        and sum(part["type"] == "image_url" for part in message["content"])
        for message in payload["messages"]
    )


def refuse(message: str) -> Refuse:
    return Refuse(400, message)


def unseen_of(chunks: Sequence[Chunk]) -> tuple[str, ...]:
    return next((chunk.unseen for chunk in chunks if chunk.unseen), ())


async def test_refused_image_is_left_out_and_told(session: aiohttp.ClientSession) -> None:
    async with ScriptedModelServer() as server:
        server.play(refuse(BLIND), Answer("I see nothing."))
        provider = SightedProvider(make_openai(session, server))
        chunks = await read(provider, Request("m", (show("what is it?", "cat.png"),)))
    assert (text_of(chunks), unseen_of(chunks)) == ("I see nothing.", ("cat.png",))
    assert [images_in(each.payload) for each in server.requests] == [1, 0]
    [message] = server.requests[1].payload["messages"]
    assert message["content"] == "what is it?\n\n[not shown to you: cat.png]"


async def test_refusal_is_remembered_for_a_while(session: aiohttp.ClientSession) -> None:
    clock = FakeClock()
    async with ScriptedModelServer() as server:
        server.play(refuse(BLIND), Answer("1"), Answer("2"), Answer("3"), Answer("4"))
        provider = SightedProvider(make_openai(session, server), clock.now)
        question = Request("m", (show("what?", "cat.png"),))
        await read(provider, question)
        assert unseen_of(await read(provider, question)) == ("cat.png",)
        await read(provider, replace(question, model="other"))
        clock.advance(MEMORY.total_seconds() + 1)
        assert unseen_of(await read(provider, question)) == ()
    assert [images_in(each.payload) for each in server.requests] == [1, 0, 0, 1, 1]


@pytest.mark.parametrize(
    "refusal",
    ["Could not process image", "You uploaded an unsupported image: it has none of these formats"],
)
async def test_image_that_alone_is_bad_is_not_held_against_the_model(
    session: aiohttp.ClientSession, refusal: str
) -> None:
    async with ScriptedModelServer() as server:
        server.play(refuse(refusal), Answer("1"), Answer("2"))
        provider = SightedProvider(make_openai(session, server))
        await read(provider, Request("m", (show("what?", "bad.png"),)))
        await read(provider, Request("m", (show("what?", "good.png"),)))
    assert [images_in(each.payload) for each in server.requests] == [1, 0, 1]


async def test_server_that_takes_few_images_gets_the_newest(session: aiohttp.ClientSession) -> None:
    async with ScriptedModelServer() as server:
        server.play(refuse("At most 2 image(s) may be provided in one request."), Answer("Well."))
        provider = SightedProvider(make_openai(session, server))
        messages = (show("a", "1", "2"), Message.ai("b"), show("c", "3"))
        chunks = await read(provider, Request("m", messages))
        first, _, last = server.requests[1].payload["messages"]
    assert first["content"][-1]["text"] == "a\n\n[not shown to you: 2]"
    assert [part["type"] for part in last["content"]] == ["image_url", "text"]
    assert unseen_of(chunks) == ()


async def test_request_that_is_too_large_goes_with_half_of_its_images(
    session: aiohttp.ClientSession,
) -> None:
    async with ScriptedModelServer() as server:
        large = Refuse(413, "Request Entity Too Large")
        server.play(large, large, Answer("Well."), Answer("Well."))
        provider = SightedProvider(make_openai(session, server))
        question = Request("m", (show("what?", *"12345"),))
        assert unseen_of(await read(provider, question)) == ("2", "3", "4", "5")
        assert unseen_of(await read(provider, question)) == ()
    assert [images_in(each.payload) for each in server.requests] == [5, 2, 1, 5]


async def test_what_is_too_long_for_the_model_goes_up(session: aiohttp.ClientSession) -> None:
    async with ScriptedModelServer() as server:
        server.play(Refuse(400, "maximum context length is 10 tokens, and images count"))
        provider = SightedProvider(make_openai(session, server))
        with pytest.raises(ContextTooLongError):
            await read(provider, Request("m", (show("what?", "cat.png"),)))


async def test_refusal_within_an_answer_counts(session: aiohttp.ClientSession) -> None:
    async with ScriptedModelServer() as server:
        error = Break("invalid_request_error", "No endpoints found that support image input")
        server.play(Answer(error), Answer("Well."))
        provider = SightedProvider(make_openai(session, server))
        chunks = await read(provider, Request("m", (show("what?", "cat.png"),)))
    assert (text_of(chunks), unseen_of(chunks)) == ("Well.", ("cat.png",))


async def test_other_refusals_go_up(session: aiohttp.ClientSession) -> None:
    async with ScriptedModelServer() as server:
        server.play(refuse("stop is not a list"), refuse(BLIND))
        provider = SightedProvider(make_openai(session, server))
        with pytest.raises(BadRequestError):
            await read(provider, Request("m", (show("what?", "cat.png"),)))
        with pytest.raises(BadRequestError):
            await read(provider, Request("m", (Message.user("what?"),)))
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("refusal", "most"),
    [
        ("HTTP 400: Invalid content type. image_url is only supported by certain models.", 0),
        ("HTTP 404: No endpoints found that support image input", 0),
        ("HTTP 400: unknown variant `image_url`, expected `text`", 0),
        ("HTTP 400: 'messages.0.content' : value must be a string", 0),
        ("HTTP 422: body.messages.0.content: Input should be a valid string", 0),
        ("HTTP 500: image input is not supported - you may need to provide the mmproj", 0),
        ("HTTP 400: llama is not a multimodal model", 0),
        ("HTTP 400: At most 1 image(s) may be provided in one request.", 1),
        ("HTTP 400: Too many images provided. This model supports up to 5 images", 5),
        ("HTTP 400: At most 0 image(s) may be provided", 0),
        ("HTTP 400: temperature is not supported", None),
    ],
)
def test_refusals_of_images_are_known(refusal: str, most: int | None) -> None:
    assert find_max_images(refusal, 8) == most
