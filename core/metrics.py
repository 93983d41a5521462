"""What happens, told to whoever measures it: events of the core, and the protocol of who hears of them.

An event has no text of people and no person's name. A measurement that fails never stops a reply:
`GuardedMetrics` stands before whatever hears of events.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Literal, Protocol

from core.conversation import TurnState, Usage

log = logging.getLogger("skein.metrics")

FindCost = Callable[[str, str, Usage], Decimal | None]
"""Gives what an answer cost in US dollars, by provider, model and what it took; None is unknown."""
Outcome = Literal[
    "answered",
    "broken_off",
    "cancelled",
    "auth",
    "rate_limited",
    "overloaded",
    "unreachable",
    "timeout",
    "model_not_found",
    "bad_request",
    "context_too_long",
    "empty_answer",
    "other",
]


@dataclass(frozen=True, slots=True)
class RequestEnded:
    """A request to a model is over. Times are counted from the moment at which it was let in."""

    provider: str
    model: str
    outcome: Outcome
    in_all: timedelta
    to_first_text: timedelta | None = None
    """None where there was no word."""
    usage: Usage = field(default_factory=Usage)
    """What it took: as the provider told it, or else as it was estimated."""


@dataclass(frozen=True, slots=True)
class QueueLeft:
    """A request stands in the queue before a provider's limits no more: let in, or not."""

    provider: str
    waited: timedelta
    is_admitted: bool


@dataclass(frozen=True, slots=True)
class BreakerOpened:
    """A model failed so often that it is left alone for a while."""

    provider: str
    model: str


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """This process took a turn to its end. `took` is since it was recorded."""

    platform: str
    state: TurnState
    took: timedelta


RetryReason = Literal["slow_down", "failure"]


@dataclass(frozen=True, slots=True)
class DeliveryRetried:
    """A platform did not take a call that shows a reply; it is made again.

    `slow_down` is its own word (429), `failure` anything else that may pass: 5xx, no answer.
    """

    platform: str
    reason: RetryReason


Event = DeliveryRetried | RequestEnded | QueueLeft | BreakerOpened | TurnEnded


class Metrics(Protocol):
    """Hears of what happens."""

    def note(self, event: Event) -> None:
        """Take an event in, at once and without waiting."""
        ...

    def price_by(self, find_cost: FindCost) -> None:
        """Reckon the cost of requests by this from now on."""
        ...


class NullMetrics:
    """Measures nothing."""

    def note(self, event: Event) -> None:
        """Do nothing."""

    def price_by(self, find_cost: FindCost) -> None:
        """Do nothing."""


class GuardedMetrics:
    """Stands before other metrics, and lets none of their failures through: the first one is logged."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._has_failed = False

    def note(self, event: Event) -> None:
        """Hand an event on."""
        self._try(lambda: self._metrics.note(event))

    def price_by(self, find_cost: FindCost) -> None:
        """Hand it on."""
        self._try(lambda: self._metrics.price_by(find_cost))

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception:
            level = logging.DEBUG if self._has_failed else logging.ERROR
            self._has_failed = True
            log.log(level, "the metrics are not exact: one could not be taken", exc_info=True)
