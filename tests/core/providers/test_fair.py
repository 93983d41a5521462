from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import RateLimitedError
from core.limits.rate import RateLimiter
from core.providers.asking.fair import FairLimiter, FairOrder, Place
from core.providers.base import Asker
from tests.core.clock import FakeClock

people = st.sampled_from("abcdef")
channels = st.sampled_from("XYZ")
arrivals = st.lists(st.tuples(people, channels), max_size=40)
steps = st.lists(st.one_of(st.tuples(people, channels), st.none(), st.integers(0, 9)), max_size=80)


def drain(order: FairOrder) -> list[Place]:
    served: list[Place] = []
    while order.front:
        served.append(order.front)
        order.leave(order.front)
    return served


class TestFairOrder:
    @given(arrivals)
    def test_everybody_is_served_once(self, arrivals: list[tuple[str, str]]) -> None:
        order = FairOrder()
        joined = [order.join(*each) for each in arrivals]
        assert sorted(joined) == sorted(drain(order))

    @given(arrivals)
    def test_one_persons_requests_are_served_as_they_came(
        self, arrivals: list[tuple[str, str]]
    ) -> None:
        order = FairOrder()
        for each in arrivals:
            order.join(*each)
        served = drain(order)
        for person in "abcdef":
            numbers = [place.number for place in served if place.person == person]
            assert numbers == sorted(numbers)

    @given(arrivals)
    def test_a_round_has_one_of_each_person_and_channel(
        self, arrivals: list[tuple[str, str]]
    ) -> None:
        order = FairOrder()
        for each in arrivals:
            order.join(*each)
        served = drain(order)
        for kind in ("person", "channel"):
            most = Counter((place.round, getattr(place, kind)) for place in served)
            assert not most or max(most.values()) == 1

    @given(st.integers(1, 30))
    def test_newcomer_waits_for_two_of_a_crowds_leader_at_the_most(self, crowd: int) -> None:
        order = FairOrder()
        for _ in range(crowd):
            order.join("greedy", "X")
        newcomer = order.join("modest", "Y")
        assert order.places.index(newcomer) <= 2

    @given(st.integers(1, 30))
    def test_busy_channel_does_not_hold_up_another(self, crowd: int) -> None:
        order = FairOrder()
        for number in range(crowd):
            order.join(f"person {number}", "busy")
        elsewhere = order.join("somebody", "quiet")
        assert order.places.index(elsewhere) <= 2

    @given(steps)
    def test_front_is_never_overtaken_and_nobody_is_passed_for_ever(
        self, steps: list[tuple[str, str] | int | None]
    ) -> None:
        order = FairOrder()
        behind: dict[int, set[int]] = {}  # by number: those that came when it waited already
        for step in steps:
            before = order.front
            if isinstance(step, tuple):
                place = order.join(*step)
                for other in order.places:
                    if other.number != place.number:
                        behind.setdefault(other.number, set()).add(place.number)
                assert before in (None, order.front)
            elif step is None and before:
                order.leave(before)
            elif isinstance(step, int) and step < len(order.places):
                order.leave(order.places[step])
        for place in order.places:
            ahead = order.places[: order.places.index(place)]
            overtook = [each for each in ahead if each.number in behind.get(place.number, ())]
            rounds = place.round - (order.places[0].round if order.places else 0)
            assert len(overtook) <= rounds * 3  # one of each channel in each round before its own


def make_fair(clock: FakeClock, requests: int = 1, wait: float = 60) -> FairLimiter:
    limiter = RateLimiter(requests, clock=clock.now, call_later=clock.call_later)
    return FairLimiter(limiter, max_wait=timedelta(seconds=wait))


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class TestFairLimiter:
    async def test_people_take_turns_whatever_one_of_them_asked_before(self) -> None:
        clock, served = FakeClock(), list[str]()
        limiter = make_fair(clock)

        async def ask(person: str) -> None:
            await limiter.admit("m", 1, Asker(person, f"dm of {person}"))
            served.append(person)

        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            for person in "aaaab":
                tasks.create_task(ask(person))
                await settle()
            while limiter.waiting_count:
                clock.advance(60)
                await settle()
        assert served == ["a", "a", "a", "b", "a"]

    async def test_large_request_is_not_starved_by_small_ones(self) -> None:
        clock, served = FakeClock(), list[str]()
        limiter = FairLimiter(RateLimiter(100, 10, clock=clock.now, call_later=clock.call_later))

        async def ask(person: str, tokens: int) -> None:
            await limiter.admit("m", tokens, Asker(person, person))
            served.append(person)

        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            for person, tokens in (("a", 5), ("large", 10), ("b", 1), ("c", 1)):
                tasks.create_task(ask(person, tokens))
                await settle()
            assert served == ["a"]
            clock.advance(60)
            await settle()
            assert served == ["a", "large"]
            clock.advance(60)
        assert served == ["a", "large", "b", "c"]

    async def test_asker_hears_how_many_are_ahead_and_that_the_wait_is_over(self) -> None:
        clock = FakeClock()
        limiter = make_fair(clock)
        await limiter.admit("m", 1)
        told: list[list[int | None]] = [[], [], []]
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            for number in range(3):
                asker = Asker(f"p{number}", f"c{number}", told[number].append)
                tasks.create_task(limiter.admit("m", 1, asker))
                await settle()
            for _ in range(3):
                clock.advance(60)
                await settle()
        assert told == [[0, None], [1, 0, None], [2, 1, 0, None]]

    async def test_who_gives_up_lets_the_others_move_up(self) -> None:
        clock = FakeClock()
        limiter = make_fair(clock)
        await limiter.admit("m", 1)
        heard: list[int | None] = []
        first = asyncio.create_task(limiter.admit("m", 1, Asker("a", "A")))
        await settle()
        second = asyncio.create_task(limiter.admit("m", 1, Asker("b", "B", heard.append)))
        await settle()
        first.cancel()
        await settle()
        assert heard == [1, 0]
        clock.advance(60)
        async with asyncio.timeout(5):
            await second
        assert limiter.waiting_count == 0

    async def test_patient_asker_comes_after_all_who_wait_and_who_come_meanwhile(self) -> None:
        clock = FakeClock()
        limiter = make_fair(clock)
        await limiter.admit("m", 1)
        served: list[str] = []

        async def ask(person: str, *, is_patient: bool = False) -> None:
            await limiter.admit("m", 1, Asker(person, person, is_patient=is_patient))
            served.append(person)

        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            tasks.create_task(ask("first"))
            await settle()
            tasks.create_task(ask("summary", is_patient=True))
            await settle()
            tasks.create_task(ask("later"))
            for _ in range(4):
                await settle()
                clock.advance(60)
        assert served == ["first", "later", "summary"]

    async def test_who_waits_too_long_is_refused(self) -> None:
        limiter = make_fair(FakeClock(), wait=0.01)
        await limiter.admit("m", 1)
        async with asyncio.timeout(5):
            with pytest.raises(RateLimitedError, match="too many requests wait"):
                await limiter.admit("m", 1)
        assert limiter.waiting_count == 0

    async def test_pause_that_is_too_long_refuses_everybody_at_once(self) -> None:
        clock = FakeClock()
        limiter = make_fair(clock, requests=10)
        limiter.pause(timedelta(hours=1))
        async with asyncio.timeout(5):
            results = await asyncio.gather(
                *(limiter.admit("m", 1, Asker(p, p)) for p in "abc"), return_exceptions=True
            )
        assert all(isinstance(result, RateLimitedError) for result in results)
