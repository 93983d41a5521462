"""Any sequence of calls leaves the journal as a model of a few lines says it should be."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from core.conversation import ThreadKey, Turn, TurnState, Usage
from core.store.base import Store
from tests.core.store.values import KEY, OTHER, ask, at, open_url
from tests.postgres import PostgresServer

S = TurnState
UNDER_WAY = (S.RUNNING, S.DELIVERING)

COUNT = 16
KEYS = st.sampled_from([KEY, OTHER])
MESSAGES = st.integers(0, COUNT - 1)
"""A message is sent at the second that is its number, even ones here and odd ones there."""
TARGETS = st.one_of(KEYS, KEYS, MESSAGES)
"""A turn: the one under way in a conversation, so that much happens, or that of any message."""
ATTEMPTS = st.sampled_from([-1, -1, 0, 1])
"""Whose call it is: mostly that of the last attempt, else of one that may have been taken over."""
ENDS = st.sampled_from([S.FAILED, S.CANCELLED, S.REJECTED])

CALLS = st.one_of(
    st.tuples(st.just("record"), MESSAGES),
    st.tuples(st.just("advance"), KEYS),
    st.tuples(st.just("advance_twice"), KEYS),
    st.tuples(st.just("start_next"), KEYS),
    st.tuples(st.just("take_over"), KEYS),
    st.tuples(st.sampled_from(["save_reply", "finish", "extend"]), TARGETS, ATTEMPTS),
    st.tuples(st.just("end"), TARGETS, ENDS, ATTEMPTS),
    st.tuples(st.just("clear"), KEYS, MESSAGES),
)


@dataclass
class ModelTurn:
    number: int
    handles: list[Turn]
    """The turn as it was recorded, and as each attempt got it."""
    state: S = S.QUEUED
    attempts: int = 0
    answer: str | None = None
    is_sent: bool = True

    @property
    def id(self) -> int:
        return self.handles[0].id

    def handle(self, attempt: int) -> tuple[Turn, bool]:
        """What an attempt has in hand, and whether that attempt is the last."""
        handle = self.handles[min(attempt, len(self.handles) - 1)]
        return handle, handle.attempts == self.attempts


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

    def first_text(self) -> str:
        texts = (text for turn, text in self.said[self.cleared :] if turn.is_sent)
        return next((text for text in texts if text.startswith("question")), "")

    def sent(self) -> list[str]:
        return [text for turn, text in self.said[self.cleared :] if turn.is_sent]


class SideBySide:
    """Calls the store and the model, and compares what they say."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.model: dict[ThreadKey, ModelConversation] = {}
        self.ids: dict[ThreadKey, int] = {}

    def find(self, target: ThreadKey | int) -> tuple[ModelConversation, ModelTurn] | None:
        key = self.key(target) if isinstance(target, int) else target
        for turn in self.model[key].turns.values() if key in self.model else ():
            if turn.number == target or (key == target and turn.state in UNDER_WAY):
                return self.model[key], turn
        return None

    @staticmethod
    def key(number: int) -> ThreadKey:
        return OTHER if number % 2 else KEY

    async def record(self, number: int) -> None:
        recorded = await self.store.record(ask(number, key=self.key(number)))
        conversation = self.model.setdefault(self.key(number), ModelConversation())
        assert recorded.is_new == (number not in conversation.turns)
        turn = conversation.turns.setdefault(number, ModelTurn(number, [recorded.turn]))
        assert (recorded.turn.id, recorded.turn.state) == (turn.id, turn.state)
        self.ids[self.key(number)] = recorded.turn.conversation_id

    async def advance(self, key: ThreadKey) -> None:
        """Do what comes next in a conversation."""
        found = self.find(key)
        if found is None:
            await self.start_next(key)
        elif found[1].state is S.RUNNING:
            await self.save_reply(key)
        else:
            await self.finish(key)

    async def advance_twice(self, key: ThreadKey) -> None:
        await self.advance(key)
        await self.advance(key)

    async def start_next(self, key: ThreadKey) -> None:
        if key in self.model:
            expected = self.model[key].start_next()
            started = await self.store.start_next(self.ids[key])
            assert (started and started.id) == (expected and expected.id)
            if expected and started:
                expected.handles.append(started)

    async def take_over(self, key: ThreadKey) -> None:
        if key in self.model:
            found = self.find(key)
            taken = await self.store.take_over(self.ids[key])
            assert (taken is not None) == (found is not None)
            if found and taken:
                found[1].attempts += 1
                found[1].handles.append(taken)
                assert (taken.id, taken.attempts) == (found[1].id, found[1].attempts)

    async def extend(self, of: ThreadKey | int, attempt: int = -1) -> None:
        if found := self.find(of):
            _, turn = found
            handle, is_last = turn.handle(attempt)
            assert await self.store.extend(handle) == (is_last and turn.state in UNDER_WAY)

    async def save_reply(self, of: ThreadKey | int, attempt: int = -1) -> None:
        if found := self.find(of):
            conversation, turn = found
            text = f"answer {turn.number}"
            handle, is_last = turn.handle(attempt)
            moves = is_last and turn.state is S.RUNNING
            if moves:
                turn.state, turn.answer = S.DELIVERING, text
                conversation.said.append((turn, text))
            assert await self.store.save_reply(handle, text, "model", Usage()) == moves

    async def finish(self, of: ThreadKey | int, attempt: int = -1) -> None:
        if found := self.find(of):
            _, turn = found
            handle, is_last = turn.handle(attempt)
            moves = is_last and turn.state is S.DELIVERING
            if moves:
                turn.state = S.DONE
            assert await self.store.finish(handle) == moves

    async def end(self, of: ThreadKey | int, state: S, attempt: int) -> None:
        if found := self.find(of):
            conversation, turn = found
            handle, is_last = turn.handle(attempt)
            moves = is_last and not turn.state.is_final
            if state is S.REJECTED:
                moves = moves and turn.state is not S.DELIVERING
            if moves:
                conversation.end(turn, state)
            ends = {
                S.FAILED: self.store.fail,
                S.CANCELLED: self.store.cancel,
                S.REJECTED: self.store.reject,
            }
            assert await ends[state](handle, "because") == moves

    async def clear(self, key: ThreadKey, before: int) -> None:
        expected = self.model[key].clear(before) if key in self.model else []
        assert await self.store.clear(key, at(before)) == expected

    async def compare(self) -> None:
        """Hold all that can be read against the model."""
        unfinished: list[ModelTurn] = []
        for key, conversation in self.model.items():
            unfinished += conversation.unfinished()
            await self.compare_turns(conversation)
            await self.compare_messages(key, conversation)
        unfinished.sort(key=lambda turn: turn.number)
        stored = await self.store.load_unfinished()
        assert [turn.id for turn in stored] == [turn.id for turn in unfinished]

    async def compare_turns(self, conversation: ModelConversation) -> None:
        for turn in conversation.turns.values():
            stored = await self.store.find_turn(turn.id)
            assert stored is not None
            assert (stored.state, stored.attempts) == (turn.state, turn.attempts)
            assert stored.reply_text == turn.answer

    async def compare_messages(self, key: ThreadKey, conversation: ModelConversation) -> None:
        sent = [message.text for message in (await self.store.load(key)).messages]
        assert sent == conversation.sent()
        info = await self.store.find_conversation(key)
        assert info is not None
        assert (info.message_count, info.first_text) == (len(sent), conversation.first_text())
        said = [text for _, text in conversation.said]
        waiting = [
            f"question {turn.number}"
            for turn in conversation.unfinished()
            if turn.state is S.QUEUED
        ]
        history = await self.store.load_history(key)
        assert [one.message.text for one in history] == said + waiting
        assert [one.message.text for one in history if one.is_sent] == sent + waiting


