"""The metrics, for Prometheus and whatever reads its text form: `/metrics`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from aiohttp import hdrs, web
from prometheus_client.exposition import choose_encoder

from bots.http.prometheus import PrometheusMetrics
from bots.link import Link
from core.providers.asking.breaker import BreakerState


class MetricsPage:
    """The page. It has numbers, names of models and platforms, and no text of people."""

    def __init__(self, metrics: PrometheusMetrics) -> None:
        self._metrics = metrics

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Give the path."""
        return (web.get("/metrics", self._answer),)

    async def _answer(self, request: web.Request) -> web.Response:
        """Answer in the form that the reader prefers: the text form, or OpenMetrics."""
        encode, content_type = choose_encoder(request.headers.get(hdrs.ACCEPT, ""))
        headers = {hdrs.CONTENT_TYPE: content_type}
        return web.Response(body=encode(await self._metrics.read()), headers=headers)


class Work(Protocol):
    """How much is to be done now."""

    @property
    def running_count(self) -> int:
        """How many turns run."""
        ...

    @property
    def waiting_count(self) -> int:
        """How many turns wait."""
        ...


class Gates(Protocol):
    """What stands before models."""

    @property
    def breaker_states(self) -> Mapping[str, BreakerState]:
        """The breaker's state of each model that was asked, as `provider/model`."""
        ...

    @property
    def waiting_counts(self) -> Mapping[str, int]:
        """How many requests wait for the limits of each provider."""
        ...


def add_core_gauges(metrics: PrometheusMetrics, work: Work, gates: Gates) -> None:
    """Show how things stand with turns and models."""
    metrics.add_gauge(
        "skein_turns_running", "Turns that run now.", (), lambda: {(): work.running_count}
    )
    metrics.add_gauge(
        "skein_turns_waiting",
        "Turns recorded by this process that wait for those before them.",
        (),
        lambda: {(): work.waiting_count},
    )
    metrics.add_gauge(
        "skein_limiter_waiting",
        "Requests in the queue before a provider's limits.",
        ("provider",),
        lambda: {(name,): count for name, count in gates.waiting_counts.items()},
    )
    metrics.add_gauge(
        "skein_breaker_state",
        "Whether a model is asked: 1 for the state in which its breaker is.",
        ("model", "state"),
        lambda: {
            (name, state.value): float(state is now)
            for model, now in gates.breaker_states.items()
            if (name := metrics.name_known(model))
            for state in BreakerState
        },
    )


def add_link_gauge(metrics: PrometheusMetrics, links: Mapping[str, Link]) -> None:
    """Show whether the store and the platforms are there."""
    metrics.add_gauge(
        "skein_connected",
        "Whether a part is there: the store, or a platform. Standing by for another process counts.",
        ("part",),
        lambda: {
            (name,): float(link.state in ("connected", "standing by"))
            for name, link in links.items()
        },
    )
