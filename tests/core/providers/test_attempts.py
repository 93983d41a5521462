"""What stands between a question and its model: the breaker, then the limits, then the breaker's leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import OverloadedError, ProviderError
from core.limits.rate import MINUTE_SECONDS, RateLimiter
from core.providers.asking.attempts import Attempts, Patience
from core.providers.asking.breaker import BreakerPolicy, BreakerState
from core.providers.asking.breakers import Breakers
from core.providers.asking.retry import RetryPolicy
from core.providers.base import Chunk, ModelRef, Request
from tests.core.clock import FakeClock
from tests.core.providers.test_fair import settle
from tests.core.providers.test_router import QUESTION
from tests.metrics import RecordingMetrics

REF = ModelRef("openai", "m", 100_000)
OVERLOADED = OverloadedError("openai/m", "HTTP 503: full")
MAX_FAILURES = BreakerPolicy().max_failures
COOL_DOWN = BreakerPolicy().cool_down.total_seconds()
POLICY = RetryPolicy()
PATIENCE = POLICY.max_breaker_wait.total_seconds()
LONGEST_SERVICE = 5.0


class TimedProvider:
    """Answers, or fails, after a time on the fake clock. It sees how many probes there are."""

    name = "openai"

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.is_up = True
        self.service_seconds = 0.0
        self.began_at = list[float]()
        self.open_count = 0
        self.probe_count = 0
        self.breakers = Breakers(clock.now, clock.call_later)

    @property
    def state(self) -> BreakerState:
        return self.breakers.states[str(REF)]

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncGenerator[AsyncIterator[Chunk]]:
        is_probe = self.state is BreakerState.HALF_OPEN
        assert self.state is not BreakerState.OPEN
        self.probe_count += is_probe
        self.open_count += 1
        assert self.probe_count <= 1
        self.began_at.append(self.clock.now())
        try:
            if self.service_seconds:
                await self.clock.wait(self.service_seconds)
            if not self.is_up:
                raise OVERLOADED
            yield self._play()
        finally:
            self.probe_count -= is_probe
            self.open_count -= 1

    async def _play(self) -> AsyncIterator[Chunk]:
        yield Chunk("Hello")

    def find_room(self, request: Request) -> int:
        return request.max_new_tokens

    async def aclose(self) -> None:
        pass


class Stage:
    """One model behind its breaker and limiter, by a clock that stands still."""

    def __init__(self, requests: int | None = None) -> None:
        self.clock = FakeClock()
        self.provider = TimedProvider(self.clock)
        self.breakers = self.provider.breakers
        self.limiter = RateLimiter(requests, clock=self.clock.now, call_later=self.clock.call_later)
        self.metrics = RecordingMetrics()
        self.attempts = Attempts(self.breakers, POLICY, self.metrics, self.clock.now)
        self.attempts.change({"openai": self.provider}, {"openai": self.limiter})

    async def ask(self) -> None:
        opened = await self.attempts.make(REF, QUESTION, 1, Patience(POLICY.max_breaker_wait))
        await opened.aclose()

    async def start(self) -> asyncio.Task[None]:
        task = asyncio.create_task(self.ask())
        await settle()
        return task

    async def open_breaker(self) -> None:
        self.provider.is_up = False
        for _ in range(MAX_FAILURES):
            with pytest.raises(OverloadedError):
                await self.ask()
        self.provider.is_up = True
        assert self.provider.state is BreakerState.OPEN

    async def start_probe(self, *, succeeds: bool) -> asyncio.Task[None]:
        """Open the breaker and begin a probe that takes two seconds."""
        await self.open_breaker()
        self.provider.is_up = succeeds
        self.provider.service_seconds = 2.0
        self.clock.advance(COOL_DOWN)
        return await self.start()

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await settle()


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_others_wait_for_what_a_probe_finds_and_then_go(stage: Stage) -> None:
    probe = await stage.start_probe(succeeds=True)
    others = [await stage.start() for _ in range(3)]
    assert stage.provider.open_count == 1
    await stage.pass_time(2)
    assert probe.done()
    assert stage.provider.open_count == 3
    await stage.pass_time(2)
    assert all(other.done() and not other.exception() for other in others)


async def test_others_fail_as_the_model_did_where_the_probe_fails(stage: Stage) -> None:
    probe = await stage.start_probe(succeeds=False)
    other = await stage.start()
    await stage.pass_time(2)
    for task in (probe, other):
        with pytest.raises(OverloadedError, match="full"):
            await task
    assert len(stage.provider.began_at) == MAX_FAILURES + 1


async def test_a_wait_for_a_probe_is_bounded(stage: Stage) -> None:
    probe = await stage.start_probe(succeeds=True)
    stage.provider.service_seconds = 0
    waiting = asyncio.create_task(stage.ask())
    probe.cancel()  # its place goes to the next one, which takes a very long time
    stage.provider.service_seconds = 1000
    await settle()
    late = await stage.start()
    await stage.pass_time(PATIENCE - 0.1)
    assert not late.done()
    await stage.pass_time(0.1)
    with pytest.raises(OverloadedError, match="not asked"):
        await late
    assert not waiting.done()
    await stage.pass_time(1000)
    await waiting


async def test_a_probe_that_is_given_up_lets_the_next_one_go(stage: Stage) -> None:
    probe = await stage.start_probe(succeeds=True)
    others = [await stage.start() for _ in range(2)]
    probe.cancel()
    await settle()
    assert stage.provider.open_count == 1
    await stage.pass_time(2)
    await stage.pass_time(2)
    assert all(other.done() and not other.exception() for other in others)


async def test_who_waits_for_a_cool_down_goes_after_it(stage: Stage) -> None:
    await stage.open_breaker()
    waiting = await stage.start()
    await stage.pass_time(COOL_DOWN - 0.1)
    assert not waiting.done()
    await stage.pass_time(0.1)
    await waiting


async def test_all_attempts_of_a_request_share_one_wait(stage: Stage) -> None:
    probe = await stage.start_probe(succeeds=True)
    patience = Patience(POLICY.max_breaker_wait)
    first = asyncio.create_task(stage.attempts.make(REF, QUESTION, 1, patience))
    await settle()
    await stage.pass_time(2)
    await stage.pass_time(2)
    await (await first).aclose()
    await probe
    assert patience.for_breakers == timedelta(seconds=PATIENCE - 2)


async def test_new_settings_end_the_wait(stage: Stage) -> None:
    probe = await stage.start_probe(succeeds=True)
    other = await stage.start()
    stage.breakers.clear()
    await settle()
    assert stage.provider.open_count == 2
    await stage.pass_time(2)
    await asyncio.gather(probe, other)


async def test_a_request_in_the_limiters_queue_holds_no_probe() -> None:
    stage = Stage(requests=MAX_FAILURES)
    await stage.open_breaker()
    await stage.pass_time(COOL_DOWN)
    queued = await stage.start()
    assert stage.provider.state is BreakerState.OPEN
    assert stage.breakers.is_ready(REF)
    await stage.pass_time(MINUTE_SECONDS)
    await queued
    assert stage.provider.state is BreakerState.CLOSED


async def test_who_finds_the_breaker_shut_after_the_queue_takes_no_place_in_the_limits() -> None:
    stage = Stage(requests=MAX_FAILURES)
    stage.provider.is_up, stage.provider.service_seconds = False, 2.0
    failing = [await stage.start() for _ in range(MAX_FAILURES)]
    queued = [await stage.start() for _ in range(2)]
    await stage.pass_time(2)
    assert stage.provider.state is BreakerState.OPEN
    stage.provider.is_up = True
    await stage.pass_time(MINUTE_SECONDS)  # one probes, and the other waits for what it finds
    await stage.pass_time(2)
    more = [await stage.start() for _ in range(MAX_FAILURES - len(queued))]
    assert len(stage.provider.began_at) == 2 * MAX_FAILURES
    await stage.pass_time(2)
    await asyncio.gather(*queued, *more)
    assert all(task.exception() for task in failing)


async def test_a_model_that_came_back_is_asked_in_the_order_of_the_waiting(stage: Stage) -> None:
    order = list[int]()

    async def ask(number: int) -> None:
        await stage.ask()
        order.append(number)

    probe = await stage.start_probe(succeeds=True)
    others = list[asyncio.Task[None]]()
    for number in range(5):
        others.append(asyncio.create_task(ask(number)))
        await settle()
    for _ in range(2):
        await stage.pass_time(2)
    await asyncio.gather(probe, *others)
    assert order == list(range(5))


steps = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "ask", "up", "down", "cancel", "clear"]),
        st.floats(0, 8),  # seconds that pass
        st.floats(0, LONGEST_SERVICE),  # of service from then on
    ),
    max_size=40,
)


@settings(deadline=None)
@given(steps, st.sampled_from([None, 1, 7]))
def test_never_two_probes_and_nobody_waits_for_ever(
    steps: list[tuple[str, float, float]], requests: int | None
) -> None:
    asyncio.run(_play(steps, requests))


async def _play(steps: list[tuple[str, float, float]], requests: int | None) -> None:
    stage = Stage(requests)
    tasks = list[asyncio.Task[None]]()
    for step, seconds, service_seconds in steps:
        stage.provider.service_seconds = service_seconds
        match step:
            case "ask":
                tasks.append(await stage.start())
            case "up" | "down":
                stage.provider.is_up = step == "up"
            case "clear":
                if not stage.provider.open_count:  # the double cannot tell old probes from new
                    stage.breakers.clear()
            case _:
                if tasks:
                    tasks[len(tasks) // 2].cancel()
        await _pass_in_steps(stage, seconds)
    # The limiter's own bound is two minutes; each that waits is let in or refused by then.
    for _ in range(10):
        await _pass_in_steps(stage, 120.0)
    for task in tasks:
        assert task.done()
        with suppress(ProviderError, asyncio.CancelledError):
            task.result()
    if requests:
        _check_limit(stage.provider.began_at, requests)


async def _pass_in_steps(stage: Stage, seconds: float) -> None:
    """Let each thing that falls due take its course before the next one does."""
    until = stage.clock.now() + seconds
    while (at := stage.clock.next_at) is not None and at <= until:
        await stage.pass_time(at - stage.clock.now())
    await stage.pass_time(until - stage.clock.now())


def _check_limit(times: list[float], requests: int) -> None:
    for begin in times:
        assert sum(begin <= at < begin + MINUTE_SECONDS for at in times) <= requests


async def test_a_pause_is_not_shortened_by_a_later_and_shorter_one(stage: Stage) -> None:
    for seconds in (30, 1):
        stage.attempts.pause(REF, timedelta(seconds=seconds))
    assert not stage.attempts.is_ready(REF)
    await stage.pass_time(30 - POLICY.fallback_after.total_seconds())
    assert stage.attempts.is_ready(REF)
