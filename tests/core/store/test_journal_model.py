"""Any sequence of calls, by two processes, leaves the journal as the plain model says it should be."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from core.conversation import ReplyMessage, ThreadKey, TurnState, Usage
from core.store.database import Transaction
from core.store.sql import SqlStore
from tests.core.store.journal_model import UNDER_WAY, ModelConversation, ModelTurn
from tests.core.store.values import KEY, OTHER, Calendar, ask, at, open_url
from tests.postgres import PostgresServer

S = TurnState
T = TypeVar("T")

COUNT = 16
KEYS = st.sampled_from([KEY, OTHER])
MESSAGES = st.integers(0, COUNT - 1)
"""A message is sent at the second that is its number, even ones here and odd ones there."""
TARGETS = st.one_of(KEYS, KEYS, MESSAGES)
"""A turn: the one under way in a conversation, so that much happens, or that of any message."""
ATTEMPTS = st.sampled_from([-1, -1, 0, 1])
"""Whose call it is: mostly that of the last attempt, else of one that may have been taken over."""
PROCESSES = st.sampled_from([0, 0, 0, 1])
PARTS = st.integers(0, 2)
REPLY_IDS = st.sampled_from(["r0", "r1", "r2"])
ENDS = st.sampled_from([S.FAILED, S.CANCELLED, S.REJECTED])


def key_of(number: int) -> ThreadKey:
    return OTHER if number % 2 else KEY


class JournalMachine(RuleBasedStateMachine):
    """Calls the store and the model, and compares what they say."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.runner = asyncio.Runner()
        self.calendar = Calendar()
        self.model: dict[ThreadKey, ModelConversation] = {}
        self.ids: dict[ThreadKey, int] = {}
        self.opened = [AsyncExitStack(), AsyncExitStack()]
        self.stores = [self.open(stack) for stack in self.opened]

    def open(self, stack: AsyncExitStack) -> SqlStore:
        return self.run(stack.enter_async_context(open_url(self.url, now=self.calendar.now)))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        self.calendar.advance(seconds=1)
        return self.runner.run(work)

    def teardown(self) -> None:
        for stack in self.opened:
            self.run(stack.aclose())
        self.runner.close()

    @property
    def store(self) -> SqlStore:
        return self.stores[0]

    def find(self, target: ThreadKey | int) -> tuple[ModelConversation, ModelTurn] | None:
        conversation = self.model.get(key_of(target) if isinstance(target, int) else target)
        if conversation is None:
            return None
        turn = (
            conversation.turns.get(target) if isinstance(target, int) else conversation.under_way()
        )
        return (conversation, turn) if turn else None

    def touch(self, key: ThreadKey) -> ModelConversation:
        new = ModelConversation(self.store.is_shared, self.calendar.now())
        conversation = self.model.setdefault(key, new)
        conversation.touched_at = self.calendar.now()
        return conversation

    def remember(self, number: int, state: S) -> None:
        """Add a message that was just recorded to the model."""
        recorded = self.run(self.store.record(ask(number, key=key_of(number))))
        assert not recorded.is_new
        turn = ModelTurn(number, [recorded.turn], state)
        self.model[key_of(number)].turns[number] = turn
        self.ids[key_of(number)] = recorded.turn.conversation_id

    @initialize(numbers=st.sets(MESSAGES, min_size=COUNT // 2))
    def begin(self, numbers: set[int]) -> None:
        for number in numbers:
            self.record(number, 0)

    @rule(number=MESSAGES, process=PROCESSES)
    def record(self, number: int, process: int) -> None:
        known = self.find(number)
        recorded = self.run(self.stores[process].record(ask(number, key=key_of(number))))
        assert recorded.is_new == (known is None)
        if known:
            assert (recorded.turn.id, recorded.turn.state) == (known[1].id, known[1].state)
        else:
            self.touch(key_of(number))
            self.remember(number, S.QUEUED)

    @rule(number=MESSAGES)
    def record_command(self, number: int) -> None:
        is_new = self.find(number) is None
        assert self.run(self.store.record_command(ask(number, key=key_of(number)))) == is_new
        self.touch(key_of(number))
        if is_new:
            self.remember(number, S.DONE)

    @rule(key=KEYS, times=st.integers(1, 3), is_merging=st.booleans())
    def advance(self, key: ThreadKey, times: int, is_merging: bool) -> None:
        """Do what comes next in a conversation."""
        for _ in range(times):
            found = self.find(key)
            if found is None:
                self.start_next(key, 0, is_merging)
            elif found[1].state is S.RUNNING:
                self.save_reply(key, -1)
            else:
                self.finish(key, -1)

    @rule(key=KEYS, process=PROCESSES, is_merging=st.booleans())
    def start_next(self, key: ThreadKey, process: int, is_merging: bool) -> None:
        store = self.stores[process]
        if key in self.model:
            expected = self.model[key].start_next(store.holder, is_merging=is_merging)
            started = self.run(store.start_next(self.ids[key], is_merging=is_merging))
            assert (started and started.id) == (expected and expected.id)
            if expected and started:
                expected.handles.append(started)

    @rule(key=KEYS, process=PROCESSES)
    def take_over(self, key: ThreadKey, process: int) -> None:
        store = self.stores[process]
        if key in self.model:
            expected = self.model[key].take_over(store.holder)
            taken = self.run(store.take_over(self.ids[key]))
            assert (taken and taken.id) == (expected and expected.id)
            if expected and taken:
                expected.handles.append(taken)

    @rule(process=PROCESSES)
    def hand_back(self, process: int) -> None:
        store = self.stores[process]
        running = [turn for each in self.model.values() if (turn := each.under_way())]
        held = [turn for turn in running if turn.holder == store.holder]
        for turn in held:
            turn.holder, turn.is_lease_over = None, True
        assert self.run(store.hand_back()) == len(held)

    @rule(process=PROCESSES)
    def die(self, process: int) -> None:
        """Come back as another process, which holds nothing of what this one held."""
        self.run(self.opened[process].aclose())
        self.stores[process] = self.open(self.opened[process])

    @rule(key=KEYS)
    def let_the_lease_run_out(self, key: ThreadKey) -> None:
        if found := self.find(key):
            _, turn = found
            turn.is_lease_over = True

            async def work(transaction: Transaction) -> None:
                await transaction.find(
                    "extend", turn_id=turn.id, attempt=turn.attempts, lease_until=at(0)
                )

            self.run(self.store.database.write(work))

    @rule(of=TARGETS, attempt=ATTEMPTS)
    def extend(self, of: ThreadKey | int, attempt: int) -> None:
        if found := self.find(of):
            _, turn = found
            handle, is_last = turn.handle(attempt)
            extends = is_last and turn.state in UNDER_WAY
            if extends and self.store.is_shared:
                turn.is_lease_over = False
            assert self.run(self.store.extend(handle)) == extends

    @rule(of=TARGETS, attempt=ATTEMPTS)
    def save_reply(self, of: ThreadKey | int, attempt: int) -> None:
        if found := self.find(of):
            conversation, turn = found
            text = f"answer {turn.number}"
            handle, is_last = turn.handle(attempt)
            moves = is_last and turn.state is S.RUNNING
            assert self.run(self.store.save_reply(handle, text, "model", Usage())) == moves
            if moves:
                conversation.save_reply(turn, text)
                self.touch(handle.key)

    @rule(of=TARGETS, attempt=ATTEMPTS, part=PARTS, message_id=REPLY_IDS)
    def add_reply(self, of: ThreadKey | int, attempt: int, part: int, message_id: str) -> None:
        if found := self.find(of):
            _, turn = found
            handle, is_last = turn.handle(attempt)
            reply = ReplyMessage(part, message_id)
            assert self.run(self.store.add_reply_message(handle, reply)) == is_last
            if is_last:
                turn.add_reply(part, message_id)

    @rule(of=TARGETS, attempt=ATTEMPTS, message_id=REPLY_IDS)
    def remove_reply(self, of: ThreadKey | int, attempt: int, message_id: str) -> None:
        if found := self.find(of):
            _, turn = found
            handle, is_last = turn.handle(attempt)
            reply = ReplyMessage(0, message_id)
            assert self.run(self.store.remove_reply_message(handle, reply)) == is_last
            if is_last:
                turn.remove_reply(message_id)

    @rule(of=TARGETS, attempt=ATTEMPTS)
    def finish(self, of: ThreadKey | int, attempt: int) -> None:
        if found := self.find(of):
            conversation, turn = found
            handle, is_last = turn.handle(attempt)
            moves = is_last and turn.state is S.DELIVERING
            if moves:
                conversation.end(turn, S.DONE)
            assert self.run(self.store.finish(handle)) == moves

    @rule(of=TARGETS, state=ENDS, attempt=ATTEMPTS)
    def end(self, of: ThreadKey | int, state: S, attempt: int) -> None:
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
            assert self.run(ends[state](handle, "because")) == moves

    @rule(key=KEYS, before=MESSAGES)
    def clear(self, key: ThreadKey, before: int) -> None:
        expected = self.model[key].clear(before) if key in self.model else []
        assert self.run(self.store.clear(key, at(before))) == expected

    @rule(key=KEYS)
    def prune_what_is_as_old_as(self, key: ThreadKey) -> None:
        if key in self.model:
            since = self.model[key].touched_at
            since += at(1) - at(0)
            gone = [
                each
                for each, conversation in self.model.items()
                if conversation.touched_at < since and not conversation.unfinished()
            ]
            for each in gone:
                del self.model[each]
            assert self.run(self.store.prune(since, limit=10)) == len(gone)

    @invariant()
    def compare(self) -> None:
        """Hold all that can be read against the model."""
        self.run(self.compare_all())

    async def compare_all(self) -> None:
        unfinished: list[ModelTurn] = []
        for key, conversation in self.model.items():
            unfinished += conversation.unfinished()
            await self.compare_turns(conversation)
            await self.compare_messages(key, conversation)
        unfinished.sort(key=lambda turn: turn.number)
        stored = await self.store.load_unfinished()
        assert [turn.id for turn in stored] == [turn.id for turn in unfinished]
        waiting = {self.ids[key] for key, each in self.model.items() if each.is_waiting()}
        assert set(await self.store.load_waiting("slack")) == waiting

    async def compare_turns(self, conversation: ModelConversation) -> None:
        for turn in conversation.turns.values():
            stored = await self.store.find_turn(turn.id)
            assert stored is not None
            assert (stored.state, stored.attempts, stored.crashes) == (
                turn.state,
                turn.attempts,
                turn.crashes,
            )
            assert stored.merged_into == (turn.merged_into and turn.merged_into.id)
            assert stored.reply_text == turn.answer
            assert stored.replies == turn.expected_replies()

    async def compare_messages(self, key: ThreadKey, conversation: ModelConversation) -> None:
        sent = [message.text for message in (await self.store.load(key)).messages]
        assert sent == conversation.sent()
        info = await self.store.find_conversation(key)
        assert info is not None
        assert (info.message_count, info.first_text) == (len(sent), conversation.first_text())
        said = [text for _, text in conversation.said]
        waiting = [turn.question for turn in conversation.unfinished() if turn.waits]
        history = await self.store.load_history(key)
        assert [one.message.text for one in history] == said + waiting
        assert [one.message.text for one in history if one.is_sent] == sent + waiting


def check(make_url: Callable[[], str], max_examples: int) -> None:
    """Let hypothesis choose the calls."""

    class FreshJournal(JournalMachine):
        def __init__(self) -> None:
            super().__init__(make_url())

    run_state_machine_as_test(
        FreshJournal,
        settings=settings(
            max_examples=max_examples,
            stateful_step_count=40,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
            # Each step syncs to the disk: shrinking a failure would outlast the test's time.
            phases=[Phase.generate],
        ),
    )


def test_journal_in_sqlite_is_as_the_model_says_after_any_calls() -> None:
    with tempfile.TemporaryDirectory() as folder:
        names = iter(range(10_000))
        check(lambda: f"sqlite:///{folder}/skein{next(names)}.db", max_examples=25)


def test_journal_in_postgres_is_as_the_model_says_after_any_calls(
    postgres: PostgresServer,
) -> None:
    check(postgres.make_database, max_examples=12)
