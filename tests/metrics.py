"""Metrics for tests: what was told is kept, and the page is read as Prometheus reads it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TypeVar

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from core.metrics import Event, FindCost

_E = TypeVar("_E")


class RecordingMetrics:
    """Keeps all events."""

    def __init__(self) -> None:
        self.events = list[Event]()

    def note(self, event: Event) -> None:
        """Keep an event."""
        self.events.append(event)

    def price_by(self, find_cost: FindCost) -> None:
        """Do nothing."""

    def of(self, kind: type[_E]) -> list[_E]:
        """Give the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]


Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parse_figures(text: str) -> Figures:
    """Read a page in the text form."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class MetricsReader:
    """Reads the page of a service."""

    def __init__(self, url: str, client: aiohttp.ClientSession) -> None:
        self._url = url
        self._client = client

    async def get(self, name: str, **labels: str) -> float | None:
        """Give one figure as it is now; None where there is none."""
        async with self._client.get(f"{self._url}/metrics") as response:
            assert response.status == 200
            return parse_figures(await response.text()).get((name, frozenset(labels.items())))

    async def wait_for(self, value: float, name: str, **labels: str) -> None:
        """Read again until a figure is as it should be, for some seconds at the most."""
        async with asyncio.timeout(timedelta(seconds=10).total_seconds()):
            while await self.get(name, **labels) != value:  # noqa: ASYNC110 -- there is no word of it
                await asyncio.sleep(0.05)
