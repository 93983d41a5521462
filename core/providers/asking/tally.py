"""Times one request to a model, and tells the metrics once what became of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from core import errors
from core.conversation import Usage
from core.errors import ProviderError
from core.metrics import Metrics, Outcome, RequestEnded
from core.providers.base import ModelRef

_OUTCOMES: tuple[tuple[type[ProviderError], Outcome], ...] = (
    (errors.AuthError, "auth"),
    (errors.RateLimitedError, "rate_limited"),
    (errors.OverloadedError, "overloaded"),
    (errors.UnreachableError, "unreachable"),
    (errors.TimeoutError, "timeout"),
    (errors.ModelNotFoundError, "model_not_found"),
    (errors.BadRequestError, "bad_request"),
    (errors.ContextTooLongError, "context_too_long"),
    (errors.EmptyAnswerError, "empty_answer"),
)


class Tally:
    """Begins as a request is let in. `outcome` and `usage` are what to tell of it at its end."""

    def __init__(self, ref: ModelRef, metrics: Metrics, clock: Callable[[], float]) -> None:
        self.outcome: Outcome = "cancelled"
        self.usage = Usage()
        self._ref = ref
        self._metrics = metrics
        self._clock = clock
        self._began_at = clock()
        self._to_first_text: timedelta | None = None
        self._has_ended = False

    def hear(self) -> None:
        """The first text is there."""
        self._to_first_text = self._elapsed

    def fail(self, error: ProviderError) -> None:
        """The request is over without a word."""
        self.outcome = name_outcome(error)
        self.end()

    def end(self) -> None:
        """The request is over."""
        if self._has_ended:
            return
        self._has_ended = True
        ref = self._ref
        times = self._elapsed, self._to_first_text
        self._metrics.note(RequestEnded(ref.provider, ref.model, self.outcome, *times, self.usage))

    @property
    def _elapsed(self) -> timedelta:
        return timedelta(seconds=self._clock() - self._began_at)


def name_outcome(error: ProviderError) -> Outcome:
    """Give an error's name among the metrics."""
    for kind, name in _OUTCOMES:
        if isinstance(error, kind):
            return name
    return "other"
