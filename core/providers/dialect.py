"""What a model's server will not hear of, learned from its own refusals. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from core.providers.refusal import Refusal, parse_overflow

_REFUSED = (
    "unsupported",
    "not support",
    "unrecognized",
    "unknown",
    "unexpected",
    "extra",
    "not permitted",
    "not allowed",
    "deprecated",
    "only the default",
    "use 'max_",
)
_TOO_LARGE = ("too large", "at most", "less than or equal", "must be <=", "exceeds the maximum")
_PROMPT_SHARE = re.compile(
    r"(\d+) (?:in|of|from) (?:the|your) (?:messages|prompt|text input|input)"
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """Which parameters a model is sent.

    `limits` are names for the answer's length that are still worth a try, the one in use first.
    """

    limits: tuple[str, ...] = ()
    temperature: bool = True
    stream_options: bool = True
    cache_control: bool = False


def learn(dialect: Dialect, refusal: Refusal) -> Dialect | None:
    """Give the dialect to try instead, or None where the refusal is no matter of parameters."""
    if refusal.status not in (400, 422):
        return None
    if dialect.limits and (_is_too_large(refusal) or _leaves_room(refusal)):
        return replace(dialect, limits=())
    if dialect.limits and _is_refused(dialect.limits[0], refusal):
        return replace(dialect, limits=dialect.limits[1:])
    if dialect.temperature and _is_refused("temperature", refusal):
        return replace(dialect, temperature=False)
    if dialect.stream_options and _is_refused("stream_options", refusal):
        return replace(dialect, stream_options=False)
    if dialect.cache_control and _is_refused("cache_control", refusal):
        return replace(dialect, cache_control=False)
    return None


def _is_refused(parameter: str, refusal: Refusal) -> bool:
    if refusal.parameter and refusal.parameter != parameter:
        return False
    return parameter in refusal.text and any(word in refusal.text for word in _REFUSED)


def _is_too_large(refusal: Refusal) -> bool:
    """Whether the answer's length alone is refused, so that the server's own limit will do."""
    names_limit = "max_tokens" in refusal.text or "max_completion_tokens" in refusal.text
    return names_limit and any(word in refusal.text for word in _TOO_LARGE)


def _leaves_room(refusal: Refusal) -> bool:
    """Whether the conversation would fit, if only the answer asked for were shorter."""
    share = _PROMPT_SHARE.search(refusal.message)
    _, limit = parse_overflow(refusal.message)
    return bool(share and limit and int(share[1]) < limit)


class Dialects:
    """Remembers each model's dialect. It only ever loses parameters, so that learning ends."""

    def __init__(self, first: Dialect) -> None:
        self._first = first
        self._by_model: dict[str, Dialect] = {}

    def get(self, model: str) -> Dialect:
        """Give the dialect to try next."""
        return self._by_model.get(model, self._first)

    def learn(self, model: str, used: Dialect, refusal: Refusal) -> bool:
        """Take in a refusal, and say whether to try again: also where another request has learned."""
        if self.get(model) != used:
            return True
        learned = learn(used, refusal)
        if learned:
            self._by_model[model] = learned
        return learned is not None
