from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from core.conversation import Message
from core.files.values import Image
from core.providers.base import Provider, Request
from core.providers.demo import MAX_WORDS, DemoProvider, parse_command, render_answer
from tests.core.providers.contract import Kit, ProviderContract, ask, read, text_of

AT_ONCE = timedelta()


class DemoKit:
    model = "echo"

    @asynccontextmanager
    async def answering(self) -> AsyncGenerator[Provider]:
        yield DemoProvider(pause=AT_ONCE)

    refusing = breaking = answering

    @asynccontextmanager
    async def hanging(self) -> AsyncGenerator[Provider]:
        yield DemoProvider(pause=timedelta(microseconds=1))


class TestContract(ProviderContract):
    @pytest.fixture
    def kit(self) -> Kit:
        return DemoKit()


async def answer(*texts: str) -> str:
    return text_of(await read(DemoProvider(pause=AT_ONCE), ask("echo", *texts)))


async def test_it_quotes_what_was_said_earlier_in_the_thread() -> None:
    text = await answer(
        "My cat is called Wool", "Nice.", "And it rains", "Oh.", "What do you know?"
    )
    assert "Earlier in this thread you said “My cat is called Wool”" in text
    assert "And it rains" in text
    assert "3 messages" in text


PINNED = "People here want you to keep in mind:\n- The boat leaves on Friday"
SUMMED_UP = "What was said earlier in this conversation, in short:\n- Ada: my cat is called Wool"


async def test_what_is_pinned_is_told_below_what_the_thread_said() -> None:
    text = await answer(f"<memory>\n{PINNED}\n</memory>\n\nMy cat is called Wool", "Nice.", "And?")
    assert "Earlier in this thread you said “My cat is called Wool”" in text
    assert text.endswith("I keep in mind:\n\n- The boat leaves on Friday")


async def test_what_is_sent_in_short_is_told_apart_from_what_is_pinned() -> None:
    text = await answer(f"<memory>\n{SUMMED_UP}\n\n{PINNED}\n</memory>\n\nAnd?")
    assert "of what came before these notes:\n\n- Ada: my cat is called Wool\n\n`!history`" in text
    assert text.endswith("I keep in mind:\n\n- The boat leaves on Friday")


async def test_a_first_message_is_greeted_with_what_can_be_tried() -> None:
    text = await answer("Ada Lovelace: Good morning")
    assert text.startswith("Hello, Ada Lovelace! You said “Good morning”")
    assert "`long 300`" in text
    assert "Earlier" not in text


async def test_the_same_question_has_the_same_answer() -> None:
    assert await answer("Hi") == await answer("Hi")


@pytest.mark.parametrize("count", [1, 2, 5, 50, 333, 2000])
async def test_long_has_exactly_as_many_words_as_were_asked_for(count: int) -> None:
    text = await answer(f"Ada: long {count}")
    assert len([word for word in text.split() if word != "##"]) == count


async def test_long_is_bounded_and_has_headings_and_paragraphs() -> None:
    text = await answer("long 999999999")
    assert len(text.split()) < MAX_WORDS * 1.1
    assert text.count("\n\n## ") > 5
    assert 100 < len((await answer("long")).split()) < 1000


async def test_code_is_fenced_and_a_table_has_rows() -> None:
    assert (await answer("code")).count("```") == 2
    assert "| --- |" in await answer("table")


async def test_slow_takes_longer_before_the_first_word_than_between_words() -> None:
    slow = DemoProvider(pause=timedelta(milliseconds=1))
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(10), slow.stream(ask("echo", "slow")) as chunks:
        await anext(aiter(chunks))
    assert loop.time() - began >= 0.09


async def test_usage_counts_words() -> None:
    request = Request("echo", (Message.user("one two three"),), system="be brief")
    chunks = await read(DemoProvider(pause=AT_ONCE), request)
    usage = chunks[-1].usage
    assert usage
    assert usage.input_tokens == 5
    assert usage.output_tokens == len(text_of(chunks).split())


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("long 50", ("long", "50")),
        ("Ada: long 50", ("long", "50")),
        ("Grace Hopper: CODE", ("code", "")),
        ("fail late", ("fail", "late")),
        ("Ada: hello\n\nBob: table", ("table", "")),
        ("/slow", ("slow", "")),
        ("help!", ("help", "")),
        ("how long is it?", ("", "")),
        ("code of conduct", ("", "")),
        ("", ("", "")),
    ],
)
def test_commands_are_told_from_talk(text: str, command: tuple[str, str]) -> None:
    assert parse_command(text) == command


def test_files_are_named_and_not_taken_for_words() -> None:
    text = 'look\n\n[image a.png]\n\n<file name="b.txt">\none two\n</file>\n\n[file c.mp3, not read: no]'
    message = replace(Message.user(text), images=(Image("a.png", "image/png", b""),))
    answer = render_answer([message])
    assert "You said “look”" in answer
    assert answer.endswith(
        "With it came `a.png`, a picture; `b.txt`, 2 words: a real model looks at them, I can only count."
    )
