"""Keeps what the gauge learned of how models count tokens, for the next start and for other processes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Protocol

from core.beside import beside
from core.errors import StoreError
from core.memory.gauge import Gauge

log = logging.getLogger("skein.memory")

EXCHANGE_INTERVAL = timedelta(minutes=5)
_LEAST_CHANGE = 0.03
"""What differs less from what is stored is not worth a write."""


class RatioStore(Protocol):
    """What of a store is needed. Both raise StoreError."""

    async def load_token_ratios(self) -> Mapping[str, float]:
        """Read ratios by model."""
        ...

    async def save_token_ratios(self, ratios: Mapping[str, float]) -> None:
        """Commit some of them."""
        ...


class Ratios:
    """Exchanges a gauge's ratios with those of the store. It fails open: without them all is as at first."""

    def __init__(self, store: RatioStore, gauge: Gauge) -> None:
        self._store = store
        self._gauge = gauge
        self._stored: Mapping[str, float] = {}

    async def exchange(self) -> None:
        """Store what was learned here, and take over what others learned."""
        try:
            before, self._stored = self._stored, await self._store.load_token_ratios()
            # What nobody changed is no news: it must not undo the small steps made here since.
            news = {name: told for name, told in self._stored.items() if told != before.get(name)}
            learned = self._gauge.give()
            self._gauge.take({**news, **learned})
            changed = {name: ratio for name, ratio in learned.items() if self._is_news(name, ratio)}
            if changed:
                await self._store.save_token_ratios(changed)
        except StoreError as error:
            log.warning("what was learned of tokens is not exchanged: %s", error)

    def _is_news(self, model: str, ratio: float) -> bool:
        return abs(ratio - self._stored.get(model, 1.0)) >= _LEAST_CHANGE


@asynccontextmanager
async def keep_ratios(
    store: RatioStore, gauge: Gauge, interval: timedelta = EXCHANGE_INTERVAL
) -> AsyncGenerator[None]:
    """Load what is known now, exchange it now and then, and store it at the end."""
    ratios = Ratios(store, gauge)

    async def run() -> None:
        while True:
            await asyncio.sleep(interval.total_seconds())
            await ratios.exchange()

    await ratios.exchange()
    async with beside(run()):
        yield
    await ratios.exchange()
