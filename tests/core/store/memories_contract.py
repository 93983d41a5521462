"""What every store promises of summaries and pins. Each backend runs it through the `store` fixture."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.app import find_backend
from core.conversation import ReplyMessage, ThreadKey
from core.store.base import Memory, Pin, Store, Summary
from core.store.rooms.memories import PlacePrompts
from tests.core.store.values import (
    ANN,
    BEN,
    KEY,
    OTHER,
    Calendar,
    OpenStore,
    ask,
    at,
    complete,
    open_url,
    queue,
    start,
)

MINUTE = timedelta(minutes=1)


async def begin(store: Store, turns: int = 3) -> int:
    for seconds in range(turns - 1):
        await complete(store, ask(seconds), f"answer {seconds}")
    turn = await complete(store, ask(turns - 1), f"answer {turns - 1}")
    return turn.conversation_id


async def pins(store: Store) -> list[tuple[int, str]]:
    return [(pin.number, pin.text) for pin in (await store.load_memory(KEY)).pins]


class MemoriesContract:
    """A conversation keeps a summary of what is sent no more, and what people pinned."""

    async def test_unknown_conversation_has_nothing(self, store: Store) -> None:
        assert await store.load_memory(KEY) == Memory()

    async def test_memory_has_the_choices(self, store: Store) -> None:
        await store.set_model(KEY, "demo/echo")
        await store.set_system_prompt(KEY, "Be brief.")
        memory = await store.load_memory(KEY)
        assert (memory.model, memory.system_prompt) == ("demo/echo", "Be brief.")
        assert memory.summarized_until == 0

    async def test_span_is_read_from_its_beginning(self, store: Store) -> None:
        conversation_id = await begin(store)
        failed = await start(store, ask(7))
        await store.fail(failed, "no")
        span = await store.load_span(conversation_id, 1, 9, 3)
        assert [(each.position, each.text) for each in span] == [
            (2, "answer 0"),
            (3, "question 1"),
            (4, "answer 1"),
        ]
        span = await store.load_span(conversation_id, 4, 5, 9)
        assert [each.text for each in span] == ["question 2"]
        assert [each.position for each in await store.load_span(conversation_id, 4, 9, 9)] == [5, 6]

    async def test_load_begins_behind_a_position(self, store: Store) -> None:
        await begin(store)
        await start(store, ask(5))
        conversation = await store.load(KEY, after=4)
        assert [each.text for each in conversation.messages] == [
            "question 2",
            "answer 2",
            "question 5",
        ]
        assert [each.position for each in conversation.messages] == [5, 6, 7]
        conversation = await store.load(KEY, max_chars=0, after=4)
        assert conversation.left_out is not None
        assert (conversation.left_out.after, conversation.left_out.until) == (4, 6)

    async def test_summary_is_made_longer_step_by_step(self, store: Store) -> None:
        conversation_id = await begin(store)
        first, second = Summary(0, 2, "one", "m"), Summary(0, 4, "one and two", "m")
        assert await store.claim_summary(conversation_id, MINUTE)
        assert (await store.load_memory(KEY)).summary is None
        assert await store.save_summary(conversation_id, None, first)
        assert (await store.load_memory(KEY)).summary == first
        assert await store.save_summary(conversation_id, first, second)
        assert (await store.load_memory(KEY)).summary == second
        assert (await store.load_memory(KEY)).summarized_until == 4

    async def test_summary_made_from_another_one_changes_nothing(self, store: Store) -> None:
        conversation_id = await begin(store)
        first = Summary(0, 2, "one", "m")
        await store.claim_summary(conversation_id, MINUTE)
        await store.save_summary(conversation_id, None, first)
        assert not await store.save_summary(conversation_id, None, Summary(0, 4, "x", "m"))
        assert (await store.load_memory(KEY)).summary == first

    async def test_summary_is_claimed_by_one_until_it_is_released(
        self, store: Store, open_store: OpenStore
    ) -> None:
        conversation_id = await begin(store)
        async with open_store() as other:
            assert await store.claim_summary(conversation_id, MINUTE)
            assert await store.claim_summary(conversation_id, MINUTE)
            assert not await other.claim_summary(conversation_id, MINUTE)
            await other.release_summary(conversation_id)
            assert not await other.claim_summary(conversation_id, MINUTE)
            await store.release_summary(conversation_id)
            assert await other.claim_summary(conversation_id, -MINUTE)
            assert await store.claim_summary(conversation_id, MINUTE)

    async def test_claim_of_a_process_that_died_is_no_ones_after_the_next_start(
        self, store: Store, url: str, calendar: Calendar
    ) -> None:
        conversation_id = await begin(store)
        assert await store.claim_summary(conversation_id, MINUTE)
        lock = find_backend(url).lock_runner(url)
        async with lock, open_url(url, now=calendar.now) as other:
            assert not await other.claim_summary(conversation_id, MINUTE)
            await other.free_the_deads()
            assert await other.claim_summary(conversation_id, MINUTE)

    async def test_clear_drops_the_summary(self, store: Store) -> None:
        conversation_id = await begin(store)
        await store.claim_summary(conversation_id, MINUTE)
        await store.save_summary(conversation_id, None, Summary(0, 4, "secret", "m"))
        await store.clear(KEY, at(9))
        memory = await store.load_memory(KEY)
        assert (memory.summary, memory.cleared_position) == (None, 6)
        late = Summary(0, 6, "secret, too", "m")
        assert not await store.save_summary(conversation_id, Summary(0, 4, "secret", "m"), late)
        assert (await store.load_memory(KEY)).summary is None
        await complete(store, ask(10))
        afresh = Summary(6, 8, "new", "m")
        assert await store.save_summary(conversation_id, None, afresh)
        assert (await store.load_memory(KEY)).summary == afresh

    async def test_clear_that_clears_nothing_keeps_the_summary(self, store: Store) -> None:
        conversation_id = await begin(store)
        await store.claim_summary(conversation_id, MINUTE)
        await store.save_summary(conversation_id, None, Summary(0, 2, "kept", "m"))
        await store.clear(KEY, at(-1))
        assert (await store.load_memory(KEY)).summary is not None

    async def test_text_can_be_pinned_before_the_first_question(self, store: Store) -> None:
        assert await store.add_pin(KEY, "We ship on Friday.", ANN, at(1), 5) == 1
        assert await store.add_pin(KEY, "Answer in French.", BEN, at(1), 5) == 2
        assert await store.add_pin(KEY, "We ship on Friday.", BEN, at(1), 5) == 1
        assert (await store.load_memory(KEY)).pins == (
            Pin(1, "We ship on Friday.", author=ANN),
            Pin(2, "Answer in French.", author=BEN),
        )

    async def test_newest_message_is_pinned(self, store: Store) -> None:
        await begin(store)
        await queue(store, ask(9))
        pin = await store.pin_message(KEY, None, at(9), 5)
        assert pin == Pin(1, "answer 2", "assistant", None, 6)
        assert await store.pin_message(KEY, None, at(9), 5) == pin
        assert (await store.load_memory(KEY)).pins == (pin,)

    async def test_message_is_pinned_by_the_id_that_the_platform_gave(self, store: Store) -> None:
        turn = await complete(store, ask(1), "answer 1")
        await store.add_reply_message(turn, ReplyMessage(0, "r0"))
        await store.add_reply_message(turn, ReplyMessage(1, "r1"))
        await store.add_reply_message(turn, ReplyMessage.notice("n"))
        question = await store.pin_message(KEY, "m1", at(1), 5)
        answer = await store.pin_message(KEY, "r1", at(1), 5)
        assert question is not None
        assert answer is not None
        assert (question.text, question.author) == ("question 1", ANN)
        assert (answer.text, answer.number) == ("answer 1", 2)
        assert await store.pin_message(KEY, "r0", at(1), 5) == answer
        for unknown in ("n", "m2"):
            with pytest.raises(KeyError):
                await store.pin_message(KEY, unknown, at(1), 5)

    async def test_what_is_not_sent_cannot_be_pinned(self, store: Store) -> None:
        with pytest.raises(KeyError):
            await store.pin_message(KEY, None, at(1), 5)
        failed = await start(store, ask(1))
        await store.fail(failed, "no")
        await complete(store, ask(2))
        await store.clear(KEY, at(2))
        for message_id in ("m1", "m2", None):
            with pytest.raises(KeyError):
                await store.pin_message(KEY, message_id, at(3), 5)

    async def test_pin_of_a_question_that_fails_is_not_sent(self, store: Store) -> None:
        turn = await start(store, ask(1))
        assert await store.pin_message(KEY, "m1", at(1), 5)
        await store.fail(turn, "no")
        assert (await store.load_memory(KEY)).pins == ()

    async def test_pins_have_a_limit(self, store: Store) -> None:
        await begin(store)
        await store.add_pin(KEY, "one", None, at(1), 2)
        await store.add_pin(KEY, "two", None, at(1), 2)
        assert await store.add_pin(KEY, "three", None, at(1), 2) is None
        assert await store.pin_message(KEY, None, at(1), 2) is None
        assert await store.add_pin(KEY, "one", None, at(1), 2) == 1

    async def test_pins_are_removed_one_by_one_or_all(self, store: Store) -> None:
        for text in ("one", "two", "three"):
            await store.add_pin(KEY, text, None, at(1), 5)
        assert await store.remove_pins(KEY, 2) == 1
        assert await store.remove_pins(KEY, 2) == 0
        assert await pins(store) == [(1, "one"), (3, "three")]
        assert await store.add_pin(KEY, "four", None, at(1), 5) == 4
        assert await store.remove_pins(KEY) == 3
        assert await store.remove_pins(OTHER) == 0

    async def test_clear_drops_pins_of_that_time(self, store: Store) -> None:
        await begin(store)
        await store.pin_message(KEY, "m1", at(20), 5)
        await store.add_pin(KEY, "early", None, at(3), 5)
        await store.add_pin(KEY, "late", None, at(20), 5)
        await store.clear(KEY, at(9))
        assert await pins(store) == [(3, "late")]

    async def test_places_have_prompts_of_their_own(self, store: Store) -> None:
        await store.set_place_prompt(KEY, "workspace", "Be brief.")
        await store.set_place_prompt(KEY, "channel", "Rhyme.")
        await store.set_place_prompt(KEY, "channel", "Do not rhyme.")
        assert await store.load_place_prompts(OTHER) == PlacePrompts("Be brief.", "Do not rhyme.")
        elsewhere = ThreadKey("slack", "T1", "C2")
        assert await store.load_place_prompts(elsewhere) == PlacePrompts("Be brief.")
        assert await store.load_place_prompts(ThreadKey("slack", "T2", "C1")) == PlacePrompts()
        await store.set_place_prompt(KEY, "workspace", None)
        assert await store.load_place_prompts(KEY) == PlacePrompts("", "Do not rhyme.")

    async def test_pruning_takes_memories_along(self, store: Store, calendar: Calendar) -> None:
        conversation_id = await begin(store)
        await store.pin_message(KEY, None, at(1), 5)
        await store.claim_summary(conversation_id, MINUTE)
        await store.save_summary(conversation_id, None, Summary(0, 2, "x", "m"))
        calendar.advance(days=1)
        assert await store.prune(calendar.now(), 10) == 1
        assert await store.load_memory(KEY) == Memory()
