"""The metrics in Prometheus' form: what the core tells, counted, and what is read when the page is asked for.

Whoever makes a `PrometheusMetrics` owns its registry: nothing here is global.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from core.conversation import Usage
from core.metrics import (
    BreakerOpened,
    DeliveryRetried,
    Event,
    FindCost,
    QueueLeft,
    RequestEnded,
    TurnEnded,
)

log = logging.getLogger("skein.metrics")

MAX_MODELS = 100
"""How many models have figures of their own; people can name any, and each takes memory for good."""
OTHER = "other"
_FIRST_TEXT_SECONDS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120)
_ANSWER_SECONDS = (0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600)
_QUEUE_SECONDS = (0.01, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120)
_TURN_SECONDS = (0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600, 1800)
_UNKNOWN_MODEL = ("model_not_found", "bad_request")

Read = Callable[[], Mapping[tuple[str, ...], float]]
"""Gives the values of a gauge now, by its labels."""


class PrometheusMetrics:
    """Counts the core's events in a registry of its own. Its labels are of few values."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._models = ModelNames()
        self._find_cost: FindCost | None = None
        self._process = ProcessCollector(registry=None)
        self._registry.register(_BuildInfo())
        count, measure = self._add_counter, self._add_histogram
        self._requests = count(
            "skein_model_requests",
            "Requests to models, by what became of them.",
            "model",
            "outcome",
        )
        text = "From a request's being sent to the first text of its answer."
        self._first_text = measure(
            "skein_model_first_text_seconds", text, _FIRST_TEXT_SECONDS, "model"
        )
        text = "From a request's being sent to the end of its whole answer."
        self._answer = measure("skein_model_answer_seconds", text, _ANSWER_SECONDS, "model")
        text = "Tokens that requests took; those cached are among the input."
        self._tokens = count("skein_model_tokens", text, "model", "kind")
        text = "What requests cost, where the price is known."
        self._cost = count("skein_model_cost_dollars", text, "model")
        text = "How often a model failed so often that it is left alone for a while."
        self._opened = count("skein_breaker_opened", text, "model")
        text = "How long requests stood in the queue before a provider's limits."
        self._queue = measure(
            "skein_limiter_wait_seconds", text, _QUEUE_SECONDS, "provider", "admitted"
        )
        text = "Turns that this process took to their end."
        self._turns = count("skein_turns", text, "platform", "state")
        text = "From a question's being recorded to the end of its turn."
        self._turn = measure("skein_turn_seconds", text, _TURN_SECONDS, "platform")
        text = "Calls that show replies, which the platform did not take at once."
        self._retries = count("skein_delivery_retries", text, "platform", "reason")

    async def read(self) -> Figures:
        """Give all figures as they are now, without when each of them began."""
        process = await asyncio.to_thread(lambda: tuple(self._process.collect()))  # reads files
        figures = tuple(self._registry.collect())
        for metric in figures:
            metric.samples = [each for each in metric.samples if not _is_birth(each.name)]
        return Figures((*figures, *process))

    def price_by(self, find_cost: FindCost) -> None:
        """Reckon the cost of requests by this from now on."""
        self._find_cost = find_cost

    def note(self, event: Event) -> None:
        """Count an event."""
        match event:
            case RequestEnded():
                self._count_request(event)
            case QueueLeft(provider, waited, is_admitted):
                admitted = "true" if is_admitted else "false"
                self._queue.labels(provider, admitted).observe(waited.total_seconds())
            case BreakerOpened(provider, model):
                self._opened.labels(self._models.name(provider, model)).inc()
            case DeliveryRetried(platform, reason):
                self._retries.labels(platform, reason).inc()
            case TurnEnded(platform, state, took):
                self._turns.labels(platform, str(state)).inc()
                self._turn.labels(platform).observe(took.total_seconds())

    def add_gauge(self, name: str, text: str, labels: tuple[str, ...], read: Read) -> None:
        """Show a gauge whose values are asked for each time that the page is."""
        self._registry.register(_ReadGauge(name, text, labels, read))

    def name_known(self, model: str) -> str | None:
        """Give a model's label where it has figures of its own, by `provider/model`."""
        return model if self._models.knows(model) else None

    def _add_counter(self, name: str, text: str, *labels: str) -> Counter:
        """Add a figure that only grows; its name gets the end `_total`."""
        return Counter(name, text, labels, registry=self._registry)

    def _add_histogram(
        self, name: str, text: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        """Add a distribution of seconds."""
        return Histogram(name, text, labels, registry=self._registry, buckets=buckets)

    def _count_request(self, event: RequestEnded) -> None:
        is_there = event.outcome not in _UNKNOWN_MODEL
        model = self._models.name(event.provider, event.model, is_there=is_there)
        self._requests.labels(model, event.outcome).inc()
        _observe(self._first_text.labels(model), event.to_first_text)
        if event.outcome == "answered":
            _observe(self._answer.labels(model), event.in_all)
        self._count_usage(model, event)

    def _count_usage(self, model: str, event: RequestEnded) -> None:
        usage = event.usage
        for kind, tokens in _list_tokens(usage):
            self._tokens.labels(model, kind).inc(tokens)
        if self._find_cost is None or usage == Usage():
            return
        cost = self._find_cost(event.provider, event.model, usage)
        if cost is not None:
            self._cost.labels(model).inc(float(cost))


@dataclass(frozen=True, slots=True)
class Figures(Collector):
    """What was read at one moment."""

    metrics: tuple[Metric, ...]

    def collect(self) -> Iterable[Metric]:
        """Give it all."""
        return self.metrics


class ModelNames:
    """Names models for labels. Those that nobody serves, and any beyond a number, share one name."""

    def __init__(self, max_models: int = MAX_MODELS) -> None:
        self._max_models = max_models
        self._known: set[str] = set()

    def knows(self, model: str) -> bool:
        """Tell whether a model has a name of its own."""
        return model in self._known

    def name(self, provider: str, model: str, *, is_there: bool = True) -> str:
        """Give a model's label; one that may not be there gets no new one of its own."""
        full = f"{provider}/{model}"
        if full not in self._known:
            if not is_there or len(self._known) >= self._max_models:
                return f"{provider}/{OTHER}"
            self._known.add(full)
        return full


class _ReadGauge(Collector):
    """A gauge that is read when the page is asked for. One that cannot be read is left out."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...], read: Read) -> None:
        self._name = name
        self._text = text
        self._labels = labels
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """Read the values now."""
        family = GaugeMetricFamily(self._name, self._text, labels=self._labels)
        try:
            for values, number in self._read().items():
                family.add_metric(values, number)
        except Exception:
            log.exception("%s cannot be read", self._name)
            return
        yield family


class _BuildInfo(Collector):
    """Which program this is."""

    def __init__(self) -> None:
        self._values = {
            "version": importlib.metadata.version("skein-bot"),
            "python": sys.version.split()[0],
        }

    def collect(self) -> Iterable[Metric]:
        """Name the versions."""
        yield InfoMetricFamily("skein_build", "Which program this is.", self._values)


def _observe(histogram: Histogram, duration: timedelta | None) -> None:
    if duration is not None:
        histogram.observe(duration.total_seconds())


def _is_birth(name: str) -> bool:
    return name.endswith("_created")


def _list_tokens(usage: Usage) -> tuple[tuple[str, int], ...]:
    return (
        ("input", usage.input_tokens or 0),
        ("cached", usage.cached_tokens or 0),
        ("output", usage.output_tokens or 0),
    )
