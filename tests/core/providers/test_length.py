from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from core.errors import EmptyAnswerError
from core.providers.asking.length import MAX_ANSWER_CHARACTERS, end_in_time
from core.providers.base import Chunk, ModelRef
from tests.core.providers.test_router import END, REF, Bench


async def play(*texts: str) -> AsyncGenerator[Chunk]:
    for text in texts:
        yield Chunk(text)


async def cut(ref: ModelRef, *texts: str) -> list[Chunk]:
    return [chunk async for chunk in end_in_time(ref, play(*texts), max_characters=5)]


async def test_an_answer_up_to_the_bound_is_let_through() -> None:
    assert await cut(REF, "ab", "cde") == [Chunk("ab"), Chunk("cde")]


async def test_a_longer_answer_ends_at_the_bound_as_one_that_reached_its_length(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert await cut(REF, "abc", "def", "ghi") == [Chunk("abc"), Chunk("de", "length")]
    assert "openai/m: the answer has more than 5 characters" in caplog.text


async def test_white_space_without_an_end_is_an_answer_without_a_word() -> None:
    bench = Bench((Chunk(" " * (MAX_ANSWER_CHARACTERS + 1)), Chunk("late"), END))
    with pytest.raises(EmptyAnswerError) as raised:
        await bench.ask()
    assert raised.value.was_cut_off
    assert bench.provider.open_count == 0


async def test_a_server_that_goes_on_and_on_is_left() -> None:
    bench = Bench([Chunk("a" * 400_000)] * 5)
    assert len(await bench.ask()) == MAX_ANSWER_CHARACTERS
    assert bench.provider.open_count == 0
