"""A process that stands still while another takes over what it had under way says no word of it any more."""

from __future__ import annotations

import asyncio
import signal

import pytest

from core.store.base import LEASE
from tests.core.providers.scripted_server import Answer
from tests.faults.stage import PLATFORMS, Stage, whole
from tests.postgres import PostgresServer


@pytest.mark.timeout(120)
async def test_a_process_that_stalls_past_its_lease_changes_nothing(
    stage: Stage, postgres: PostgresServer
):
    stage.database_url = await asyncio.to_thread(postgres.make_database)
    places = [stage.place(platform) for platform in PLATFORMS]
    gate = asyncio.Event()
    stalled = Answer("The answer to ", "a question that ", gate, *["nobody asks. "] * 5)
    stage.model.play(stalled, stalled)
    async with stage.running(*PLATFORMS) as first:
        for number, place in enumerate(places):
            await place.ask(f"what is q{number}?")
            await place.wait_for_torso("a question that")
        first.process.send_signal(signal.SIGSTOP)
        async with stage.running(*PLATFORMS):
            await asyncio.sleep(LEASE.total_seconds())
            for number, place in enumerate(places):
                await place.wait_for(whole(f"q{number}"))
            gate.set()
            first.process.send_signal(signal.SIGCONT)
            await first.wait_for_line("conversation 1: turn 1.* is not held any more")
            await first.wait_for_line("conversation 2: turn 2.* is not held any more")
    for number, place in enumerate(places):
        assert [view["text"] for view in place.replies()] == [whole(f"q{number}")]
    for platform in PLATFORMS:
        await stage.check(platform)
