"""Learns from what providers report how a model counts tokens, and how much it takes in. Pure."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from core.errors import ContextTooLongError

_MAX_MODELS = 256
_LEAST_SAMPLE_TOKENS = 50
"""Of a shorter request, most tokens are the provider's own wrapping."""
_LEAST_PLAUSIBLE = 0.3
"""A report below this part of the estimate leaves something out, such as what was cached."""
_LOWEST, _HIGHEST = 0.75, 4.0
"""Whatever is reported, no text is taken for less than this part of its estimate, or more."""
_RISE, _FALL = 0.5, 0.1
"""How far one report moves the ratio: too high an estimate costs some memory, too low a refusal."""
_SHRINK = 0.9
"""What part of a limit is asked for, once a length was refused."""
_SHRINK_BLINDLY = 0.6
_EXCESS_BLINDLY = 1.25
"""By how much a length that is refused without numbers is taken to exceed what was reckoned."""


@dataclass(slots=True)
class _Known:
    ratio: float = 1.0
    limit: int | None = None
    is_fresh: bool = False
    """Whether something was learned of the ratio that nobody was told yet."""


class Gauge:
    """The ratio of told tokens to estimated ones, and the told limit, by model."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def get_ratio(self, model: str) -> float:
        """Give by how much a model's tokens exceed the estimate; 1 where nothing is known."""
        known = self._known.get(model)
        return known.ratio if known else 1.0

    def find_limit(self, model: str) -> int | None:
        """Give the window that a model's provider told, if it did."""
        known = self._known.get(model)
        return known.limit if known else None

    def note_usage(self, model: str, estimated: int, told: int | None) -> None:
        """Learn from what a request took in truth, cached tokens included."""
        if not told or estimated < _LEAST_SAMPLE_TOKENS or told < estimated * _LEAST_PLAUSIBLE:
            return
        known = self._get(model)
        sample = min(max(told / estimated, _LOWEST), _HIGHEST)
        known.ratio += (sample - known.ratio) * (_RISE if sample > known.ratio else _FALL)
        known.is_fresh = True

    def note_limit(self, model: str, limit: int) -> None:
        """Learn a window as a refusal tells it."""
        if limit > 0:
            self._get(model).limit = limit

    def note_refusal(
        self, refusal: ContextTooLongError, sent_tokens: int, answer_tokens: int
    ) -> int:
        """Learn from a refused length, and say how many tokens may be asked for instead.

        What was sent is an estimate; the room for the answer, and what is given, are the model's.
        """
        model, tokens, limit = refusal.model, refusal.tokens, refusal.limit
        reckoned = sent_tokens * self.get_ratio(model)
        asked = math.ceil(reckoned) + answer_tokens
        if limit:
            self.note_limit(model, limit)
        if tokens and limit and tokens > limit:
            part, excess = limit / tokens, tokens / asked
        else:
            part, excess = min(_SHRINK_BLINDLY, (limit or asked) / asked), _EXCESS_BLINDLY
        self.note_usage(model, sent_tokens, int(reckoned * excess))
        return int(asked * part * _SHRINK)

    def take(self, ratios: Mapping[str, float]) -> None:
        """Take over what was learned elsewhere, where nothing newer was learned here; the first win."""
        for model, ratio in list(ratios.items())[:_MAX_MODELS]:
            known = self._get(model)
            if not known.is_fresh:
                known.ratio = min(max(ratio, _LOWEST), _HIGHEST)

    def give(self) -> dict[str, float]:
        """Give what was learned here since the last time."""
        learned = {model: known.ratio for model, known in self._known.items() if known.is_fresh}
        for known in self._known.values():
            known.is_fresh = False
        return learned

    def _get(self, model: str) -> _Known:
        known = self._known.setdefault(model, _Known())
        self._known.move_to_end(model)
        while len(self._known) > _MAX_MODELS:
            self._known.popitem(last=False)
        return known
