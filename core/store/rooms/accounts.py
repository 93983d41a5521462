"""What turns took, and what people have used of what they may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Literal, Protocol

from core.conversation import Author, ThreadKey, Turn, Usage
from core.limits.quotas import Limit, Refusal, Scope, Used


class Grouping(StrEnum):
    """By what a report sums up."""

    DAY = "day"
    MODEL = "model"
    USER = "user"
    CHANNEL = "channel"
    PLATFORM = "platform"


Purpose = Literal["summary", "attempt"]
"""What was paid for beside answers: summaries, and attempts that another one took the place of."""
Kind = Literal["answer", "summary", "attempt"]


@dataclass(frozen=True, slots=True)
class Expense:
    """A request to a model beside the answers that turns keep. An attempt has its question's author."""

    purpose: Purpose
    model: str
    usage: Usage
    author: Author | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over turns. A sum has what is known; how many turns it lacks stands beside it."""

    questions: int = 0
    """Let in, whatever became of them."""
    rejected: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """A part of the input."""
    estimated: int = 0
    """Answers whose tokens are Skein's own estimate."""
    unknown_tokens: int = 0
    cost_nanos: int = 0
    """Billionths of a US dollar."""
    known_costs: int = 0
    unknown_costs: int = 0
    first_text_ms: int = 0
    """Until the first text, of all `first_timed` answers together."""
    first_timed: int = 0
    answer_ms: int = 0
    """Until the end, of all `timed` answers together."""
    timed: int = 0


def add_totals(one: Totals, other: Totals) -> Totals:
    """Add sums up."""
    names = (field.name for field in fields(Totals))
    return Totals(**{name: getattr(one, name) + getattr(other, name) for name in names})


@dataclass(frozen=True, slots=True)
class UsageLine:
    """A line of a report: what it is about, the fields of its grouping, and the sums."""

    kind: Kind = "answer"
    day: str = ""
    """As 2026-01-31."""
    model: str = ""
    """Empty for turns that never came to a model."""
    platform: str = ""
    workspace: str = ""
    channel: str = ""
    user_id: str = ""
    user_name: str = ""
    totals: Totals = Totals()


class Accounts(Protocol):
    """Lets turns in by what was used, keeps what they take, and sums it up."""

    async def admit(self, turn: Turn, limits: Sequence[Limit], zone: tzinfo) -> Refusal | None:
        """Let a turn in that is under way, unless it is too many for a limit; then say which one.

        No two turns are looked at together, in whatever process. One that was let in stays so.
        """
        ...

    async def save_usage(self, turn: Turn, model: str, usage: Usage) -> bool:
        """Commit what a turn took that comes to no answer. False if the turn was taken over."""
        ...

    async def add_expenses(self, conversation_id: int, expenses: Sequence[Expense]) -> None:
        """Commit what was paid for beside answers. One for a conversation that is gone is forgotten."""
        ...

    async def load_expenses(self, key: ThreadKey) -> Sequence[Expense]:
        """Read what was paid for in a conversation beside its answers, in order."""
        ...

    async def load_token_ratios(self) -> Mapping[str, float]:
        """Read by how much models' tokens exceed Skein's estimate, as any process learned, newest first."""
        ...

    async def save_token_ratios(self, ratios: Mapping[str, float]) -> None:
        """Commit by how much these models' tokens exceed the estimate."""
        ...

    async def load_used(
        self, scope: Scope, key: ThreadKey, author_id: str, since: datetime
    ) -> Used:
        """Sum up what a person's answers took since a time, or all that was paid for in a place."""
        ...

    async def load_usage(
        self, by: Grouping, since: datetime, until: datetime, zone: tzinfo
    ) -> Sequence[UsageLine]:
        """Sum up what was used from a time until another one, that one excluded; days are the zone's.

        Answers, summaries and further attempts have lines of their own.
        """
        ...
