"""What of a model's text is for people, and what its answer teaches of how it thinks."""

from __future__ import annotations

from core.providers.base import FinishReason
from core.providers.wire.dialect import Dialect
from core.providers.wire.thoughts import ThoughtFilter, begins_in_thought


class Speech:
    """One answer's text without the thoughts in it."""

    def __init__(self, model: str, dialect: Dialect) -> None:
        begins = dialect.begins_in_thought
        self._is_held = begins_in_thought(model) if begins is None else begins
        self._filter = ThoughtFilter(model, is_thought=self._is_held)
        self._has_thought = False

    @property
    def has_thought(self) -> bool:
        """Whether the model was seen to think before it spoke."""
        return self._has_thought or self._filter.has_thought

    @property
    def begins_in_thought(self) -> bool | None:
        """Whether the text began in the midst of a thought; None where nothing was learned of that."""
        if self._filter.has_late_end:
            return True
        return False if self._is_held and not self._filter.has_thought else None

    def hear(self, text: str) -> str:
        """Take a piece of the text, and give what people may see by now."""
        return self._filter.feed(text)

    def note_thought(self) -> None:
        """Take in that the model thinks, and that its server sends thoughts apart."""
        self._has_thought = True
        self._filter.skip_thought()

    def note_count(self, tokens: int) -> None:
        """Take in how many tokens were thought, as the provider counts them."""
        self._has_thought = self._has_thought or tokens > 0

    def finish(self, reason: FinishReason | None) -> str:
        """Give what was held back, now that the text has ended. It may be called again."""
        return self._filter.finish(is_cut=reason == "length")