AsyncTest = Callable[..., Awaitable[None]]


def check(max_examples: int) -> Callable[[AsyncTest], AsyncTest]:
    """Let hypothesis choose the calls."""
    chosen = given(
        numbers=st.permutations(range(COUNT)), calls=st.lists(CALLS, min_size=30, max_size=50)
    )
    bounded = settings(
        max_examples=max_examples,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
        # Each step syncs to the disk: shrinking a failure would outlast the test's time.
        phases=[Phase.generate],
    )
    return lambda test: bounded(chosen(test))


async def compare_after(url: str, numbers: list[int], calls: list[tuple[Any, ...]]) -> None:
    async with open_url(url) as store:
        both = SideBySide(store)
        for number in numbers[: COUNT // 2]:
            await both.record(number)
        for name, *values in calls:
            await getattr(both, name)(*values)
            await both.compare()
    async with open_url(url) as both.store:
        await both.compare()


@check(max_examples=25)
async def test_journal_in_sqlite_is_as_the_model_says_after_any_calls(
    numbers: list[int], calls: list[tuple[Any, ...]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        await compare_after(f"sqlite:///{folder}/skein.db", numbers, calls)


@check(max_examples=12)
async def test_journal_in_postgres_is_as_the_model_says_after_any_calls(
    postgres: PostgresServer, numbers: list[int], calls: list[tuple[Any, ...]]
) -> None:
    await compare_after(postgres.make_database(), numbers, calls)
