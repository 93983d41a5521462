"""Processes on one database keep a provider's limits together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import pytest

from core.errors import RateLimitedError
from core.limits import rate
from core.store import shared_limits
from core.store.postgres import open_postgres
from core.store.shared_limits import SharedLimiter
from tests.postgres import PostgresServer

WINDOW_SECONDS = 0.6


@pytest.fixture
def short_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (rate, shared_limits):
        monkeypatch.setattr(module, "MINUTE_SECONDS", WINDOW_SECONDS)


@asynccontextmanager
async def open_limiters(
    url: str, requests: int | None, tokens: int | None = None, max_wait: float = 20
) -> AsyncGenerator[list[SharedLimiter]]:
    async with AsyncExitStack() as stack:
        found: list[SharedLimiter] = []
        for _ in range(2):
            store = await stack.enter_async_context(open_postgres(url))
            limiter = SharedLimiter(
                store.database, "fake", requests, tokens, max_wait=timedelta(seconds=max_wait)
            )
            found.append(await stack.enter_async_context(limiter))
        yield found


@pytest.mark.usefixtures("short_minute")
async def test_no_window_has_more_than_the_limit_whichever_process_asks(
    postgres_url: str, postgres: PostgresServer
):
    async with open_postgres(postgres_url):
        pass
    # What is forgotten is kept for the test to look at.
    keep = """
        CREATE TABLE kept (admitted_at TIMESTAMPTZ, tokens BIGINT);
        CREATE FUNCTION keep() RETURNS TRIGGER AS
            'BEGIN INSERT INTO kept VALUES (new.admitted_at, new.tokens); RETURN new; END'
        LANGUAGE plpgsql;
        CREATE TRIGGER keep AFTER INSERT ON admissions FOR EACH ROW EXECUTE FUNCTION keep();
    """
    await asyncio.to_thread(postgres.run, keep, postgres_url)
    async with open_limiters(postgres_url, requests=5, tokens=40) as both:
        async with asyncio.timeout(30):
            await asyncio.gather(*(both[n % 2].admit("fake", 5 + n % 7) for n in range(24)))
    rows = await asyncio.to_thread(
        postgres.run, "SELECT extract(epoch FROM admitted_at), tokens FROM kept", postgres_url
    )
    made = sorted((float(at), int(tokens)) for at, tokens in (r.split("|") for r in rows.split()))
    assert len(made) == 24
    for end, _ in made:
        within = [tokens for at, tokens in made if end - WINDOW_SECONDS + 0.001 < at <= end]
        assert len(within) <= 5
        assert sum(within) <= 40


async def test_within_a_process_who_asks_first_is_first(postgres_url: str):
    order: list[int] = []
    async with open_limiters(postgres_url, requests=100) as (limiter, _):

        async def ask(number: int) -> None:
            await limiter.admit("fake", 1)
            order.append(number)

        await asyncio.gather(*(ask(number) for number in range(10)))
    assert order == list(range(10))


@pytest.mark.usefixtures("short_minute")
async def test_a_large_request_is_not_starved_by_the_small_ones_of_another_process(
    postgres_url: str,
):
    async with open_limiters(postgres_url, requests=None, tokens=100) as (one, other):
        small, is_busy = 0, asyncio.Event()

        async def ask_on() -> None:
            nonlocal small
            while True:
                await other.admit("fake", 30)
                small += 1
                if small == 3:
                    is_busy.set()

        crowd = [asyncio.create_task(ask_on()) for _ in range(3)]
        async with asyncio.timeout(10):
            await is_busy.wait()
            await one.admit("fake", 100)
        for task in crowd:
            task.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
        assert small <= 6


@pytest.mark.usefixtures("short_minute")
async def test_processes_that_wait_take_turns(postgres_url: str):
    served: list[int] = []
    async with open_limiters(postgres_url, requests=1) as both:

        async def ask(number: int) -> None:
            await both[number].admit("fake", 1)
            served.append(number)

        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            for number in (0, 0, 0, 0, 1, 1):
                tasks.create_task(ask(number))
    assert served.index(1) <= 2
    assert served[:5].count(1) == 2


async def test_who_died_in_line_holds_up_nobody_for_long(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, postgres: PostgresServer
):
    monkeypatch.setattr(shared_limits, "_LIFE", timedelta(seconds=0.5))
    async with open_limiters(postgres_url, requests=1, max_wait=10) as (one, _):
        dead = "INSERT INTO limit_waiters (name, seen_at) VALUES ('fake', clock_timestamp())"
        await asyncio.to_thread(postgres.run, dead, postgres_url)
        async with asyncio.timeout(10):
            await one.admit("fake", 1)
    count = (
        "SELECT count(*) FROM limit_waiters WHERE seen_at > clock_timestamp() - interval '0.5 s'"
    )
    assert (await asyncio.to_thread(postgres.run, count, postgres_url)).strip() == "0"


async def test_who_gives_up_leaves_the_line(postgres_url: str, postgres: PostgresServer):
    async with open_limiters(postgres_url, requests=1, max_wait=0.3) as (one, other):
        await one.admit("fake", 1)
        with pytest.raises(RateLimitedError):
            await other.admit("fake", 1)
        await other.settle()
        count = "SELECT count(*) FROM limit_waiters"
        assert (await asyncio.to_thread(postgres.run, count, postgres_url)).strip() == "0"


async def test_a_pause_holds_in_every_process(postgres_url: str):
    async with open_limiters(postgres_url, requests=100, max_wait=5) as (one, other):
        await one.admit("fake", 1)
        one.pause(timedelta(seconds=30))
        await one.settle()
        for limiter in (one, other):
            with pytest.raises(RateLimitedError, match="asked for a pause") as caught:
                await limiter.admit("fake", 1)
            assert caught.value.retry_after
            assert timedelta(seconds=20) < caught.value.retry_after <= timedelta(seconds=30)
        one.pause(timedelta(seconds=1))
        await one.settle()
        with pytest.raises(RateLimitedError):
            await other.admit("fake", 1)


async def test_who_waits_too_long_is_refused(postgres_url: str):
    async with open_limiters(postgres_url, requests=1, max_wait=0.3) as (one, other):
        await one.admit("fake", 1)
        with pytest.raises(RateLimitedError, match="own limit"):
            await other.admit("fake", 1)


async def test_a_correction_makes_room_in_the_other_process(postgres_url: str):
    async with open_limiters(postgres_url, requests=100, tokens=100) as (one, other):
        first = await one.admit("fake", 100)
        waiting = asyncio.create_task(other.admit("fake", 50))
        await one.settle()
        first.correct(10)
        async with asyncio.timeout(10):
            await waiting


async def test_an_admission_given_back_makes_room_in_the_other_process(postgres_url: str):
    async with open_limiters(postgres_url, requests=1) as (one, other):
        first = await one.admit("fake", 1)
        waiting = asyncio.create_task(other.admit("fake", 1))
        first.withdraw()
        async with asyncio.timeout(10):
            await waiting


async def test_without_limits_nothing_is_counted_and_a_pause_still_holds_for_all(
    postgres_url: str, postgres: PostgresServer
):
    async with open_limiters(postgres_url, requests=None, max_wait=0.2) as (one, other):
        async with asyncio.timeout(10):
            for _ in range(5):
                (await one.admit("fake", 10)).correct(5)
                (await one.admit("fake", 10)).withdraw()
            one.pause(timedelta(hours=1))
            await one.settle()
            with pytest.raises(RateLimitedError):
                await other.admit("fake", 1)
    rows = await asyncio.to_thread(postgres.run, "SELECT count(*) FROM admissions", postgres_url)
    assert rows.strip() == "0"
