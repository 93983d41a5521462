"""What summaries cost, what becomes of those that fail, and how reasoning models write them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from core.conversation import ThreadKey, Usage
from core.errors import ContextTooLongError, EmptyAnswerError, OverloadedError, ProviderError
from core.memory.pauses import Pauses
from core.memory.summaries import FIRST_PAUSE, FIRST_REST, Job, Summaries
from core.prices import Price, Prices
from core.providers.base import Chunk, ModelRef, Request
from core.store.base import Expense, Store
from core.store.sqlite import open_sqlite
from core.tokens import estimate_input_tokens
from tests.core.clock import FakeClock
from tests.core.store.values import KEY, Calendar, ask, complete
from tests.fakes import FakeModels

PRICES = Prices(find_own={"fake/model": Price(Decimal(1), Decimal(2))}.get)
MINUTE = timedelta(minutes=1)


class ThinkingModels(FakeModels):
    """A model that thinks first: it has no word where there is no room for so much."""

    def __init__(self, thought_tokens: int) -> None:
        super().__init__()
        self.thought_tokens = thought_tokens

    @asynccontextmanager
    async def stream(self, ref: ModelRef, request: Request) -> AsyncGenerator[AsyncIterator[Chunk]]:
        self.requests.append(request)
        yield self._think(request)

    async def _think(self, request: Request) -> AsyncIterator[Chunk]:
        if request.max_new_tokens <= self.thought_tokens:
            yield Chunk(finish_reason="length", usage=Usage(100, request.max_new_tokens))
        else:
            yield Chunk("a summary", "stop", Usage(100, self.thought_tokens + 5))


@dataclass
class World:
    """Conversations, and a model that summarizes them."""

    store: Store
    models: FakeModels
    summaries: Summaries
    clock: FakeClock

    async def begin(self, number: int = 0) -> Job:
        """Have something said in a conversation, and give the summary that is due."""
        key = ThreadKey(KEY.platform, KEY.workspace, KEY.channel, f"thread {number}")
        await complete(self.store, ask(number, key=key))
        return Job(key, 2, 100)

    async def have_made(self, job: Job) -> bool:
        """Let a summary be made in the background, and tell whether it was."""
        self.summaries.start(job)
        async with asyncio.timeout(10):
            await self.summaries.wait_idle()
        return (await self.store.load_memory(job.key)).summary is not None

    @property
    def asked(self) -> list[int]:
        """How much room the model was given, each time."""
        return [request.max_new_tokens for request in self.models.requests]


Open = Callable[[FakeModels], World]


@pytest.fixture
def open_world(sqlite_store: Store) -> Open:
    def open_world(models: FakeModels) -> World:
        clock = FakeClock()
        summaries = Summaries(sqlite_store, models, prices=PRICES, clock=clock.now)
        return World(sqlite_store, models, summaries, clock)

    return open_world


def fail(error: ProviderError) -> Callable[[Request], Exception]:
    return lambda _: error


async def test_a_summary_is_stored_with_what_it_cost(open_world: Open):
    world = open_world(FakeModels(lambda _: "a summary"))
    job = await world.begin()
    assert await world.have_made(job)
    [expense] = await world.store.load_expenses(job.key)
    assert expense.purpose == "summary"
    assert expense.author is None
    assert (expense.model, expense.usage.cost) == ("fake/model", Decimal("0.00002"))


async def test_a_summary_that_fails_is_paid_for_all_the_same(open_world: Open):
    class BreakingModels(FakeModels):
        async def _chunks(self, answer: str, usage: Usage) -> AsyncIterator[Chunk]:
            yield Chunk("Some words", usage=Usage(1000))
            raise OverloadedError("fake/model", "cut off")

    world = open_world(BreakingModels())
    job = await world.begin()
    assert not await world.have_made(job)
    [expense] = await world.store.load_expenses(job.key)
    assert expense.usage.is_estimated
    assert expense.usage.cost is not None
    assert expense.usage.cost > Decimal("0.001")


async def test_an_attempt_that_came_to_no_word_is_paid_for(open_world: Open):
    class SilentModels(FakeModels):
        @asynccontextmanager
        async def stream(
            self, ref: ModelRef, request: Request
        ) -> AsyncGenerator[AsyncIterator[Chunk]]:
            request.asker.on_attempt(ref, Usage(1000, 500))
            raise EmptyAnswerError(str(ref), "no text")
            yield

    world = open_world(SilentModels())
    job = await world.begin()
    assert not await world.have_made(job)
    [expense] = await world.store.load_expenses(job.key)
    assert expense == Expense(
        "summary", "fake/model", Usage(1000, 500, cost=Decimal("0.002000000"))
    )


async def test_a_model_that_thinks_gets_more_room_once_and_from_then_on_at_once(open_world: Open):
    world = open_world(ThinkingModels(1_500))
    assert await world.have_made(await world.begin(0))
    assert world.asked == [1_100, 2_000]  # a quarter of the window is the most
    assert await world.have_made(await world.begin(1))
    assert world.asked == [1_100, 2_000, 2_000]


async def test_a_model_that_thinks_without_end_is_asked_twice_and_left_alone(open_world: Open):
    world = open_world(ThinkingModels(10_000))
    job = await world.begin()
    for _ in range(5):
        assert not await world.have_made(job)
    assert len(world.asked) == 2
    assert len(await world.store.load_expenses(job.key)) == 2
    world.clock.advance(FIRST_PAUSE.total_seconds())
    assert not await world.have_made(job)
    assert len(world.asked) == 3


async def test_what_keeps_failing_is_asked_ever_more_seldom(open_world: Open):
    world = open_world(FakeModels(fail(OverloadedError("fake/model", "full"))))
    job = await world.begin()
    for _ in range(24 * 60):
        await world.have_made(job)
        world.clock.advance(60)
    assert len(world.asked) <= 10


async def test_a_model_that_fails_for_all_is_left_alone_and_tried_again(open_world: Open):
    world = open_world(FakeModels(fail(OverloadedError("fake/model", "full"))))
    jobs = [await world.begin(number) for number in range(8)]
    for job in jobs:
        assert not await world.have_made(job)
    assert len(world.asked) == 3
    world.models.answer = lambda _: "a summary"
    world.clock.advance(FIRST_REST.total_seconds())
    assert await world.have_made(jobs[-1])
    assert await world.have_made(jobs[-2])


async def test_a_window_that_is_smaller_than_known_is_learned_and_kept_to(open_world: Open):
    def write(request: Request) -> str | Exception:
        tokens = estimate_input_tokens(request.system, request.messages) + request.max_new_tokens
        fits = tokens <= 2_000
        return "all" if fits else ContextTooLongError("fake/model", "too long", tokens, 2_000)

    world = open_world(FakeModels(write))
    key = ThreadKey(KEY.platform, KEY.workspace, KEY.channel, "long")
    for number in range(12):
        await complete(world.store, replace(ask(number, key=key), text="word " * 300))
    assert await world.have_made(Job(key, 24, 100))
    summary = (await world.store.load_memory(key)).summary
    assert summary is not None
    assert summary.until == 24
    refused = [each for each in world.models.requests if write(each) != "all"]
    assert len(refused) == 1


async def test_a_summary_of_many_steps_stays_its_makers(tmp_path: Path):
    calendar, url = Calendar(), f"sqlite:///{tmp_path}/skein.db"

    def write(request: Request) -> str:
        calendar.advance(minutes=2)
        return "a summary"

    models = FakeModels(write)
    async with open_sqlite(url, now=calendar.now) as store:
        job, claims = (
            await World(store, models, Summaries(store, models), FakeClock()).begin(),
            list[bool](),
        )
        turns = [await complete(store, ask(number, key=job.key)) for number in range(1, 200)]
        async with open_sqlite(url, now=calendar.now) as other:

            async def claim() -> None:
                claims.append(await other.claim_summary(turns[0].conversation_id, MINUTE))

            models.on_answered = claim
            assert await Summaries(store, models).make(replace(job, until=400))
    assert len(claims) == 4
    assert not any(claims)


async def test_a_summary_that_somebody_asks_for_waits_for_no_pause(open_world: Open):
    world = open_world(FakeModels(fail(OverloadedError("fake/model", "full"))))
    job = await world.begin()
    assert not await world.have_made(job)
    world.models.answer = lambda _: "a summary"
    assert await world.summaries.make(job)


def test_a_pause_doubles_up_to_its_limit_and_a_success_ends_it():
    clock = FakeClock()
    pauses = Pauses(MINUTE, 5 * MINUTE, clock=clock.now)
    lengths: list[int] = []
    for _ in range(5):
        pauses.note_failure("x")
        length = 0
        while pauses.is_paused("x"):
            clock.advance(60)
            length += 1
        lengths.append(length)
    assert lengths == [1, 2, 4, 5, 5]
    pauses.note_success("x")
    pauses.note_failure("x")
    clock.advance(60)
    assert not pauses.is_paused("x")
    assert not pauses.is_paused("y")


def test_pauses_remember_no_more_than_they_can_keep():
    clock = FakeClock()
    pauses = Pauses(MINUTE, MINUTE, clock=clock.now)
    for number in range(1_500):
        pauses.note_failure(str(number))
    assert pauses.is_paused("1499")
    assert not pauses.is_paused("0")
