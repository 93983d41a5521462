"""When a model is asked again: how often, after how long, and after which errors. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from core.errors import AuthError, ModelNotFoundError, ProviderError, RateLimitedError
from core.providers.asking.opened import NoWordError

_MAX_EMPTY_ANSWERS = 2


class NoTurnError(RateLimitedError):
    """Nothing was asked, for Skein's own queue before the provider took too long. The provider said nothing.

    `is_early` says that the queue was left since another model stood ready, and not for good.
    """

    def __init__(
        self,
        model: str,
        detail: str,
        retry_after: timedelta | None = None,
        *,
        is_early: bool = False,
    ) -> None:
        super().__init__(model, detail, retry_after)
        self.is_early = is_early


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often to ask, and how long to wait in between."""

    max_attempts: int = 5
    """Of one model; with fallbacks, one more for each of them."""
    first_delay: timedelta = timedelta(milliseconds=500)
    max_delay: timedelta = timedelta(seconds=8)
    max_retry_after: timedelta = timedelta(seconds=60)
    """A provider that asks for a longer pause is taken at its word: the person is told when."""
    retry_within: timedelta = timedelta(seconds=120)
    """How long after a question was put first it may be put again. Who stands ready is asked later, too."""
    max_breaker_wait: timedelta = timedelta(seconds=10)
    """How long a request waits in all for models that breakers hold back, where no other stands ready."""
    max_queue_wait: timedelta = timedelta(seconds=120)
    """How long to queue for a provider's limits at the most."""
    fallback_after: timedelta = timedelta(seconds=5)
    """How long to queue for them where a fallback of another provider stands ready."""
    on_break: Literal["keep", "replace"] = "keep"
    """What becomes of an answer that breaks off: the error is raised, or a fallback answers anew."""

    def delay_after(self, attempt: int, chance: float) -> timedelta:
        """Give the back-off after an attempt, counted from 1; `chance` of 0 to 1 spreads it."""
        longest = min(self.max_delay, self.first_delay * 2 ** min(attempt - 1, 20))
        return longest * (0.5 + chance / 2)

    def find_pause(self, error: ProviderError, attempt: int, chance: float) -> timedelta:
        """Say how long to wait after an error: the back-off, or longer where the provider asks for it."""
        delay = self.delay_after(attempt, chance)
        return max(delay, error.retry_after or delay)

    def is_worth_retrying(self, error: ProviderError, attempt: int) -> bool:
        """Tell whether the same model may answer if it is asked again."""
        match error:
            case NoWordError():
                return error.is_accident and attempt < _MAX_EMPTY_ANSWERS
            case NoTurnError():
                return error.is_early
            case ProviderError(retryable=True, retry_after=timedelta() as wait):
                return wait <= self.max_retry_after
            case _:
                return error.retryable


def is_about_the_question(error: ProviderError) -> bool:
    """Tell whether the question is at fault, which another model would only be asked in vain."""
    if isinstance(error, NoWordError):
        return not error.is_accident
    return not error.retryable and not isinstance(error, AuthError | ModelNotFoundError)
