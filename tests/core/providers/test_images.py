"""Images, as each API wants them, and which models get any."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace

import aiohttp
import pytest

from core.conversation import Message
from core.files.values import Image
from core.providers.base import Request
from core.providers.known.sight import find_image_tokens
from tests.core.providers.completions import make_openai
from tests.core.providers.contract import read
from tests.core.providers.scripted_server import Answer, ScriptedModelServer
from tests.core.providers.test_anthropic import make_anthropic

PHOTO = Image("photo.png", "image/png", b"\x89PNG\x00", 1_000)
DATA = b64encode(PHOTO.content).decode()


def show(text: str) -> Message:
    return replace(Message.user(text), images=(PHOTO,))


async def test_chat_completions_get_images_as_data(session: aiohttp.ClientSession) -> None:
    async with ScriptedModelServer() as server:
        server.play(Answer("A cat."))
        request = Request("m", (show("what is it?"), Message.ai("?"), Message.user("well?")))
        await read(make_openai(session, server), request)
        first, _, last = server.requests[0].payload["messages"]
    assert first["content"] == [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{DATA}"}},
        {"type": "text", "text": "what is it?"},
    ]
    assert last["content"] == "well?"


async def test_messages_get_images_before_their_text(session: aiohttp.ClientSession) -> None:
    async with ScriptedModelServer() as server:
        server.play(Answer("A cat."))
        await read(make_anthropic(session, server), Request("m", (show("what is it?"),)))
        [message] = server.requests[0].payload["messages"]
    source = {"type": "base64", "media_type": "image/png", "data": DATA}
    assert message["content"][0] == {"type": "image", "source": source}
    assert message["content"][1]["text"] == "what is it?"


async def test_message_that_is_only_an_image_has_no_empty_text(
    session: aiohttp.ClientSession,
) -> None:
    async with ScriptedModelServer() as server:
        server.play(Answer("A cat."), Answer("A cat."))
        await read(make_anthropic(session, server), Request("m", (show(""),)))
        await read(make_openai(session, server), Request("m", (show(""),)))
        kinds = [
            [part["type"] for part in asked.payload["messages"][0]["content"]]
            for asked in server.requests
        ]
    assert kinds == [["image"], ["image_url"]]


def test_messages_that_are_joined_keep_their_images() -> None:
    joined = show("a").join(show("b"))
    assert joined.text == "a\n\nb"
    assert joined.images == (PHOTO, PHOTO)
    assert show("").join(Message.user("b")).text == "b"


@pytest.mark.parametrize(
    ("provider", "model", "sees"),
    [
        ("openai", "gpt-4o", True),
        ("openai", "gpt-4o-mini-2024-07-18", True),
        ("openai", "gpt-5-nano", True),
        ("openai", "o3-mini", False),
        ("openai", "gpt-3.5-turbo", False),
        ("openai", "gpt-4", False),
        ("openrouter", "anthropic/claude-sonnet-4", True),
        ("anthropic", "claude-2.1", False),
        ("gemini", "gemini-flash-latest", True),
        ("groq", "llama-3.3-70b-versatile", False),
        ("groq", "meta-llama/llama-4-scout-17b", True),
        ("ollama", "llama3.2-vision:11b", True),
        ("ollama", "qwen2.5vl:7b", True),
        ("ollama", "gemma3:4b", True),
        ("ollama", "gemma3:1b", False),
        ("ollama", "llama3.3", False),
        ("demo", "echo", True),
    ],
)
def test_model_is_known_to_see_or_not(provider: str, model: str, sees: bool) -> None:
    assert bool(find_image_tokens(provider, model)) is sees
