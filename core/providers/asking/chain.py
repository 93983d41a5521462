"""Who may answer one request: the model that was asked for, and its fallbacks. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import ProviderError
from core.providers.asking.opened import Opened
from core.providers.asking.retry import is_about_the_question
from core.providers.base import ModelRef


class Chain:
    """Who may answer one request, and who failed. `refs` are those still worth asking, in order."""

    def __init__(self, asked: ModelRef, fallbacks: Sequence[ModelRef]) -> None:
        self.asked = asked
        self.refs = [asked, *(ref for ref in dict.fromkeys(fallbacks) if ref != asked)]
        self.errors: dict[ModelRef, ProviderError] = {}
        """What those said that were asked in this round."""
        self.first_error: ProviderError | None = None
        """What the model said that was asked for: it is what people are told of."""
        self.rounds = 0
        self.opened: Opened | None = None

    @property
    def untried(self) -> list[ModelRef]:
        """Those that were not yet asked in this round."""
        return [ref for ref in self.refs if ref not in self.errors]

    def note(self, ref: ModelRef, error: ProviderError) -> None:
        """Take in that one failed."""
        self.errors[ref] = error
        if ref == self.asked:
            self.first_error = error

    def strike(self, ref: ModelRef, error: ProviderError) -> None:
        """Ask one no more that would only fail again; nor anyone where the question is at fault."""
        self.refs.remove(ref)
        if ref == self.asked and is_about_the_question(error):
            self.refs.clear()

    def is_alone(self, ref: ModelRef) -> bool:
        """Tell whether no other model of the same provider can be asked."""
        others = [each for each in self.refs if each != ref]
        return all(each.provider != ref.provider for each in others)

    def begin_round(self) -> None:
        """Let all be asked again that are still worth it."""
        self.errors.clear()
        self.rounds += 1
