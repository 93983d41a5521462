from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import AuthError, BadRequestError, OverloadedError, ProviderError
from core.providers.asking.breaker import Breaker, BreakerPolicy, BreakerState, Pass

POLICY = BreakerPolicy()
COOL_DOWN = POLICY.cool_down.total_seconds()


def overloaded() -> OverloadedError:
    return OverloadedError("openai/m", "HTTP 503")


def open_breaker() -> Breaker:
    breaker = Breaker("openai/m", POLICY)
    for _ in range(POLICY.max_failures):
        fail(breaker, 0.0)
    return breaker


def admit(breaker: Breaker, now: float) -> Pass:
    admitted = breaker.admit_nowait(now)
    assert admitted
    return admitted


def fail(breaker: Breaker, now: float, error: ProviderError | None = None) -> None:
    breaker.fail(admit(breaker, now), error or overloaded(), now)


def test_it_opens_after_so_many_failures_in_a_row_and_not_before() -> None:
    breaker = Breaker("openai/m", POLICY)
    for _ in range(POLICY.max_failures - 1):
        fail(breaker, 0.0)
    breaker.succeed(admit(breaker, 0.0))
    breaker.complete()
    for _ in range(POLICY.max_failures - 1):
        fail(breaker, 0.0)
    assert breaker.state is BreakerState.CLOSED
    fail(breaker, 0.0)
    assert breaker.state is BreakerState.OPEN
    assert breaker.admit_nowait(COOL_DOWN - 0.01) is None


def test_it_opens_after_so_many_answers_that_broke_off() -> None:
    breaker = Breaker("openai/m", POLICY)
    for _ in range(POLICY.max_failures):
        assert breaker.state is BreakerState.CLOSED
        breaker.succeed(admit(breaker, 0.0))
        breaker.break_off(overloaded(), 0.0)
    assert breaker.state is BreakerState.OPEN


def test_a_refused_key_opens_it_at_once_and_for_long() -> None:
    breaker = Breaker("openai/m", POLICY)
    fail(breaker, 0.0, AuthError("openai/m", "HTTP 401"))
    assert breaker.find_wait(0.0) == POLICY.auth_cool_down.total_seconds()


def test_a_refused_question_says_nothing_of_the_model() -> None:
    breaker = Breaker("openai/m", POLICY)
    for _ in range(2 * POLICY.max_failures):
        fail(breaker, 0.0, BadRequestError("openai/m", "HTTP 400"))
    assert breaker.state is BreakerState.CLOSED


def test_a_good_probe_closes_it(caplog: pytest.LogCaptureFixture) -> None:
    breaker = open_breaker()
    with caplog.at_level("INFO", "skein.providers"):
        breaker.succeed(admit(breaker, COOL_DOWN))
    assert breaker.state is BreakerState.CLOSED
    assert "answers again" in caplog.text


def test_only_one_probe_is_under_way() -> None:
    breaker = open_breaker()
    assert admit(breaker, COOL_DOWN).is_probe
    assert breaker.admit_nowait(COOL_DOWN + 1000) is None
    assert breaker.find_wait(COOL_DOWN + 1000) is None


def test_bad_probes_double_the_cool_down_up_to_a_bound() -> None:
    breaker, now = open_breaker(), 0.0
    waits = list[float]()
    for _ in range(8):
        wait = breaker.find_wait(now)
        assert wait is not None
        waits.append(wait)
        now += wait
        fail(breaker, now)
    assert waits[:3] == [COOL_DOWN, 2 * COOL_DOWN, 4 * COOL_DOWN]
    assert waits[-1] == POLICY.longest_cool_down.total_seconds()


def test_after_a_good_probe_the_cool_down_is_short_again() -> None:
    breaker = open_breaker()
    fail(breaker, COOL_DOWN)
    now = 3 * COOL_DOWN
    breaker.succeed(admit(breaker, now))
    for _ in range(POLICY.max_failures):
        fail(breaker, now)
    assert breaker.find_wait(now) == COOL_DOWN


def test_what_was_asked_before_it_opened_is_no_good_probe() -> None:
    breaker = Breaker("openai/m", POLICY)
    early = admit(breaker, 0.0)
    for _ in range(POLICY.max_failures):
        fail(breaker, 0.0)
    assert admit(breaker, COOL_DOWN).is_probe
    breaker.succeed(early)
    assert breaker.state is BreakerState.HALF_OPEN


def test_a_probe_that_is_given_up_lets_another_go() -> None:
    breaker = open_breaker()
    breaker.release(admit(breaker, COOL_DOWN), COOL_DOWN)
    assert admit(breaker, COOL_DOWN).is_probe


def test_a_late_answer_from_before_it_opened_neither_closes_nor_prolongs_it() -> None:
    breaker = Breaker("openai/m", POLICY)
    early, other = admit(breaker, 0.0), admit(breaker, 0.0)
    for _ in range(POLICY.max_failures):
        fail(breaker, 0.0)
    breaker.succeed(early)
    breaker.fail(other, overloaded(), 3.0)
    assert breaker.state is BreakerState.OPEN
    assert breaker.find_wait(0.0) == COOL_DOWN


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["admit", "succeed", "complete", "fail", "auth", "release", "break"]),
            st.integers(0, 10),
            st.floats(0, 100),
        ),
        max_size=60,
    )
)
def test_never_two_probes_and_never_stuck(steps: list[tuple[str, int, float]]) -> None:
    breaker, now = Breaker("openai/m", POLICY), 0.0
    passes = list[Pass]()
    for step, number, seconds in steps:
        now += seconds
        if step == "admit":
            if admitted := breaker.admit_nowait(now):
                passes.append(admitted)
        elif step == "break":
            breaker.break_off(overloaded(), now)
        elif step == "complete":
            breaker.complete()
        elif passes:
            back = passes.pop(number % len(passes))
            match step:
                case "succeed":
                    breaker.succeed(back)
                case "release":
                    breaker.release(back, now)
                case "auth":
                    breaker.fail(back, AuthError("openai/m", "HTTP 401"), now)
                case _:
                    breaker.fail(back, overloaded(), now)
        assert sum(each.is_probe for each in passes) <= 1
        assert (breaker.state is BreakerState.HALF_OPEN) == any(p.is_probe for p in passes)
    for back in passes:
        breaker.release(back, now)
    assert breaker.admit_nowait(now + POLICY.longest_auth_cool_down.total_seconds())
