from __future__ import annotations

import asyncio
from datetime import timedelta

from core.errors import OverloadedError
from core.providers.asking.breaker import BreakerPolicy, BreakerState
from core.providers.asking.breakers import MAX_BREAKERS, Breakers
from core.providers.base import ModelRef
from tests.core.clock import FakeClock

REF = ModelRef("openai", "m", 1000)


def shut(breakers: Breakers, ref: ModelRef) -> None:
    """Let a model fail until it is left alone."""
    for _ in range(BreakerPolicy().max_failures):
        leave = breakers.admit_nowait(ref)
        assert leave
        leave.fail(OverloadedError(str(ref), "HTTP 503"))


def ask_names(breakers: Breakers, count: int) -> None:
    """Let people name models that are asked once each."""
    for number in range(count):
        ref = ModelRef("openai", f"named-{number}", 1000)
        leave = breakers.admit_nowait(ref)
        assert leave
        leave.succeed()


def test_names_without_number_are_not_kept_and_who_is_left_alone_is() -> None:
    breakers = Breakers(FakeClock().now)
    shut(breakers, REF)
    ask_names(breakers, 3 * MAX_BREAKERS)
    assert len(breakers.states) <= MAX_BREAKERS
    assert breakers.states[str(REF)] is BreakerState.OPEN


def test_a_rest_outlives_names_without_number_until_it_is_over() -> None:
    breakers = Breakers(FakeClock().now)
    breakers.rest(REF, timedelta(seconds=5))
    ask_names(breakers, 3 * MAX_BREAKERS)
    assert not breakers.is_ready(REF)


async def test_who_waits_for_a_model_is_woken_though_another_went_away() -> None:
    clock = FakeClock()
    breakers = Breakers(clock.now, clock.call_later)
    shut(breakers, REF)
    waiting = [asyncio.create_task(breakers.wait(REF, timedelta(hours=1))) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.wait(waiting[:1])
    breakers.clear()
    async with asyncio.timeout(5):
        await waiting[1]
