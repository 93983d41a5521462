"""What becomes of a turn while the store fails: its answer is neither lost nor given twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core import lane, run
from core.conversation import TurnState, Usage
from core.errors import AuthError, DeliveryError, StoreError
from core.run import INTERRUPTED, STORE_AWAY
from core.store.base import Store
from tests.core.cores import OPTIONS, Core, open_core
from tests.fakes import Shown, make_incoming


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lane, "FIRST_BACK_OFF", timedelta())
    monkeypatch.setattr(run, "FIRST_PAUSE", timedelta())


def fail_once(
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    first: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Let the next call of a method fail before it does anything but what is given."""
    does = getattr(store, method)

    async def fail(*of: Any, **named: Any) -> Any:
        monkeypatch.setattr(store, method, does)
        if first is not None:
            await first()
        raise StoreError("away")

    monkeypatch.setattr(store, method, fail)


def said(shown: Sequence[Shown]) -> list[tuple[str, str]]:
    return [(each.text, each.notice) for each in shown if each.text or each.notice]


async def expect_done(core: Core) -> None:
    assert await core.settled(core.sinks.shown[0].turn.id) is TurnState.DONE


async def test_an_answer_waits_for_the_store_and_is_not_asked_for_again(
    core: Core, monkeypatch: pytest.MonkeyPatch
):
    fail_once(core.store, monkeypatch, "save_reply")
    await core.turns.submit(make_incoming("hi"))
    await core.sinks.wait_for(1)
    await expect_done(core)
    assert said(core.sinks.shown) == [("Answer to hi", "")]
    assert len(core.models.requests) == 1


async def test_a_store_that_is_away_for_too_long_is_told_and_the_question_is_taken_up_again(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
):
    async with open_core(sqlite_store, replace(OPTIONS, store_patience=timedelta())) as core:
        fail_once(core.store, monkeypatch, "save_reply")
        await core.turns.submit(make_incoming("hi"))
        await core.sinks.wait_for(2)
        await expect_done(core)
        assert said(core.sinks.shown) == [("Answer to hi", STORE_AWAY), ("Answer to hi", "")]


async def test_an_answer_that_another_process_stored_meanwhile_is_not_delivered_here(
    core: Core, monkeypatch: pytest.MonkeyPatch
):
    async def take_over() -> None:
        turn = await core.store.take_over(core.sinks.shown[0].turn.conversation_id)
        assert turn
        assert await core.store.save_reply(turn, "Theirs", "fake/model", Usage())

    fail_once(core.store, monkeypatch, "save_reply", take_over)
    await core.turns.submit(make_incoming("hi"))
    await core.sinks.wait_for(1)
    await expect_done(core)
    assert said(core.sinks.shown) == [("Theirs", "")]


async def test_a_reply_that_could_not_be_recorded_is_delivered_again_without_asking_again(
    core: Core, monkeypatch: pytest.MonkeyPatch
):
    fail_once(core.store, monkeypatch, "add_reply_message")
    await core.turns.submit(make_incoming("hi"))
    await core.sinks.wait_for(1)
    await expect_done(core)
    assert said(core.sinks.shown) == [("Answer to hi", "")]
    assert len(core.models.requests) == 1


async def test_a_notice_is_left_to_the_process_that_took_the_turn_over(core: Core):
    async def be_taken_over() -> None:
        if len(core.models.requests) == 1:
            await core.store.take_over(core.sinks.shown[0].turn.conversation_id)

    core.models.on_answered = be_taken_over
    core.models.answer = lambda _: ""  # a failure
    await core.turns.submit(make_incoming("hi"))
    shown = await core.sinks.wait_for(1)
    await core.settled(shown[0].turn.id)
    assert [each.turn.attempts for each in core.sinks.shown if each.notice] == [3]


async def test_an_apology_is_left_to_the_process_that_took_the_turn_over(sqlite_store: Store):
    async with open_core(sqlite_store, replace(OPTIONS, max_age=timedelta())) as core:

        async def be_taken_over() -> None:
            if len(core.sinks.shown) == 1:
                await core.store.take_over(core.sinks.shown[0].turn.conversation_id)

        core.sinks.on_start = be_taken_over
        await core.turns.submit(make_incoming("hi"))
        shown = await core.sinks.wait_for(1)
        await core.settled(shown[0].turn.id)
        told = [(each.turn.attempts, each.notice) for each in core.sinks.shown if each.notice]
        assert told == [(3, INTERRUPTED)]


@pytest.mark.parametrize("error", [DeliveryError("archived"), LookupError("nobody expected it")])
async def test_a_notice_that_cannot_be_delivered_ends_the_turn_and_the_next_one_runs(
    core: Core, error: Exception
):
    async def refuse() -> None:
        raise error

    core.sinks.on_fail = refuse
    core.models.answer = lambda request: (
        AuthError("fake/model", "401") if request.messages[-1].text == "hi" else "Yes"
    )
    await core.turns.submit(make_incoming("hi"))
    await core.turns.submit(make_incoming("still there?", number=1))
    await core.sinks.wait_for(1)
    assert await core.settled(core.sinks.shown[0].turn.id) is TurnState.FAILED
    assert said(core.sinks.shown) == [("Yes", "")]


async def test_a_notice_that_cannot_be_recorded_is_told_again(core: Core):
    async def fail_first() -> None:
        if len(core.sinks.shown) == 1:
            raise StoreError("away")

    core.sinks.on_fail = fail_first
    core.models.answer = lambda _: AuthError("fake/model", "401")
    await core.turns.submit(make_incoming("hi"))
    await core.sinks.wait_for(1)
    assert await core.settled(core.sinks.shown[0].turn.id) is TurnState.FAILED
    assert len(said(core.sinks.shown)) == 1
