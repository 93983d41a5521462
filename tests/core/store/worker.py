"""Another process on the same database: `python -m tests.core.store.worker ACTION URL`.

It says "ready", waits for a line, does its one thing, says how that went, and holds on until its
input ends.
"""

from __future__ import annotations

import asyncio
import sys

from core.app import find_backend
from core.errors import StoreBusyError
from tests.core.store.values import ask


def say(word: object) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def record(url: str) -> None:
    async with find_backend(url).open_store(url) as store:
        recorded = await store.record(ask(1))
        say("new" if recorded.is_new else "known")
        await asyncio.to_thread(sys.stdin.read)


async def start(url: str) -> None:
    async with find_backend(url).open_store(url) as store:
        say("opened")
        await asyncio.to_thread(sys.stdin.readline)
        recorded = await store.record(ask(1))
        started = await store.start_next(recorded.turn.conversation_id)
        say("started" if started else "nothing")
        await asyncio.to_thread(sys.stdin.read)


async def lock(url: str) -> None:
    try:
        async with find_backend(url).lock_runner(url):
            say("locked")
            await asyncio.to_thread(sys.stdin.read)
    except StoreBusyError:
        say("busy")


async def lock_alone(url: str) -> None:
    try:
        async with find_backend(url).lock_alone(url):
            say("locked")
            await asyncio.to_thread(sys.stdin.read)
    except StoreBusyError:
        say("busy")


ACTIONS = {"record": record, "start": start, "lock": lock, "lock_alone": lock_alone}

if __name__ == "__main__":
    action, url = sys.argv[1:]
    say("ready")
    sys.stdin.readline()
    asyncio.run(ACTIONS[action](url))
