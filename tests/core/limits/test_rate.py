from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import RateLimitedError
from core.limits.rate import MINUTE_SECONDS, RateLimiter, SlidingWindow, WindowAdmission
from tests.core.clock import FakeClock

steps = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 150), st.integers(0, 150)), max_size=60
)


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def make_limiter(
    clock: FakeClock, requests: int = 2, tokens: int | None = None, max_wait: int = 600
) -> RateLimiter:
    return RateLimiter(
        requests,
        tokens,
        max_wait=timedelta(seconds=max_wait),
        clock=clock.now,
        call_later=clock.call_later,
    )


async def start(admit: Awaitable[WindowAdmission]) -> asyncio.Task[WindowAdmission]:
    task = asyncio.ensure_future(admit)
    await settle()
    assert isinstance(task, asyncio.Task)
    return task


class TestSlidingWindow:
    @settings(deadline=None)
    @given(steps, st.integers(1, 5))
    def test_requests_never_exceed_the_limit_in_any_minute(
        self, steps: list[tuple[int, int, int]], limit: int
    ) -> None:
        window = SlidingWindow(limit)
        now, admitted = 0, list[int]()
        for pause, tokens, _ in steps:
            now += pause
            if window.admit_nowait(tokens, now):
                admitted.append(now)
        for begin in admitted:
            assert sum(begin <= at < begin + MINUTE_SECONDS for at in admitted) <= limit

    @settings(deadline=None)
    @given(steps, st.integers(50, 200))
    def test_tokens_exceed_the_limit_only_for_one_request_alone(
        self, steps: list[tuple[int, int, int]], limit: int
    ) -> None:
        window = SlidingWindow(1000, limit)
        now, admitted = 0, list[tuple[int, int]]()
        for pause, estimate, used in steps:
            now += pause
            entry = window.admit_nowait(estimate, now)
            if entry:
                window.correct(entry, min(used, estimate))
                earlier = sum(tokens for at, tokens in admitted if at > now - MINUTE_SECONDS)
                assert earlier + estimate <= limit or earlier == 0
                admitted.append((now, min(used, estimate)))

    @settings(deadline=None)
    @given(steps, st.integers(1, 4), st.integers(50, 200), st.integers(0, 300))
    def test_room_is_there_when_it_was_foretold_and_not_before(
        self, steps: list[tuple[int, int, int]], requests: int, tokens: int, wanted: int
    ) -> None:
        window = SlidingWindow(requests, tokens)
        now = 0
        for pause, estimate, _ in steps:
            now += pause
            window.admit_nowait(estimate, now)
        at = window.free_at(wanted, now)
        assert now <= at <= now + MINUTE_SECONDS
        if at > now:
            assert window.admit_nowait(wanted, at - 1) is None
        assert window.admit_nowait(wanted, at)

    def test_usage_above_the_estimate_counts(self) -> None:
        window = SlidingWindow(10, 100)
        entry = window.admit_nowait(10, 0)
        assert entry
        window.correct(entry, 100)
        assert window.admit_nowait(1, 59) is None
        assert window.admit_nowait(1, 60)

    def test_correcting_a_request_long_past_changes_nothing(self) -> None:
        window = SlidingWindow(10, 100)
        entry = window.admit_nowait(10, 0)
        assert entry
        assert window.admit_nowait(100, 60)
        window.correct(entry, 100)
        window.withdraw(entry)
        assert window.free_at(1, 60) == 120

    def test_a_pause_is_never_shortened(self) -> None:
        window = SlidingWindow(10)
        window.pause_until(50)
        window.pause_until(20)
        assert window.admit_nowait(1, 49) is None
        assert window.admit_nowait(1, 50)


