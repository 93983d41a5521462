"""The journal as a few lines of plain Python: what every store should say after any calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from core.conversation import ReplyMessage, Turn, TurnState

S = TurnState
UNDER_WAY = (S.RUNNING, S.DELIVERING)


@dataclass
class ModelTurn:
    """A turn. Its number is the second at which its message was sent."""

    number: int
    handles: list[Turn]
    """The turn as it was recorded, and as each attempt got it."""
    state: S = S.QUEUED
    attempts: int = 0
    crashes: int = 0
    merged_into: ModelTurn | None = None
    answer: str | None = None
    is_sent: bool = True
    replies: dict[int, str] = field(default_factory=dict[int, str])
    holder: str | None = None
    is_lease_over: bool = False

    @property
    def id(self) -> int:
        return self.handles[0].id

    @property
    def waits(self) -> bool:
        """Whether it is still to be started."""
        return self.state is S.QUEUED and self.merged_into is None

    @property
    def question(self) -> str:
        return f"question {self.number}"

    def handle(self, attempt: int) -> tuple[Turn, bool]:
        """What an attempt has in hand, and whether that attempt is the last."""
        handle = self.handles[min(attempt, len(self.handles) - 1)]
        return handle, handle.attempts == self.attempts

    def add_reply(self, part: int, message_id: str) -> None:
        self.remove_reply(message_id)
        self.replies[part] = message_id

    def remove_reply(self, message_id: str) -> None:
        self.replies = {part: id_ for part, id_ in self.replies.items() if id_ != message_id}

    def expected_replies(self) -> tuple[ReplyMessage, ...]:
        return tuple(ReplyMessage(part, self.replies[part]) for part in sorted(self.replies))


@dataclass
class ModelConversation:
    """A conversation. `is_shared` says whether a lease keeps other processes off."""

    is_shared: bool
    touched_at: datetime
    turns: dict[int, ModelTurn] = field(default_factory=dict[int, ModelTurn])
    said: list[tuple[ModelTurn, str]] = field(default_factory=list[tuple[ModelTurn, str]])
    """Turns with the text that they said, in order."""
    cleared: int = 0
    """How much of `said` is cleared."""

    def unfinished(self) -> list[ModelTurn]:
        return [self.turns[n] for n in sorted(self.turns) if not self.turns[n].state.is_final]

    def under_way(self) -> ModelTurn | None:
        return next((turn for turn in self.turns.values() if turn.state in UNDER_WAY), None)

    def start_next(self, holder: str, *, is_merging: bool) -> ModelTurn | None:
        waiting = [turn for turn in self.unfinished() if turn.waits]
        if not waiting or self.under_way():
            return None
        lead = waiting[-1] if is_merging else waiting[0]
        for turn in waiting if is_merging else [lead]:
            turn.merged_into = None if turn is lead else lead
            self.said.append((turn, turn.question))
        lead.state, lead.holder, lead.is_lease_over = S.RUNNING, holder, False
        lead.attempts += 1
        return lead

    def take_over(self, holder: str) -> ModelTurn | None:
        turn = self.under_way()
        if turn is None or (self.is_shared and turn.holder != holder and not turn.is_lease_over):
            return None
        turn.attempts += 1
        turn.crashes += turn.holder is not None
        turn.holder, turn.is_lease_over = holder, False
        return turn

    def is_waiting(self) -> bool:
        """Whether somebody should go on: something is unfinished, and in nobody's hands."""
        turn = self.under_way()
        is_held = self.is_shared and turn is not None and not turn.is_lease_over
        return bool(self.unfinished()) and not is_held

    def save_reply(self, turn: ModelTurn, text: str) -> None:
        turn.state, turn.answer = S.DELIVERING, text
        self.said.append((turn, text))

    def end(self, turn: ModelTurn, state: S) -> None:
        """End a turn with all that was merged into it."""
        is_answered = turn.answer is not None
        for each in self.unfinished():
            if each is turn or each.merged_into is turn:
                if each.waits:
                    self.said.append((each, each.question))
                each.is_sent = state is S.DONE or (state is S.FAILED and is_answered)
                each.state = state

    def clear(self, before: int) -> list[int]:
        cancelled = [turn for turn in self.unfinished() if turn.number <= before]
        for turn in cancelled:
            self.end(turn, S.CANCELLED)
        for index, (turn, _) in enumerate(self.said, start=1):
            if turn.is_sent and turn.number <= before:
                self.cleared = max(self.cleared, index)
        return [turn.id for turn in cancelled]

    def first_text(self) -> str:
        return next((text for text in self.sent() if text.startswith("question")), "")

    def sent(self) -> list[str]:
        return [text for turn, text in self.said[self.cleared :] if turn.is_sent]
