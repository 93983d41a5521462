from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from core.config.tables import ModelTable
from core.conversation import Message
from core.errors import (
    AuthError,
    BadRequestError,
    EmptyAnswerError,
    ModelNotFoundError,
    OverloadedError,
    ProviderError,
    RateLimitedError,
    UnreachableError,
)
from core.files.values import Image
from core.limits.rate import RateLimiter
from core.providers.asking.retry import RetryPolicy
from core.providers.base import Asker, Chunk, Request
from core.providers.catalogue import Catalogue, Choice
from core.providers.known.endpoints import Endpoint
from core.providers.router import Router, Setup
from tests.core.clock import FakeClock
from tests.core.providers.test_fair import settle
from tests.core.providers.test_router import END, HELLO, QUESTION, Script, ScriptedProvider


def overloaded(model: str = "a/m") -> OverloadedError:
    return OverloadedError(model, "HTTP 503: full")


class Chain:
    """A router over providers `a` and `b`: the one, with limits, falls back to the other, without."""

    def __init__(
        self,
        a: list[Script],
        b: list[Script],
        policy: RetryPolicy | None = None,
        requests: int | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.a, self.b = ScriptedProvider(*a), ScriptedProvider(*b)
        endpoints = [Endpoint(name, "openai", "http://x", "m") for name in ("a", "b")]
        self.catalogue = Catalogue(endpoints, Choice(fallbacks=("b/m",)))
        self.providers = {"a": self.a, "b": self.b}
        self.limiters = {
            name: RateLimiter(limit, clock=self.clock.now, call_later=self.clock.call_later)
            for name, limit in (("a", requests), ("b", None))
        }
        self.router = Router(
            self.catalogue,
            self.providers,
            self.limiters,
            policy or RetryPolicy(max_attempts=3),
            sleep=self.clock.sleep,
            chance=lambda: 1.0,
            clock=self.clock.now,
            later=self.clock.call_later,
        )

    async def ask(self, request: Request = QUESTION) -> list[Chunk]:
        ref = self.router.get_model("a/m")
        async with asyncio.timeout(5), self.router.stream(ref, request) as chunks:
            return [chunk async for chunk in chunks]

    @property
    def counts(self) -> tuple[int, int]:
        return len(self.a.requests), len(self.b.requests)


@pytest.mark.parametrize(
    "error",
    [
        overloaded(),
        UnreachableError("a/m", "no route"),
        RateLimitedError("a/m", "slow down"),
        RateLimitedError("a/m", "daily quota", timedelta(hours=1)),
        AuthError("a/m", "HTTP 401"),
        ModelNotFoundError("a/m", "HTTP 404"),
    ],
)
async def test_a_fallback_answers_at_once_and_says_who_it_is(error: ProviderError) -> None:
    chain = Chain([(error,)], [HELLO])
    chunks = await chain.ask()
    assert chunks[0].answered_by == chain.router.get_model("b/m")
    assert chunks[1:] == list(HELLO)
    assert chain.clock.slept == []
    assert chain.counts == (1, 1)


@pytest.mark.parametrize("wait", [timedelta(seconds=30), timedelta(hours=1)])
async def test_a_fallback_of_the_same_provider_does_not_wait_with_the_model(
    wait: timedelta,
) -> None:
    chain = Chain([(RateLimitedError("a/m", "slow down", wait),), HELLO], [])
    catalogue = Catalogue(
        [Endpoint("a", "openai", "http://x", "m")], Choice(fallbacks=("a/small",))
    )
    chain.router.change(Setup(catalogue, chain.providers, chain.limiters))
    assert (await chain.ask())[1:] == list(HELLO)
    assert chain.clock.slept == []
    assert [request.model for request in chain.a.requests] == ["m", "small"]


async def test_when_all_fail_they_are_asked_again_after_a_pause_and_not_for_ever() -> None:
    chain = Chain([(overloaded(),)] * 5, [(overloaded("b/m"),)] * 5)
    with pytest.raises(OverloadedError) as failed:
        await chain.ask()
    assert chain.counts == (2, 2)
    assert chain.clock.slept == [0.5]
    assert failed.value.model == "a/m"


async def test_a_question_that_is_refused_is_not_put_to_another() -> None:
    chain = Chain([(BadRequestError("a/m", "HTTP 400"),)], [HELLO])
    with pytest.raises(BadRequestError):
        await chain.ask()
    assert chain.counts == (1, 0)


async def test_what_a_fallback_refuses_may_be_answered_by_the_model_itself() -> None:
    chain = Chain([(overloaded(),), HELLO], [(BadRequestError("b/m", "HTTP 400"),)])
    assert await chain.ask() == list(HELLO)
    assert chain.counts == (2, 1)


async def test_an_answer_that_is_empty_by_accident_is_a_fallbacks_to_give() -> None:
    chain = Chain([(END,)], [HELLO])
    assert (await chain.ask())[1:] == list(HELLO)


async def test_a_model_that_spent_all_its_room_without_a_word_has_no_fallback() -> None:
    chain = Chain([(Chunk("", "length"),)], [HELLO])
    with pytest.raises(EmptyAnswerError):
        await chain.ask()
    assert chain.counts == (1, 0)


async def test_a_model_among_its_own_fallbacks_is_not_asked_twice() -> None:
    chain = Chain([(AuthError("a/m", "HTTP 401"),), HELLO], [HELLO])
    endpoints = [Endpoint(name, "openai", "http://x", "m") for name in ("a", "b")]
    catalogue = Catalogue(endpoints, Choice(fallbacks=("a/m", "b/m", "b/m")))
    chain.router.change(Setup(catalogue, chain.providers, chain.limiters))
    await chain.ask()
    assert chain.counts == (1, 1)


@pytest.mark.parametrize("kind", [RateLimitedError, OverloadedError])
async def test_a_model_that_asked_for_a_pause_is_passed_over_meanwhile(
    kind: type[RateLimitedError | OverloadedError],
) -> None:
    busy = kind("a/m", "slow down", timedelta(seconds=30))
    chain = Chain([(busy,), HELLO], [HELLO, HELLO])
    await chain.ask()
    await chain.ask()
    assert chain.counts == (1, 2)
    chain.clock.advance(30)
    await chain.ask()
    assert chain.counts == (2, 2)


async def test_a_model_whose_answers_break_off_again_and_again_is_passed_over() -> None:
    chain = Chain([(Chunk("Hel"), overloaded())] * 5, [HELLO])
    for _ in range(5):
        with pytest.raises(OverloadedError):
            await chain.ask()
    assert (await chain.ask())[0].answered_by == chain.router.get_model("b/m")
    assert chain.counts == (5, 1)


async def test_a_model_that_was_set_up_anew_is_not_passed_over_any_more() -> None:
    busy = RateLimitedError("a/m", "daily quota", timedelta(hours=1))
    chain = Chain([(busy,), HELLO], [HELLO])
    await chain.ask()
    chain.router.change(
        Setup(chain.catalogue, chain.providers, {**chain.limiters, "a": RateLimiter()})
    )
    await chain.ask()
    assert chain.counts == (2, 1)


async def test_a_model_whose_breaker_is_open_is_passed_over_until_its_probe() -> None:
    chain = Chain([(overloaded(),)] * 5 + [HELLO], [HELLO] * 6)
    for _ in range(6):
        await chain.ask()
    assert chain.counts == (5, 6)
    chain.clock.advance(5)
    await chain.ask()
    assert chain.counts == (6, 6)


async def test_without_a_fallback_a_short_cool_down_is_waited_for() -> None:
    chain = Chain([(overloaded(),)] * 5 + [HELLO], [])
    chain.router.change(
        Setup(
            Catalogue([Endpoint("a", "openai", "http://x", "m")]), chain.providers, chain.limiters
        )
    )
    with pytest.raises(OverloadedError):
        await chain.ask()
    asking = asyncio.create_task(chain.ask())
    await settle()
    assert chain.clock.slept == [0.5, 1.0, 0.5, 1.0]
    chain.clock.advance(4)
    assert await asking == list(HELLO)


IMPATIENT = RetryPolicy(fallback_after=timedelta(milliseconds=10))


async def test_a_question_in_a_long_queue_goes_to_a_fallback_that_stands_ready() -> None:
    chain = Chain([HELLO], [HELLO, HELLO], IMPATIENT, requests=1)
    await chain.ask()
    assert (await chain.ask())[0].answered_by == chain.router.get_model("b/m")
    assert chain.counts == (1, 1)
    assert chain.limiters["a"].waiting_count == 0


async def test_who_waited_as_long_as_one_waits_goes_to_a_fallback_and_does_not_queue_again() -> (
    None
):
    policy = RetryPolicy(max_attempts=3, max_queue_wait=timedelta(milliseconds=20))
    busy = OverloadedError("b/m", "HTTP 503", timedelta(seconds=59))
    chain = Chain([(overloaded(),)], [(busy,), HELLO], policy, requests=1)
    chunks = await chain.ask()  # `b` rests, and the one place of `a` is taken
    assert chunks[0].answered_by == chain.router.get_model("b/m")
    assert chain.counts == (1, 2)


async def test_where_no_other_stands_ready_the_queue_is_waited_in() -> None:
    busy = OverloadedError("b/m", "HTTP 503", timedelta(seconds=59))
    chain = Chain([(overloaded(),), HELLO, HELLO], [(busy,)], IMPATIENT, requests=2)
    await chain.ask()  # now `b` rests for a minute, and both places of `a` are taken
    asking = asyncio.create_task(chain.ask())
    await asyncio.sleep(2 * IMPATIENT.fallback_after.total_seconds())
    chain.clock.advance(60)
    assert await asking == list(HELLO)
    assert chain.counts == (3, 1)


async def test_who_is_patient_stays_in_the_queue() -> None:
    chain = Chain([HELLO] * 2, [HELLO], IMPATIENT, requests=1)
    await chain.ask()
    patient = replace(QUESTION, asker=Asker(is_patient=True))
    asking = asyncio.create_task(chain.ask(patient))
    await asyncio.sleep(2 * IMPATIENT.fallback_after.total_seconds())
    chain.clock.advance(60)
    assert await asking == list(HELLO)
    assert chain.counts == (2, 0)


@pytest.mark.parametrize(("seconds", "counts"), [(4, (1, 0)), (6, (0, 1))])
async def test_a_provider_that_asked_for_a_long_pause_is_not_waited_for(
    seconds: float, counts: tuple[int, int]
) -> None:
    pausing: Script = (Chunk(pause=timedelta(seconds=seconds)), *HELLO)
    chain = Chain([pausing, HELLO], [HELLO])
    await chain.ask()
    chain.a.requests.clear()
    asking = asyncio.create_task(chain.ask())
    await settle()
    chain.clock.advance(seconds)
    await asking
    assert chain.counts == counts


async def test_a_fallback_too_small_for_the_question_is_not_asked() -> None:
    chain = Chain([(overloaded(),)] * 3, [HELLO])
    long = replace(QUESTION, messages=(Message.user("x" * 200_000),))
    with pytest.raises(OverloadedError):
        await chain.ask(long)
    assert chain.counts == (3, 0)


async def test_a_fallback_whose_own_answers_are_short_needs_no_room_for_long_ones() -> None:
    chain = Chain([(overloaded(),)], [HELLO])
    small = ModelTable(window_tokens=1000, max_new_tokens=100)
    endpoints = [Endpoint(name, "openai", "http://x", "m") for name in ("a", "b")]
    catalogue = Catalogue(endpoints, Choice(fallbacks=("b/m",)), {"b/m": small})
    chain.router.change(Setup(catalogue, chain.providers, chain.limiters))
    await chain.ask(replace(QUESTION, max_new_tokens=4096))
    assert chain.b.requests[0].max_new_tokens == 100


async def test_a_fallback_that_cannot_see_gets_no_images() -> None:
    chain = Chain([(overloaded(),)] * 3, [HELLO])
    message = replace(Message.user("?"), images=(Image("x.png", "image/png", b"x", 10),))
    with pytest.raises(OverloadedError):
        await chain.ask(replace(QUESTION, messages=(message,)))
    assert chain.counts == (3, 0)


async def test_an_answer_that_breaks_off_is_raised_where_it_is_kept() -> None:
    chain = Chain([(Chunk("Hel"), overloaded())], [HELLO])
    with pytest.raises(OverloadedError):
        await chain.ask()
    assert chain.counts == (1, 0)


async def test_an_answer_that_breaks_off_is_given_anew_where_it_is_replaced() -> None:
    chain = Chain([(Chunk("Hel"), overloaded())], [HELLO], RetryPolicy(on_break="replace"))
    chunks = await chain.ask()
    assert chunks[0].text == "Hel"
    assert chunks[1].is_restart
    assert chunks[1].answered_by == chain.router.get_model("b/m")
    assert chunks[2:] == list(HELLO)
    assert chain.a.open_count == chain.b.open_count == 0


async def test_who_breaks_off_in_turn_is_not_replaced_again() -> None:
    scripts: list[Script] = [(Chunk("Hel"), overloaded())]
    chain = Chain(scripts, [(Chunk("lo"), overloaded("b/m"), END)], RetryPolicy(on_break="replace"))
    with pytest.raises(OverloadedError):
        await chain.ask()
    assert chain.counts == (1, 1)


async def test_what_is_under_way_goes_on_when_providers_change() -> None:
    chain = Chain([HELLO], [])
    ref = chain.router.get_model("a/m")
    async with chain.router.stream(ref, QUESTION) as chunks:
        alone = Catalogue([Endpoint("b", "openai", "http://x", "m")])
        chain.router.change(Setup(alone, {"b": chain.b}, {"b": chain.limiters["b"]}))
        assert [chunk async for chunk in chunks] == list(HELLO)
    with pytest.raises(BadRequestError):
        async with chain.router.stream(ref, QUESTION):
            pass


async def test_a_fallback_that_stands_ready_is_asked_however_late_it_is() -> None:
    policy = RetryPolicy(max_attempts=3, retry_within=timedelta())
    chain = Chain([(overloaded(),)], [HELLO], policy)
    chunks = await chain.ask()
    assert chunks[0].answered_by == chain.router.get_model("b/m")
    chain = Chain([(overloaded(),)] * 3, [(overloaded("b/m"),)] * 3, policy)
    with pytest.raises(OverloadedError):
        await chain.ask()
    assert chain.counts == (1, 1)
