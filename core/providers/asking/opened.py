"""One request to a model that has begun to answer: what was read of it, what it takes, what closes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from core import errors, tokens
from core.conversation import Usage
from core.errors import EmptyAnswerError, ProviderError, UnreachableError
from core.providers.asking.tally import Tally
from core.providers.base import Admission, Chunk, FinishReason, ModelRef, Request


class RequestMeter:
    """Counts what a request takes: as the provider tells it, or as an estimate."""

    def __init__(self, input_tokens: int) -> None:
        self.finish_reason: FinishReason | None = None
        self._input_tokens = input_tokens
        self._output_tokens = 0.0
        self._usage: Usage | None = None

    def add(self, chunk: Chunk) -> None:
        """Take in a piece of the answer."""
        self._output_tokens += tokens.count_tokens(chunk.text)
        self._usage = chunk.usage or self._usage
        self.finish_reason = chunk.finish_reason or self.finish_reason

    @property
    def told(self) -> Usage | None:
        """What the provider told of it so far."""
        return self._usage

    @property
    def used_tokens(self) -> int:
        """What it took so far, input and output together."""
        usage = self.usage
        return (usage.input_tokens or 0) + (usage.output_tokens or 0)

    @property
    def usage(self) -> Usage:
        """What it took so far, with estimates for what the provider did not tell."""
        told = self._usage or Usage()
        sent, wrote = told.input_tokens, told.output_tokens
        return replace(
            told,
            input_tokens=self._input_tokens if sent is None else sent,
            output_tokens=int(self._output_tokens) if wrote is None else wrote,
            is_estimated=told.is_estimated or sent is None or wrote is None,
        )


@dataclass(frozen=True, slots=True)
class Opened:
    """An answer that has begun. `attempt` counts from 1."""

    ref: ModelRef
    stack: AsyncExitStack
    chunks: AsyncIterator[Chunk]
    head: list[Chunk]
    meter: RequestMeter
    admission: Admission
    attempt: int
    tally: Tally

    async def aclose(self) -> None:
        """End the request, and count what it took."""
        self.tally.usage = self.meter.usage
        self.tally.end()
        self.admission.correct(self.meter.used_tokens)
        await self.stack.aclose()


class NoWordError(EmptyAnswerError):
    """An empty answer, and whether asking again could give another.

    Models end now and then without a word, and the second time they speak. Who refused, or spent
    all tokens on thinking, would only do so again.
    """

    def __init__(self, model: str, meter: RequestMeter) -> None:
        super().__init__(
            model,
            f"the answer has no text and ended for: {meter.finish_reason}",
            was_cut_off=meter.finish_reason == "length",
        )
        self.is_accident = meter.finish_reason in ("stop", "other")
        self.used_tokens = meter.used_tokens


def correct_failed(admission: Admission, error: ProviderError) -> None:
    """Count what a failed request took. Where the answer broke off unseen, the estimate stands."""
    if isinstance(error, NoWordError):
        admission.correct(error.used_tokens)
    elif not isinstance(error, UnreachableError | errors.TimeoutError):
        admission.correct(0)


def estimate_input_tokens(request: Request) -> int:
    """Estimate what a request's input takes."""
    return tokens.estimate_input_tokens(request.system, request.messages)
