"""What every provider does. A subclass gives `kit`, which opens the provider in a certain state."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import pytest

from core.conversation import Message
from core.errors import OverloadedError, ProviderError
from core.providers.base import Chunk, Provider, Request


class Kit(Protocol):
    """Opens the provider under test in the states that the contract speaks of."""

    @property
    def model(self) -> str:
        """The name of the model that is asked."""
        ...

    def answering(self) -> AbstractAsyncContextManager[Provider]:
        """Answer, the same every time."""
        ...

    def refusing(self) -> AbstractAsyncContextManager[Provider]:
        """Be overloaded."""
        ...

    def breaking(self) -> AbstractAsyncContextManager[Provider]:
        """Answer with some words, then with an error."""
        ...

    def hanging(self) -> AbstractAsyncContextManager[Provider]:
        """Answer with some words, then with nothing for a long time."""
        ...


def ask(
    model: str, *texts: str, system: str | None = None, temperature: float | None = None
) -> Request:
    """Make a request in which person and model speak in turn."""
    messages = tuple(
        Message.ai(text) if number % 2 else Message.user(text) for number, text in enumerate(texts)
    )
    return Request(model, messages or (Message.user("Hi"),), system, 100, temperature)


async def read(provider: Provider, request: Request) -> list[Chunk]:
    """Read a whole answer."""
    async with asyncio.timeout(20), provider.stream(request) as chunks:
        return [chunk async for chunk in chunks]


def text_of(chunks: Sequence[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


class ProviderContract:
    """Inherit it as `Test...` and define the fixture `kit`."""

    async def test_an_answer_has_text_and_ends_with_why_and_usage(self, kit: Kit) -> None:
        async with kit.answering() as provider:
            chunks = await read(provider, ask(kit.model, "Hi"))
        assert text_of(chunks).strip()
        assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["stop"]
        assert chunks[-1].finish_reason == "stop"
        usage = chunks[-1].usage
        assert usage
        assert usage.input_tokens
        assert usage.output_tokens

    async def test_a_refusal_is_raised_and_names_the_model(self, kit: Kit) -> None:
        async with kit.refusing() as provider:
            with pytest.raises(OverloadedError) as refused:
                await read(provider, ask(kit.model, "fail"))
            assert refused.value.model == f"{provider.name}/{kit.model}"

    async def test_an_error_after_words_comes_between_chunks(self, kit: Kit) -> None:
        received = list[Chunk]()

        async def listen(provider: Provider) -> None:
            async with asyncio.timeout(20), provider.stream(ask(kit.model, "fail late")) as chunks:
                async for chunk in chunks:
                    received.append(chunk)

        async with kit.breaking() as provider:
            with pytest.raises(ProviderError):
                await listen(provider)
        assert text_of(received)
        assert not any(chunk.finish_reason for chunk in received)

    async def test_text_comes_before_the_end_and_leaving_early_ends_the_request(
        self, kit: Kit
    ) -> None:
        async with (
            asyncio.timeout(20),
            kit.hanging() as provider,
            provider.stream(ask(kit.model, "slow")) as chunks,
        ):
            assert (await anext(aiter(chunks))).text

    async def test_cancelling_a_reader_ends_the_request(self, kit: Kit) -> None:
        begun = asyncio.Event()

        async def listen(provider: Provider) -> None:
            async with provider.stream(ask(kit.model, "slow")) as chunks:
                async for _ in chunks:
                    begun.set()

        async with kit.hanging() as provider, asyncio.timeout(20):
            task = asyncio.create_task(listen(provider))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    async def test_answers_side_by_side_do_not_mix(self, kit: Kit) -> None:
        async with kit.answering() as provider:
            alone = text_of(await read(provider, ask(kit.model, "Hi")))
            answers = await asyncio.gather(
                *(read(provider, ask(kit.model, "Hi")) for _ in range(5))
            )
        assert {text_of(answer) for answer in answers} == {alone}
