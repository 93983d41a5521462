"""Measures what one answer takes: tokens, money, time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from core.conversation import Usage
from core.prices import Prices
from core.providers.base import Chunk, ModelRef, Request
from core.tokens import estimate_input_tokens, estimate_tokens


class Meter:
    """Begins as the question is put to the model; `heed` gets each chunk of the answer."""

    def __init__(
        self,
        ref: ModelRef,
        request: Request,
        prices: Prices,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ref = ref
        self._request = request
        self._prices = prices
        self._clock = clock
        self._began_at = clock()
        self._first_text_at: float | None = None
        self._told = Usage()
        self._text = ""

    @property
    def model(self) -> str:
        """Who answers."""
        return str(self._ref)

    @property
    def has_begun(self) -> bool:
        """Whether anything came of the answer, so that it took something."""
        return bool(self._text) or self._told != Usage()

    def heed(self, chunk: Chunk) -> None:
        """Take in a piece of the answer."""
        self._ref = chunk.answered_by or self._ref
        if chunk.text.strip() and self._first_text_at is None:
            self._first_text_at = self._clock()
        self._text += chunk.text
        self._told = chunk.usage or self._told

    def read(self) -> Usage:
        """Say what the answer took so far. What the provider does not tell is reckoned, and marked."""
        usage = self._fill(self._told)
        return replace(
            usage,
            cost=self._prices.find_cost(self._ref.provider, self._ref.model, usage),
            to_first_text=self._since_begin(self._first_text_at),
            in_all=self._since_begin(self._clock()),
        )

    def _fill(self, told: Usage) -> Usage:
        if told.input_tokens is not None and told.output_tokens is not None:
            return told
        sent = estimate_input_tokens(self._request.system, self._request.messages)
        return replace(
            told,
            input_tokens=sent if told.input_tokens is None else told.input_tokens,
            output_tokens=estimate_tokens(self._text),
            is_estimated=True,
        )

    def _since_begin(self, at: float | None) -> timedelta | None:
        return None if at is None else timedelta(seconds=at - self._began_at)
