"""How long a reply waits before it is tried again, and when it is given up."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bots.outlet import SlowDownError, TransientError
from bots.pace import (
    FIRST_BACK_OFF_SECONDS,
    LONGEST_BACK_OFF_SECONDS,
    LONGEST_STORE_BACK_OFF_SECONDS,
    BackOff,
    Insistence,
    Pace,
)
from core.errors import DeliveryError, LeaseDoubtfulError, StoreError

FAILURE = TransientError("503")


def make_pace() -> Pace:
    return Pace(timedelta(seconds=1), 60)


def test_waits_for_a_platform_grow_up_to_a_bound_and_begin_anew():
    back_off = BackOff()
    waits = [back_off.next(FAILURE) for _ in range(10)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (FIRST_BACK_OFF_SECONDS, LONGEST_BACK_OFF_SECONDS)
    back_off.reset()
    assert back_off.next(FAILURE) == FIRST_BACK_OFF_SECONDS


def test_a_reply_held_up_by_the_store_goes_on_soon_after_it_is_back():
    back_off = BackOff()
    waits = [back_off.next(LeaseDoubtfulError("turn 1")) for _ in range(10)]
    assert max(waits) == LONGEST_STORE_BACK_OFF_SECONDS


@pytest.mark.parametrize(
    ("error", "raised"), [(FAILURE, DeliveryError), (StoreError("away"), StoreError)]
)
def test_what_was_tried_for_long_enough_is_given_up(error: Exception, raised: type[Exception]):
    insistence = Insistence(make_pace(), 0)
    with pytest.raises(raised):
        insistence.find_wait(error)


def test_a_busy_platform_that_takes_other_replies_may_let_one_wait_longer():
    pace = make_pace()
    insistence = Insistence(pace, 10)
    asked = SlowDownError(timedelta(seconds=10.1))
    with pytest.raises(DeliveryError):
        insistence.find_wait(asked)
    pace.ease()
    pace.taken_at += 1
    assert insistence.find_wait(asked) == pytest.approx(10.1)
