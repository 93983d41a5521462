"""Any sequence of calls leaves the journal as a model of a few lines says it should be."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from core.conversation import ThreadKey, TurnState, Usage
from core.store.base import Store
from core.store.sqlite import open_sqlite
from tests.core.store.values import KEY, OTHER, ask, at

T = TypeVar("T")
S = TurnState
UNDER_WAY = (S.RUNNING, S.DELIVERING)

MESSAGES = st.integers(0, 7)
"""A message is sent at the second that is its number: recorded in any order, even numbers here, odd there."""


@dataclass
class ModelTurn:
    number: int
    id: int
    state: S = S.QUEUED
    attempts: int = 0
    answer: str | None = None
    is_sent: bool = True


@dataclass
class ModelConversation:
    turns: dict[int, ModelTurn] = field(default_factory=dict)
    said: list[tuple[ModelTurn, str]] = field(default_factory=list)
    """Turns with the text that they said, in order."""
    cleared: int = 0
    """How much of `said` is cleared."""

    def unfinished(self) -> list[ModelTurn]:
        return [self.turns[n] for n in sorted(self.turns) if not self.turns[n].state.is_final]

    def start_next(self) -> ModelTurn | None:
        if any(turn.state in UNDER_WAY for turn in self.turns.values()):
            return None
        turn = next(iter(self.unfinished()), None)
        if turn:
            turn.state, turn.attempts = S.RUNNING, turn.attempts + 1
            self.said.append((turn, f"question {turn.number}"))
        return turn

    def end(self, turn: ModelTurn, state: S) -> None:
        if turn.state is S.QUEUED:
            self.said.append((turn, f"question {turn.number}"))
        turn.is_sent = state is S.FAILED and turn.answer is not None
        turn.state = state

    def clear(self, before: int) -> list[int]:
        cancelled = [turn for turn in self.unfinished() if turn.number <= before]
        for turn in cancelled:
            self.end(turn, S.CANCELLED)
        for index, (turn, _) in enumerate(self.said, start=1):
            if turn.is_sent and turn.number <= before:
                self.cleared = max(self.cleared, index)
        return [turn.id for turn in cancelled]

    def sent(self) -> list[str]:
        return [text for turn, text in self.said[self.cleared :] if turn.is_sent]


class JournalMachine(RuleBasedStateMachine):
    """Calls the store and the model side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.model: dict[ThreadKey, ModelConversation] = {}
        self.ids: dict[ThreadKey, int] = {}
        self.open()

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(asyncio.wait_for(call, 20))

    def open(self) -> None:
        self.stack = AsyncExitStack()
        url = f"sqlite:///{self.folder.name}/skein.db"
        self.store: Store = self.run(self.stack.enter_async_context(open_sqlite(url)))

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.runner.close()
        self.folder.cleanup()

    def find(self, number: int) -> tuple[ModelConversation, ModelTurn] | None:
        conversation = self.model.get(self.key(number))
        turn = conversation.turns.get(number) if conversation else None
        return (conversation, turn) if conversation and turn else None

    @staticmethod
    def key(number: int) -> ThreadKey:
        return OTHER if number % 2 else KEY

    @rule(number=MESSAGES)
    def record(self, number: int) -> None:
        recorded = self.run(self.store.record(ask(number, key=self.key(number))))
        conversation = self.model.setdefault(self.key(number), ModelConversation())
        assert recorded.is_new == (number not in conversation.turns)
        turn = conversation.turns.setdefault(number, ModelTurn(number, recorded.turn.id))
        assert (recorded.turn.id, recorded.turn.state) == (turn.id, turn.state)
        self.ids[self.key(number)] = recorded.turn.conversation_id

    @rule(key=st.sampled_from([KEY, OTHER]))
    def start_next(self, key: ThreadKey) -> None:
        if key in self.model:
            expected = self.model[key].start_next()
            started = self.run(self.store.start_next(self.ids[key]))
            assert (started and started.id) == (expected and expected.id)

    @rule(number=MESSAGES)
    def restart(self, number: int) -> None:
        if found := self.find(number):
            _, turn = found
            turn.attempts += turn.state in UNDER_WAY
            restarted = self.run(self.store.restart(turn.id))
            assert (restarted is not None) == (turn.state in UNDER_WAY)

    @rule(number=MESSAGES)
    def save_reply(self, number: int) -> None:
        if found := self.find(number):
            conversation, turn = found
            moves = turn.state is S.RUNNING
            if moves:
                turn.state, turn.answer = S.DELIVERING, f"answer {number}"
                conversation.said.append((turn, turn.answer))
            saved = self.store.save_reply(turn.id, f"answer {number}", "model", Usage())
            assert self.run(saved) == moves

    @rule(number=MESSAGES)
    def finish(self, number: int) -> None:
        if found := self.find(number):
            _, turn = found
            moves = turn.state is S.DELIVERING
            if moves:
                turn.state = S.DONE
            assert self.run(self.store.finish(turn.id)) == moves

    @rule(number=MESSAGES, state=st.sampled_from([S.FAILED, S.CANCELLED, S.REJECTED]))
    def end(self, number: int, state: S) -> None:
        if found := self.find(number):
            conversation, turn = found
            moves = not turn.state.is_final
            if state is S.REJECTED:
                moves = moves and turn.state is not S.DELIVERING
            if moves:
                conversation.end(turn, state)
            ends = {
                S.FAILED: self.store.fail,
                S.CANCELLED: self.store.cancel,
                S.REJECTED: self.store.reject,
            }
            assert self.run(ends[state](turn.id, "because")) == moves

    @rule(key=st.sampled_from([KEY, OTHER]), before=MESSAGES)
    def clear(self, key: ThreadKey, before: int) -> None:
        expected = self.model[key].clear(before) if key in self.model else []
        assert self.run(self.store.clear(key, at(before))) == expected

    @rule()
    def reopen(self) -> None:
        self.run(self.stack.aclose())
        self.open()

    @invariant()
    def turns_are_as_the_model_says(self) -> None:
        for conversation in self.model.values():
            for turn in conversation.turns.values():
                stored = self.run(self.store.find_turn(turn.id))
                assert stored is not None
                assert (stored.state, stored.attempts, stored.reply_text) == (
                    turn.state,
                    turn.attempts,
                    turn.answer,
                )

    @invariant()
    def unfinished_turns_are_as_the_model_says(self) -> None:
        expected = [turn for one in self.model.values() for turn in one.unfinished()]
        expected.sort(key=lambda turn: turn.number)
        unfinished = self.run(self.store.load_unfinished())
        assert [turn.id for turn in unfinished] == [turn.id for turn in expected]

    @invariant()
    def what_is_sent_is_as_the_model_says(self) -> None:
        for key, conversation in self.model.items():
            sent = [message.text for message in self.run(self.store.load(key)).messages]
            assert sent == conversation.sent()
            info = self.run(self.store.find_conversation(key))
            assert info is not None
            assert info.message_count == len(sent)

    @invariant()
    def history_has_everything_with_what_waits_last(self) -> None:
        for key, conversation in self.model.items():
            waiting = [turn for turn in conversation.unfinished() if turn.state is S.QUEUED]
            expected = [text for _, text in conversation.said]
            expected += [f"question {turn.number}" for turn in waiting]
            history = self.run(self.store.load_history(key))
            assert [one.message.text for one in history] == expected
            sent = [one.message.text for one in history if one.is_sent]
            assert sent == [*conversation.sent(), *expected[len(conversation.said) :]]


TestJournalModel = JournalMachine.TestCase
TestJournalModel.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    database=None,
    # Each step syncs to the disk: shrinking a failure would outlast the test's time.
    phases=[Phase.generate],
)
