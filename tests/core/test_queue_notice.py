from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from core.beside import beside
from core.queue_notice import QueueNotice, render_place

SOON = timedelta(milliseconds=5)
NEVER = timedelta(hours=1)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_short_wait_is_not_told() -> None:
    shown: list[str] = []
    notice = QueueNotice(shown.append, NEVER)
    async with beside(notice.run()):
        for ahead in (2, 1, 0, None):
            notice.on_place(ahead)
            await settle()
    assert shown == []


async def test_long_wait_is_told_with_the_latest_number() -> None:
    told = asyncio.Queue[str]()
    notice = QueueNotice(told.put_nowait, SOON, SOON)
    async with asyncio.timeout(20), beside(notice.run()):
        notice.on_place(3)
        notice.on_place(2)
        assert await told.get() == "Queued, 2 ahead of you."
        notice.on_place(0)
        assert await told.get() == "Queued, you are next."
    assert told.empty()


async def test_nothing_is_told_once_the_wait_is_over() -> None:
    told = asyncio.Queue[str]()
    notice = QueueNotice(told.put_nowait, SOON, SOON)
    async with asyncio.timeout(20), beside(notice.run()):
        notice.on_place(1)
        await told.get()
        notice.on_place(None)
        await settle()
        notice.on_place(4)
        assert await told.get() == "Queued, 4 ahead of you."


async def test_numbers_that_change_quickly_are_told_seldom() -> None:
    shown: list[str] = []
    notice = QueueNotice(shown.append, timedelta(0), NEVER)
    async with beside(notice.run()):
        for ahead in range(9, 0, -1):
            notice.on_place(ahead)
            await settle()
        await asyncio.sleep(0.02)
        notice.on_place(0)
        await settle()
    assert len(shown) == 1


@pytest.mark.parametrize(
    ("ahead", "text"), [(2, "Queued, 2 ahead of you."), (0, "Queued, you are next.")]
)
def test_place_is_worded(ahead: int, text: str) -> None:
    assert render_place(ahead) == text
