"""Keeps what people see in the simulated platforms across restarts, in one JSON file."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bots.playground.base import FeedEvent, Simulation

log = logging.getLogger(__name__)

FORMAT = 1
_KEPT_EVENTS = frozenset({"message", "deleted", "channel", "commands"})


@asynccontextmanager
async def keep_simulations(
    simulations: Sequence[Simulation],
    path: Path,
    delay: timedelta = timedelta(seconds=0.3),
) -> AsyncGenerator[None]:
    """Restore the simulations from a file, and write it anew after changes and at the end.

    A file that cannot be read is set aside under another name and the simulations begin as they are.
    """
    await _restore(simulations, path)
    keeper = _Keeper(simulations, path, delay)
    with ExitStack() as listening:
        queues = [listening.enter_context(each.feed.listen()) for each in simulations]
        task = asyncio.create_task(keeper.run(queues))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            await keeper.write()


class _Keeper:
    def __init__(self, simulations: Sequence[Simulation], path: Path, delay: timedelta) -> None:
        self._simulations = simulations
        self._path = path
        self._delay = delay
        self._changed = asyncio.Event()
        self._writing: asyncio.Future[None] | None = None

    async def run(self, queues: Sequence[asyncio.Queue[FeedEvent]]) -> None:
        """Write after changes, gathering those of a moment."""
        async with asyncio.TaskGroup() as group:
            for queue in queues:
                group.create_task(self._watch(queue))
            while True:
                await self._changed.wait()
                await asyncio.sleep(self._delay.total_seconds())
                self._changed.clear()
                await self.write()

    async def write(self) -> None:
        """Write the file. What the disk refuses is logged: keeping is a side service."""
        if self._writing:
            # A thread outlives its waiter's cancellation, and must not end after the next one.
            await asyncio.wait([self._writing])
        # Encoded here, since a thread could see a simulation in the middle of a change.
        dumps = {each.platform: each.dump() for each in self._simulations}
        data = json.dumps({"format": FORMAT, "simulations": dumps}, ensure_ascii=False).encode()
        self._writing = asyncio.ensure_future(asyncio.to_thread(_replace, self._path, data))
        try:
            await asyncio.shield(self._writing)
        except OSError as error:
            log.warning("could not keep the playground in %s: %s", self._path, error)

    async def _watch(self, queue: asyncio.Queue[FeedEvent]) -> None:
        while True:
            event = await queue.get()
            if event["type"] in _KEPT_EVENTS:
                self._changed.set()


async def _restore(simulations: Sequence[Simulation], path: Path) -> None:
    problems: list[str] = []
    try:
        kept = await asyncio.to_thread(_read, path)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        kept = {}
        problems.append(str(error))
    for simulation in simulations:
        try:
            if simulation.platform in kept:
                simulation.restore(kept[simulation.platform])
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            # Whatever a damaged file holds must not keep the playground from starting.
            problems.append(f"{simulation.platform}: {error}")
    if problems:
        aside = await asyncio.to_thread(_set_aside, path)
        log.warning("%s is damaged (%s); it is now %s", path, "; ".join(problems), aside)


def _read(path: Path) -> dict[str, Mapping[str, Any]]:
    """Read what is kept, by platform. Raises OSError, and ValueError for what was never written."""
    kept = json.loads(path.read_bytes())
    if not isinstance(kept, dict) or kept.get("format") != FORMAT:
        raise ValueError("it is no playground of this version")
    simulations = kept.get("simulations")
    if not isinstance(simulations, dict):
        raise ValueError("it names no simulations")  # noqa: TRY004 -- damaged, not a bug
    return simulations


def _set_aside(path: Path) -> Path | None:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    try:
        return path.rename(path.with_name(f"{path.name}.damaged-{stamp}"))
    except OSError:
        return None


def _replace(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
