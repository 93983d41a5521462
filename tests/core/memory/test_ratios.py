"""What was learned of how models count tokens outlives a restart, and reaches other processes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from core.errors import StoreError
from core.memory.gauge import Gauge
from core.memory.ratios import Ratios, keep_ratios
from core.store.base import Store


def learn(gauge: Gauge, told: int) -> None:
    for _ in range(40):
        gauge.note_usage("a/m", 1000, told)


async def test_a_ratio_outlives_a_restart(sqlite_store: Store):
    gauge = Gauge()
    async with keep_ratios(sqlite_store, gauge):
        learn(gauge, 2000)
    later = Gauge()
    async with keep_ratios(sqlite_store, later):
        assert later.get_ratio("a/m") == pytest.approx(2, abs=0.01)


async def test_what_one_process_learns_another_takes_over(sqlite_store: Store):
    one, two = Gauge(), Gauge()
    first, second = Ratios(sqlite_store, one), Ratios(sqlite_store, two)
    learn(one, 1500)
    await first.exchange()
    await second.exchange()
    assert two.get_ratio("a/m") == pytest.approx(1.5, abs=0.01)
    learn(two, 3000)
    await second.exchange()
    await first.exchange()
    assert one.get_ratio("a/m") == pytest.approx(3, abs=0.01)


async def test_ratios_are_exchanged_while_it_runs(sqlite_store: Store):
    one, two = Gauge(), Gauge()
    learn(one, 1500)
    async with keep_ratios(sqlite_store, one), keep_ratios(sqlite_store, two):
        assert two.get_ratio("a/m") == pytest.approx(1.5, abs=0.01)


class CountingStore:
    """A store that counts its writes, or is away."""

    def __init__(self, *, is_away: bool = False) -> None:
        self.kept: dict[str, float] = {}
        self.writes = 0
        self.is_away = is_away

    async def load_token_ratios(self) -> Mapping[str, float]:
        """Give them."""
        if self.is_away:
            raise StoreError("away")
        return dict(self.kept)

    async def save_token_ratios(self, ratios: Mapping[str, float]) -> None:
        """Keep them."""
        self.writes += 1
        self.kept.update(ratios)


async def test_nothing_new_is_not_written():
    gauge, store = Gauge(), CountingStore()
    ratios = Ratios(store, gauge)
    learn(gauge, 1500)
    for _ in range(10):
        await ratios.exchange()
        gauge.note_usage("a/m", 1000, 1510)
    assert store.writes == 1
    assert gauge.get_ratio("a/m") == pytest.approx(1.5, abs=0.01)


async def test_small_steps_add_up_between_exchanges():
    gauge, store = Gauge(), CountingStore()
    store.kept = {"a/m": 1.5}
    ratios = Ratios(store, gauge)
    await ratios.exchange()
    for _ in range(40):  # a model that is rarely used: each step is too small to be written
        gauge.note_usage("a/m", 1000, 1250)
        await ratios.exchange()
        await ratios.exchange()
    assert gauge.get_ratio("a/m") == pytest.approx(1.25, abs=0.03)
    assert store.kept["a/m"] == pytest.approx(1.25, abs=0.06)


async def test_what_is_newer_here_is_not_overwritten():
    gauge = Gauge()
    learn(gauge, 2000)
    gauge.take({"a/m": 1.0, "b/m": 1.5})
    assert gauge.get_ratio("a/m") == pytest.approx(2, abs=0.01)
    assert gauge.get_ratio("b/m") == 1.5


async def test_a_store_that_is_away_stops_nothing():
    gauge = Gauge()
    async with keep_ratios(CountingStore(is_away=True), gauge, timedelta(seconds=60)):
        learn(gauge, 1500)
    assert gauge.get_ratio("a/m") == pytest.approx(1.5, abs=0.01)


async def test_nonsense_in_the_store_stays_within_bounds():
    store = CountingStore()
    store.kept = {"a/m": 1e9, "b/m": 0.0}
    gauge = Gauge()
    await Ratios(store, gauge).exchange()
    assert gauge.get_ratio("a/m") == 4
    assert gauge.get_ratio("b/m") == 0.75
