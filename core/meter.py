"""Measures what one answer takes: tokens, money, time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from core.conversation import Author, Usage
from core.errors import StoreError
from core.prices import Prices
from core.providers.base import Chunk, ModelRef, Request
from core.store.base import Expense
from core.store.rooms.accounts import Purpose
from core.tokens import estimate_input_tokens, estimate_tokens

log = logging.getLogger("skein.usage")

_PATIENCE = timedelta(seconds=5)


class Meter:
    """Begins as the question is put to the model; `heed` gets each chunk of the answer.

    What an attempt took that comes to no answer is kept apart, as an expense.
    """

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
        self._is_kept = False
        self._attempts: list[tuple[str, Usage]] = []

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
        if chunk.is_restart:
            self._give_up()
        self._ref = chunk.answered_by or self._ref
        if chunk.text.strip() and self._first_text_at is None:
            self._first_text_at = self._clock()
        self._text += chunk.text
        self._told = chunk.usage or self._told

    def note_attempt(self, ref: ModelRef, usage: Usage) -> None:
        """Take in what an attempt took that came to no word, as far as its provider told."""
        self._attempts.append((str(ref), self._price(ref, self._fill(usage, ""))))

    def read(self) -> Usage:
        """Say what the answer took so far. What the provider does not tell is reckoned, and marked."""
        return replace(
            self._price(self._ref, self._fill(self._told, self._text)),
            to_first_text=self._since_begin(self._first_text_at),
            in_all=self._since_begin(self._clock()),
        )

    def keep(self) -> None:
        """Note that what `read` says is stored, with the turn: it is no further expense."""
        self._is_kept = True

    def list_expenses(self, purpose: Purpose, author: Author | None = None) -> list[Expense]:
        """Give all that was paid for and is not kept."""
        spent = list(self._attempts)
        if self.has_begun and not self._is_kept:
            spent.append((self.model, self.read()))
        return [Expense(purpose, model, usage, author) for model, usage in spent]

    def _give_up(self) -> None:
        """Begin anew: what came so far broke off, and another answer takes its place."""
        if self.has_begun:
            self._attempts.append((self.model, self.read()))
        self._text, self._told = "", Usage()

    def _price(self, ref: ModelRef, usage: Usage) -> Usage:
        return replace(usage, cost=self._prices.find_cost(ref.provider, ref.model, usage))

    def _fill(self, told: Usage, text: str) -> Usage:
        if told.input_tokens is not None and told.output_tokens is not None:
            return told
        written = estimate_tokens(text) if text else 0
        sent = estimate_input_tokens(self._request.system, self._request.messages)
        return replace(
            told,
            input_tokens=sent if told.input_tokens is None else told.input_tokens,
            output_tokens=written if told.output_tokens is None else told.output_tokens,
            is_estimated=True,
        )

    def _since_begin(self, at: float | None) -> timedelta | None:
        return None if at is None else timedelta(seconds=at - self._began_at)


class ExpenseStore(Protocol):
    """What of a store keeps expenses."""

    async def add_expenses(self, conversation_id: int, expenses: Sequence[Expense], /) -> None:
        """Commit them. Raises StoreError."""
        ...


async def keep_expenses(
    store: ExpenseStore, conversation_id: int, expenses: Sequence[Expense]
) -> None:
    """Store what was paid for beside answers. Where that fails, it is logged and holds up nothing."""
    if not expenses:
        return
    try:
        async with asyncio.timeout(_PATIENCE.total_seconds()):
            await store.add_expenses(conversation_id, expenses)
    except (StoreError, TimeoutError) as error:
        models = ", ".join(expense.model for expense in expenses)
        log.warning("conversation %d: what %s took is not kept: %s", conversation_id, models, error)