class TestRateLimiter:
    async def test_a_request_within_the_limit_does_not_wait(self) -> None:
        limiter = make_limiter(FakeClock())
        async with asyncio.timeout(1):
            await limiter.admit("m", 1)
            await limiter.admit("m", 1)

    async def test_the_third_of_two_a_minute_waits_for_the_first_to_pass(self) -> None:
        clock = FakeClock()
        limiter = make_limiter(clock, requests=2)
        await limiter.admit("m", 1)
        clock.advance(10)
        await limiter.admit("m", 1)
        third = await start(limiter.admit("m", 1))
        clock.advance(49.5)
        await settle()
        assert not third.done()
        clock.advance(0.5)
        async with asyncio.timeout(1):
            await third

    async def test_requests_are_admitted_in_the_order_they_came(self) -> None:
        clock = FakeClock()
        limiter = make_limiter(clock, requests=1)
        order = list[int]()

        async def ask(number: int) -> None:
            await limiter.admit("m", 1)
            order.append(number)

        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            for number in range(5):
                tasks.create_task(ask(number))
            await settle()
            for _ in range(4):
                clock.advance(60)
                await settle()
        assert order == [0, 1, 2, 3, 4]

    async def test_small_requests_do_not_overtake_a_large_one(self) -> None:
        clock = FakeClock()
        limiter = make_limiter(clock, requests=100, tokens=100)
        await limiter.admit("m", 60)
        large = await start(limiter.admit("m", 90))
        small = await start(limiter.admit("m", 1))
        assert not small.done()
        clock.advance(60)
        await settle()
        assert large.done()
        assert small.done()

    async def test_a_request_above_the_whole_limit_goes_alone(self) -> None:
        clock = FakeClock()
        limiter = make_limiter(clock, requests=100, tokens=100)
        await limiter.admit("m", 10)
        huge = await start(limiter.admit("m", 500))
        assert not huge.done()
        clock.advance(60)
        await settle()
        assert huge.done()
        after = await start(limiter.admit("m", 1))
        assert not after.done()
        clock.advance(60)
        async with asyncio.timeout(1):
            await after

    async def test_a_correction_lets_the_next_in_at_once(self) -> None:
        limiter = make_limiter(FakeClock(), requests=100, tokens=100)
        first = await limiter.admit("m", 90)
        second = await start(limiter.admit("m", 50))
        assert not second.done()
        first.correct(20)
        async with asyncio.timeout(1):
            await second

    async def test_an_admission_given_back_lets_the_next_in_at_once(self) -> None:
        limiter = make_limiter(FakeClock(), requests=1)
        first = await limiter.admit("m", 1)
        second = await start(limiter.admit("m", 1))
        first.withdraw()
        async with asyncio.timeout(1):
            await second

    async def test_a_cancelled_wait_leaves_no_ghost(self) -> None:
        clock = FakeClock()
        limiter = make_limiter(clock, requests=1)
        await limiter.admit("m", 1)
        second = await start(limiter.admit("m", 1))
        third = await start(limiter.admit("m", 1))
        second.cancel()
        await settle()
        assert limiter.waiting_count == 1
        clock.advance(60)
        async with asyncio.timeout(1):
            await third

    async def test_a_wait_cancelled_while_being_admitted_gives_its_place_on(self) -> None:
        clock = FakeClock()
        limiter = make_limiter(clock, requests=1)
        await limiter.admit("m", 1)
        second = await start(limiter.admit("m", 1))
        third = await start(limiter.admit("m", 1))
        clock.advance(60)  # admits the second, whose task has not yet run
        second.cancel()
        async with asyncio.timeout(1):
            await third
        assert second.cancelled()

    async def test_cancelling_the_large_request_at_the_head_frees_the_small_ones(self) -> None:
        limiter = make_limiter(FakeClock(), requests=100, tokens=100)
        await limiter.admit("m", 60)
        large = await start(limiter.admit("m", 90))
        small = await start(limiter.admit("m", 1))
        large.cancel()
        async with asyncio.timeout(1):
            await small

    async def test_a_pause_holds_everyone(self) -> None:
        clock = FakeClock()
        limiter = make_limiter(clock, requests=100)
        limiter.pause(timedelta(seconds=30))
        waiting = await start(limiter.admit("m", 1))
        clock.advance(29)
        await settle()
        assert not waiting.done()
        clock.advance(1)
        async with asyncio.timeout(1):
            await waiting

    async def test_a_pause_longer_than_the_longest_wait_refuses_at_once(self) -> None:
        clock = FakeClock()
        limiter = make_limiter(clock, requests=1, max_wait=120)
        await limiter.admit("m", 1)
        waiting = await start(limiter.admit("m", 1))
        limiter.pause(timedelta(hours=1))
        with pytest.raises(RateLimitedError) as early:
            await waiting
        with pytest.raises(RateLimitedError) as late:
            await limiter.admit("m", 1)
        assert early.value.retry_after == late.value.retry_after == timedelta(hours=1)
        assert limiter.waiting_count == 0

    async def test_who_waited_too_long_is_refused_and_told_when_there_is_room(self) -> None:
        clock = FakeClock()
        limiter = make_limiter(clock, requests=1, max_wait=20)
        await limiter.admit("m", 1)
        waiting = await start(limiter.admit("m", 1))
        clock.advance(20)
        with pytest.raises(RateLimitedError) as refused:
            await waiting
        assert refused.value.retry_after == timedelta(seconds=40)

    async def test_the_loops_own_clock_serves(self) -> None:
        limiter = RateLimiter(5)
        limiter.pause(timedelta(milliseconds=20))
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout(5):
            await limiter.admit("m", 1)
        assert asyncio.get_running_loop().time() - began >= 0.019
