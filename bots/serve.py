"""Runs frontends over one core until asked to stop: connect, take up what was left, receive, drain."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Generator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from bots.frontend import Frontend
from core.errors import StoreError
from core.turns import Turns

log = logging.getLogger("skein.serve")

_SIGNALLED = (
    128  # and the signal's number: the exit status of what a signal ended, as shells tell it
)


async def serve(
    frontends: Sequence[Frontend], turns: Turns, stop: asyncio.Event, grace: timedelta
) -> None:
    """Run all frontends until `stop` is set; then let running turns end, for so long as `grace`.

    Raises what ends a frontend for good, TokenRefusedError above all, after the same drain; `stop`
    is set then, too.
    """
    tasks = [asyncio.create_task(_serve_one(frontend, turns, stop)) for frontend in frontends]
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        stop.set()
        stopping.cancel()
        await _wind_down(frontends, turns, tasks, grace)


async def _serve_one(frontend: Frontend, turns: Turns, stop: asyncio.Event) -> None:
    """Connect before taking up old turns: their replies need the connection."""
    who = await frontend.connect()
    if stop.is_set():  # it was told to stop before there was anything to stop
        return
    log.info("%s: connected as %s", frontend.name, who)
    turns.attach(frontend.name, frontend.open_sink, frontend.files, frontend.sign)
    await _resume(frontend, turns)
    await frontend.run()


async def _resume(frontend: Frontend, turns: Turns) -> None:
    """Take up what was left. Where the store is away just now, `Turns.share` does so when it is back."""
    try:
        resumed = await turns.resume(frontend.name)
    except StoreError as error:
        log.warning("%s: unfinished turns are not taken up yet: %s", frontend.name, error)
    else:
        if resumed:
            log.info("%s: took up %d conversations with unfinished turns", frontend.name, resumed)


async def _wind_down(
    frontends: Sequence[Frontend],
    turns: Turns,
    tasks: Sequence[asyncio.Task[None]],
    grace: timedelta,
) -> None:
    """Stop receiving first, so that what is not recorded stays with the platform."""
    for frontend in frontends:
        await _log_failure(frontend.name, frontend.stop())
    if turns.running_count:
        log.info("waiting up to %.0f s for %d turns", grace.total_seconds(), turns.running_count)
    await turns.drain(grace)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await turns.halt()
    for frontend in frontends:
        await _log_failure(frontend.name, frontend.aclose())


async def _log_failure(name: str, step: Coroutine[Any, Any, None]) -> None:
    try:
        await step
    except Exception:
        log.exception("%s: could not stop cleanly", name)


@contextmanager
def stop_on_signals(stop: asyncio.Event) -> Generator[None]:
    """Set the event on SIGTERM or SIGINT; a second signal ends the process where it stands.

    The system would not do so for a container's first process, and a KeyboardInterrupt would wind
    down once more. On Windows, where asyncio takes no signals, the first one ends it as usual.
    """
    loop = asyncio.get_running_loop()
    was_told = False
    signals = () if sys.platform == "win32" else (signal.SIGTERM, signal.SIGINT)

    def on_signal(number: signal.Signals) -> None:
        nonlocal was_told
        if was_told:
            log.warning("%s: ended at once", number.name)
            os._exit(_SIGNALLED + number)
        log.info("%s: stopping; once more ends at once", number.name)
        was_told = True
        stop.set()

    for number in signals:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
