"""What an answer took is measured, and what comes to no answer is an expense."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import pytest

from core.conversation import Message, Usage
from core.errors import StoreError
from core.meter import Meter, keep_expenses
from core.prices import Price, Prices
from core.providers.base import Chunk, ModelRef, Request
from core.store.base import Expense
from tests.core.clock import FakeClock

FIRST, SECOND = ModelRef("fake", "model", 8000), ModelRef("fake", "other", 8000)
PRICES = Prices(find_own={"fake/model": Price(Decimal(1), Decimal(2))}.get)
REQUEST = Request("model", (Message.user("What is it?"),), max_new_tokens=100)


def make_meter(clock: FakeClock | None = None) -> Meter:
    return Meter(FIRST, REQUEST, PRICES, (clock or FakeClock()).now)


def test_what_the_first_model_told_is_not_said_of_the_one_that_answers_anew():
    meter = make_meter()
    meter.heed(Chunk("Some", usage=Usage(1_000, 500)))
    meter.heed(Chunk(answered_by=SECOND, is_restart=True))
    meter.heed(Chunk("All of it."))
    usage = meter.read()
    assert usage.is_estimated
    assert usage.input_tokens is not None
    assert usage.input_tokens < 50
    [broken] = meter.list_expenses("attempt")[:1]
    assert (broken.model, broken.usage.input_tokens) == ("fake/model", 1_000)
    assert broken.usage.cost == Decimal("0.002")


def test_an_answer_that_is_kept_is_no_expense():
    meter = make_meter()
    meter.heed(Chunk("Yes.", usage=Usage(10, 2)))
    assert [each.model for each in meter.list_expenses("attempt")] == ["fake/model"]
    meter.keep()
    assert meter.list_expenses("attempt") == []


def test_the_first_text_is_timed_not_the_first_space():
    clock = FakeClock()
    meter = make_meter(clock)
    clock.advance(1)
    meter.heed(Chunk("\n"))
    clock.advance(1)
    meter.heed(Chunk("Yes."))
    clock.advance(1)
    assert meter.read().to_first_text == timedelta(seconds=2)
    assert meter.read().in_all == timedelta(seconds=3)


@pytest.mark.parametrize("error", [StoreError("away"), TimeoutError()])
async def test_expenses_that_cannot_be_kept_are_logged_and_hold_up_nothing(
    error: Exception, caplog: pytest.LogCaptureFixture
):
    class FailingStore:
        async def add_expenses(self, conversation_id: int, expenses: Sequence[Expense]) -> None:
            raise error

    with caplog.at_level(logging.WARNING, "skein.usage"):
        async with asyncio.timeout(10):
            await keep_expenses(FailingStore(), 7, [Expense("attempt", "fake/model", Usage(1, 1))])
    assert "conversation 7: what fake/model took is not kept" in caplog.text
