"""Queue and limiter together on a clock that stands still: within the limit, in order, nobody forgotten."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.limits.rate import MINUTE_SECONDS, RateLimiter, WindowAdmission
from core.providers.asking.fair import FairLimiter
from core.providers.base import Asker
from tests.core.clock import FakeClock

PEOPLE, CHANNELS = "abcd", "XY"
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Arrive:
    person: str
    channel: str
    tokens: int


@dataclass(frozen=True)
class Pass:
    seconds: int


@dataclass(frozen=True)
class Correct:
    number: int
    tokens: int


@dataclass(frozen=True)
class Cancel:
    number: int


@dataclass(frozen=True)
class Pause:
    seconds: int


arrivals = st.builds(
    Arrive, st.sampled_from(PEOPLE), st.sampled_from(CHANNELS), st.integers(0, 130)
)
steps = st.lists(
    st.one_of(
        arrivals,
        arrivals,
        st.builds(Pass, st.integers(1, 70)),
        st.builds(Correct, st.integers(0, 3), st.integers(0, 150)),
        st.builds(Cancel, st.integers(0, 9)),
        st.builds(Pause, st.integers(1, 90)),
    ),
    max_size=40,
)


@dataclass
class Admitted:
    """A request that was let in, and what it counts for."""

    number: int
    arrival: Arrive
    at: float
    tokens: int
    is_fit: bool
    """Whether there was room for it as it was let in."""
    admission: WindowAdmission


@dataclass
class World:
    """A queue before a limit, people who ask, and what came of it."""

    requests: int
    tokens: int
    clock: FakeClock = field(default_factory=FakeClock)
    admitted: list[Admitted] = field(default_factory=list[Admitted])
    asking: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])
    paused_until: float = 0.0

    def __post_init__(self) -> None:
        clock = self.clock
        limiter = RateLimiter(
            self.requests, self.tokens, max_wait=DAY, clock=clock.now, call_later=clock.call_later
        )
        self.limiter = FairLimiter(limiter, max_wait=DAY)

    async def do(self, step: Arrive | Pass | Correct | Cancel | Pause) -> None:
        match step:
            case Arrive():
                self.asking.append(asyncio.create_task(self._ask(len(self.asking), step)))
            case Pass(seconds):
                await self.let_pass(seconds)
            case Correct(number, tokens):
                for each in self.admitted[number : number + 1]:
                    each.admission.correct(tokens)
                    each.tokens = tokens
            case Cancel(number):
                for each in self.asking[number : number + 1]:
                    each.cancel()
            case Pause(seconds):
                self.limiter.pause(timedelta(seconds=seconds))
                self.paused_until = max(self.paused_until, self.clock.now() + seconds)
        await settle()

    async def let_pass(self, seconds: int) -> None:
        """Let time go by, a second at a time, so that each is let in when there is room."""
        for _ in range(seconds):
            self.clock.advance(1)
            await settle()

    async def _ask(self, number: int, arrival: Arrive) -> None:
        asker = Asker(arrival.person, arrival.channel)
        admission = await self.limiter.admit("m", arrival.tokens, asker)
        assert isinstance(admission, WindowAdmission)
        now = self.clock.now()
        assert now >= self.paused_until
        recent = [each.tokens for each in self.admitted if each.at > now - MINUTE_SECONDS]
        is_fit = not recent or sum(recent) + arrival.tokens <= self.tokens
        self.admitted.append(Admitted(number, arrival, now, arrival.tokens, is_fit, admission))


async def settle() -> None:
    for _ in range(8):
        await asyncio.sleep(0)


async def play(
    steps: list[Arrive | Pass | Correct | Cancel | Pause], requests: int, tokens: int
) -> World:
    world = World(requests, tokens)
    for step in steps:
        await world.do(step)
    waiting = world.limiter.waiting_count
    await world.let_pass(91)
    for _ in range(waiting):
        await world.let_pass(60)
    for task in world.asking:
        assert task.done()
        if not task.cancelled():
            task.result()
    return world


@settings(deadline=None, max_examples=80)
@given(steps, st.integers(1, 4), st.integers(50, 120))
@example([Arrive("a", "X", 10), Correct(0, 150), Arrive("b", "Y", 10)], 4, 100)
@example([Arrive("a", "X", 100), Correct(0, 10), Arrive("b", "Y", 90), Arrive("c", "Y", 1)], 4, 100)
def test_no_minute_has_more_than_the_limit_and_everybody_is_served_in_order(
    steps: list[Arrive | Pass | Correct | Cancel | Pause], requests: int, tokens: int
) -> None:
    world = asyncio.run(play(steps, requests, tokens))
    times = [each.at for each in world.admitted]
    for begin in times:
        assert sum(begin <= at < begin + MINUTE_SECONDS for at in times) <= requests
    assert all(each.is_fit for each in world.admitted)
    let_in = {each.number for each in world.admitted}
    assert all(task.cancelled() or number in let_in for number, task in enumerate(world.asking))
    for person in PEOPLE:
        numbers = [each.number for each in world.admitted if each.arrival.person == person]
        assert numbers == sorted(numbers)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(0, 60), min_size=2, max_size=6))
def test_people_who_ask_once_are_served_as_they_came(sizes: list[int]) -> None:
    asked = [Arrive(f"p{number}", f"c{number}", size) for number, size in enumerate(sizes)]
    world = asyncio.run(play([*asked], 1, 60))
    assert [each.number for each in world.admitted] == list(range(len(sizes)))


@settings(deadline=None, max_examples=20)
@given(st.lists(arrivals, max_size=12), st.integers(50, 120))
def test_nobody_who_asks_once_waits_for_more_than_one_of_each_other_and_those_before(
    crowd: list[Arrive], tokens: int
) -> None:
    """Whatever one person asked before, somebody new in a place of their own waits for two rounds."""
    greedy = [Arrive("a", "X", each.tokens) for each in crowd]
    newcomer = Arrive("new", "own", tokens)
    world = asyncio.run(play([*greedy, newcomer], 1, tokens))
    order = [each.arrival.person for each in world.admitted]
    assert order.index("new") <= 3
