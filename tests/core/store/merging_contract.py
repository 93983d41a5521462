"""What every store promises of turns that are answered together."""

from __future__ import annotations

import pytest

from core.conversation import Turn, TurnState, Usage
from core.store.base import Store
from tests.core.store.values import BEN, KEY, OpenStore, ask, at, get_turn, load_texts, queue

S = TurnState


async def states(store: Store, *turns: Turn) -> list[TurnState]:
    return [(await get_turn(store, turn.id)).state for turn in turns]


async def queue_two(store: Store) -> tuple[Turn, Turn]:
    return await queue(store, ask(1)), await queue(store, ask(2))


async def start_merged(store: Store, queued: Turn) -> Turn:
    lead = await store.start_next(queued.conversation_id, is_merging=True)
    assert lead is not None
    return lead


class MergingContract:
    """What waits is answered by one reply, which belongs to the latest question."""

    async def test_latest_question_leads_all_that_wait(self, store: Store) -> None:
        turns = [await queue(store, ask(seconds)) for seconds in (2, 3, 1)]
        lead = await start_merged(store, turns[0])
        assert (lead.id, lead.state, lead.merged_into) == (turns[1].id, S.RUNNING, None)
        for merged in (turns[0], turns[2]):
            merged = await get_turn(store, merged.id)
            assert (merged.state, merged.merged_into) == (S.QUEUED, lead.id)
        assert await load_texts(store) == ["question 1", "question 2", "question 3"]

    async def test_question_that_comes_later_waits_for_the_next_turn(self, store: Store) -> None:
        turn = await start_merged(store, await queue(store, ask(1)))
        assert (turn.state, turn.merged_into) == (S.RUNNING, None)
        later = await queue(store, ask(2))
        assert await store.start_next(turn.conversation_id, is_merging=True) is None
        assert (await get_turn(store, later.id)).merged_into is None

    async def test_what_a_reply_answers_too_can_be_read(self, store: Store) -> None:
        first, second = await queue_two(store)
        assert await store.load_merged(second) == []
        lead = await start_merged(store, first)
        assert [turn.id for turn in await store.load_merged(lead)] == [first.id]

    async def test_all_end_done_with_one_reply(self, store: Store) -> None:
        turns = await queue_two(store)
        lead = await start_merged(store, turns[0])
        assert await store.save_reply(lead, "answer", "model", Usage())
        assert await states(store, *turns) == [S.QUEUED, S.DELIVERING]
        assert await store.finish(lead)
        assert not await store.finish(lead)
        assert await states(store, *turns) == [S.DONE, S.DONE]
        assert (await get_turn(store, turns[0].id)).reply_text is None
        assert await load_texts(store) == ["question 1", "question 2", "answer"]
        assert await store.load_unfinished() == []

    @pytest.mark.parametrize("move", ["fail", "cancel", "reject"])
    async def test_all_end_alike_without_an_answer(self, store: Store, move: str) -> None:
        turns = await queue_two(store)
        lead = await start_merged(store, turns[0])
        later = await queue(store, ask(3))
        assert await getattr(store, move)(lead, "because")
        first, second = [await get_turn(store, turn.id) for turn in turns]
        assert first.state is second.state
        assert (first.state.is_final, first.error, second.error) == (True, "because", "because")
        assert await states(store, later) == [S.QUEUED]
        assert await load_texts(store) == []

    async def test_limit_of_one_person_refuses_no_question_of_another(self, store: Store) -> None:
        bens = await queue(store, ask(1, author=BEN))
        anns = [await queue(store, ask(seconds)) for seconds in (2, 3)]
        lead = await start_merged(store, bens)
        assert await store.reject(lead, "too many")
        assert await states(store, bens, *anns) == [S.QUEUED, S.REJECTED, S.REJECTED]
        assert await load_texts(store) == []
        freed = await start_merged(store, bens)
        assert (freed.id, freed.merged_into) == (bens.id, None)
        assert await load_texts(store) == ["question 1"]

    async def test_late_refusal_frees_nothing(self, store: Store) -> None:
        bens = await queue(store, ask(1, author=BEN))
        lead = await start_merged(store, await queue(store, ask(2)))
        assert await store.save_reply(lead, "answer", "model", Usage())
        assert not await store.reject(lead, "late")
        assert (await get_turn(store, bens.id)).merged_into == lead.id

    async def test_answer_that_was_not_delivered_stays_with_all_its_questions(
        self, store: Store
    ) -> None:
        turns = await queue_two(store)
        lead = await start_merged(store, turns[0])
        assert await store.save_reply(lead, "answer", "model", Usage())
        assert await store.fail(lead, "not delivered")
        assert await states(store, *turns) == [S.FAILED, S.FAILED]
        assert await load_texts(store) == ["question 1", "question 2", "answer"]

    async def test_merged_turns_follow_a_lead_that_is_taken_over(
        self, store: Store, open_store: OpenStore
    ) -> None:
        turns = await queue_two(store)
        lead = await start_merged(store, turns[0])
        await store.hand_back()
        async with open_store() as other:
            assert await other.start_next(lead.conversation_id) is None
            taken = await other.take_over(lead.conversation_id)
            assert taken is not None
            assert taken.id == lead.id
            assert not await store.fail(lead, "late")
            assert await states(other, *turns) == [S.QUEUED, S.RUNNING]
            assert await other.save_reply(taken, "answer", "model", Usage())
            assert not await store.finish(lead)
            assert await states(other, *turns) == [S.QUEUED, S.DELIVERING]
            assert await other.finish(taken)
            assert await states(other, *turns) == [S.DONE, S.DONE]

    async def test_clearing_in_between_takes_the_older_question_out(self, store: Store) -> None:
        turns = await queue_two(store)
        lead = await start_merged(store, turns[0])
        assert await store.clear(KEY, at(1)) == [turns[0].id]
        assert await load_texts(store) == ["question 2"]
        assert await store.save_reply(lead, "answer", "model", Usage())
        assert await store.finish(lead)
        assert await states(store, *turns) == [S.CANCELLED, S.DONE]
        assert await load_texts(store) == ["question 2", "answer"]

    async def test_clearing_all_cancels_lead_and_merged(self, store: Store) -> None:
        turns = await queue_two(store)
        lead = await start_merged(store, turns[0])
        assert await store.clear(KEY, at(2)) == [turn.id for turn in turns]
        assert not await store.save_reply(lead, "late", "model", Usage())
        assert await states(store, *turns) == [S.CANCELLED, S.CANCELLED]

    async def test_merged_question_can_be_taken_back_alone(self, store: Store) -> None:
        turns = await queue_two(store)
        lead = await start_merged(store, turns[0])
        assert await store.cancel(turns[0], "deleted")
        assert await store.save_reply(lead, "answer", "model", Usage())
        assert await store.finish(lead)
        assert await states(store, *turns) == [S.CANCELLED, S.DONE]
        assert await load_texts(store) == ["question 2", "answer"]
