"""On a store that no other process shares, a lease that cannot be renewed leaves no doubt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from core import lease
from core.errors import StoreError
from core.run import STORE_AWAY
from core.store.sqlite import open_sqlite
from tests.core.cores import OPTIONS, Core, open_core
from tests.fakes import make_incoming


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Core]:
    options = replace(OPTIONS, store_patience=timedelta(0))
    async with (
        open_sqlite(f"sqlite:///{tmp_path / 'skein.db'}") as store,
        open_core(store, options) as core,
    ):
        yield core


async def test_a_disk_that_is_full_for_longer_than_a_lease_is_told(
    core: Core, monkeypatch: pytest.MonkeyPatch
):
    asked = asyncio.Event()

    async def refuse(*_: object) -> bool:
        asked.set()
        raise StoreError("the disk is full")

    monkeypatch.setattr(lease, "HEARTBEAT", timedelta(milliseconds=20))
    core.models.hold()
    await core.turns.submit(make_incoming("hi"))
    shown = await core.sinks.wait_for_update()
    clock = lease.read_clock
    with monkeypatch.context() as full:
        full.setattr(lease, "read_clock", lambda: clock() + 60)
        full.setattr(core.store, "extend", refuse)
        full.setattr(core.store, "save_reply", refuse)
        async with asyncio.timeout(20):
            await asked.wait()
        shown.hold.check()
        core.models.release()
        [told] = await core.sinks.wait_for(1)
    assert (told.turn.attempts, told.notice) == (1, STORE_AWAY)
    answered = (await core.sinks.wait_for(2))[-1]
    assert (answered.text, answered.notice) == ("Answer to hi", "")
