"""What holds for every SQL backend, below the store's own methods."""

from __future__ import annotations

import asyncio

import pytest

from core.conversation import ReplyMessage, TurnState
from core.store.database import Transaction
from core.store.rows import render_key
from tests.core.store.values import (
    KEY,
    answer,
    ask,
    at,
    complete,
    get_turn,
    open_url,
    start,
)


async def test_failed_transaction_leaves_nothing_and_the_next_one_works(url: str) -> None:
    async with open_url(url) as store:
        turn = await start(store, ask(1))

        async def break_off(transaction: Transaction) -> None:
            await transaction.load("cancel", turn_id=turn.id, attempt=1, reason="half", now=at(0))
            raise ValueError("in the middle")

        with pytest.raises(ValueError, match="in the middle"):
            await store.database.write(break_off)
        assert await get_turn(store, turn.id) == turn
        assert await store.cancel(turn, "whole")


async def test_rows_of_a_conversation_are_those_of_what_is_sent(url: str) -> None:
    async with open_url(url) as store:
        await complete(store, ask(0))
        for seconds in range(1, 6):
            await store.fail(await start(store, ask(seconds)), "no answer")
        await start(store, ask(6))
        query = {**render_key(KEY), "max_chars": 10**6, "after": 0}
        rows = await store.database.load("load_conversation", **query)
        assert [row["place"] for row in rows if row["place"]] == [1, 2, 8]


async def test_cancelled_transaction_goes_on_before_the_next_one(url: str) -> None:
    async with open_url(url) as store:
        turn = await answer(store, ask(1))
        is_inside, may_go_on = asyncio.Event(), asyncio.Event()

        async def wait_inside(transaction: Transaction) -> None:
            await transaction.find("extend", turn_id=turn.id, attempt=1, lease_until=at(100))
            is_inside.set()
            await may_go_on.wait()
            await transaction.load("finish", turn_id=turn.id, attempt=1, now=at(2))

        async with asyncio.timeout(10):
            first = asyncio.create_task(store.database.write(wait_inside))
            await is_inside.wait()
            second = asyncio.create_task(store.fail(turn, "too late"))
            first.cancel()
            await asyncio.wait([first])
            assert first.cancelled()
            may_go_on.set()
            assert not await second
        assert (await get_turn(store, turn.id)).state is TurnState.DONE


async def test_close_waits_for_the_writes_under_way(url: str) -> None:
    async with open_url(url) as store:
        turn = await start(store, ask(1))
        write = asyncio.create_task(store.add_reply_message(turn, ReplyMessage(0, "r0")))
        await asyncio.sleep(0)
        write.cancel()
    async with open_url(url) as store:
        assert (await get_turn(store, turn.id)).replies == (ReplyMessage(0, "r0"),)


async def test_long_history_keeps_its_order(url: str) -> None:
    async with open_url(url) as store:
        for number in range(30):
            await complete(store, ask(number), f"answer {number}")
        assert await store.clear(KEY, at(9)) == []
        texts = [message.text for message in (await store.load(KEY)).messages]
    assert texts[:2] == ["question 10", "answer 10"]
    assert texts[-1] == "answer 29"
    assert len(texts) == 40
