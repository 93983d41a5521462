"""Another process on the same database: `python -m tests.core.store.worker ACTION URL`.

It says "ready", waits for a line, does its one thing, says how that went, and holds on until its
input ends.
"""

from __future__ import annotations

import asyncio
import sys

from core.errors import StoreBusyError
from core.store.files import lock_runner
from core.store.sqlite import open_sqlite
from tests.core.store.values import ask


def say(word: object) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def record(url: str) -> None:
    async with open_sqlite(url) as store:
        recorded = await store.record(ask(1))
        say("new" if recorded.is_new else "known")
        await asyncio.to_thread(sys.stdin.read)


def lock(url: str) -> None:
    try:
        with lock_runner(url):
            say("locked")
            sys.stdin.read()
    except StoreBusyError:
        say("busy")


if __name__ == "__main__":
    action, url = sys.argv[1:]
    say("ready")
    sys.stdin.readline()
    if action == "record":
        asyncio.run(record(url))
    else:
        lock(url)
