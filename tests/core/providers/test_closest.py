from __future__ import annotations

import random
import time

from core.providers.known.closest import MAX_CLOSEST, pick_closest

MAKERS = ("openai", "anthropic", "google", "meta-llama", "mistralai", "deepseek", "qwen")
NAMES = [
    f"openrouter/{maker}/{family}-{number}-{size}b-instruct"
    for maker in MAKERS
    for family in ("large", "small", "vision", "coder")
    for number in range(6)
    for size in (3, 7, 8, 13, 24, 32, 70, 120)
]


def test_a_thousand_names_written_with_the_same_letters_do_not_hold_up_the_event_loop() -> None:
    letters = list(NAMES[0])
    random.Random(5).shuffle(letters)
    assert len(NAMES) > 1_000
    began_at = time.thread_time()
    pick_closest("".join(letters), NAMES)
    assert time.thread_time() - began_at < 0.1  # to compare them all in full takes twice that


def test_a_slip_is_found_among_a_thousand_names_that_look_like_it() -> None:
    closest = pick_closest("openrouter/qwen/coder-4-120b-instrct", NAMES)
    assert closest[0] == "openrouter/qwen/coder-4-120b-instruct"
    assert len(closest) == MAX_CLOSEST


def test_names_that_contain_what_was_asked_for_come_first() -> None:
    closest = pick_closest("vision-3-70b", NAMES)
    assert len(closest) == MAX_CLOSEST
    assert all("vision-3-70b" in each for each in closest)


def test_what_looks_like_nothing_has_no_closest_name() -> None:
    assert pick_closest("zzz", NAMES) == ()
