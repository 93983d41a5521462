"""The machine's clock is set back and forth while people ask. In one process, whose clock is given."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path

from core.conversation import TurnState
from core.run import TurnOptions
from core.store.sqlite import open_sqlite
from core.turns import Turns
from tests.fakes import FakeModels, RecordingSinks, make_incoming

HOUR = timedelta(hours=1)
COUNT = 12


class SteppingClock:
    """Gives the time, off by another hour or two each time it is read."""

    def __init__(self, *steps: timedelta) -> None:
        self._steps = cycle(steps)

    def set(self, step: timedelta) -> None:
        """Be off by so much from now on."""
        self._steps = cycle([step])

    def now(self) -> datetime:
        """Read it."""
        return datetime.now(UTC) + next(self._steps)


@asynccontextmanager
async def core_with(
    folder: Path, clock: SteppingClock, models: FakeModels, sinks: RecordingSinks
) -> AsyncGenerator[Turns]:
    """Open store and turns by one clock."""
    async with (
        open_sqlite(f"sqlite:///{folder / 'skein.db'}", now=clock.now) as store,
        Turns(store, models, TurnOptions(""), clock.now) as turns,
    ):
        turns.attach("test", sinks.open_sink)
        yield turns
        assert await turns.wait_idle(timedelta(seconds=20))
        assert not await store.load_unfinished()
        history = await store.load_history(make_incoming("").key)
        expected = [
            text for n in range(COUNT) for text in (f"question {n}", f"Answer to question {n}")
        ]
        assert [stored.message.text for stored in history] == expected


def texts(sinks: RecordingSinks) -> Sequence[str]:
    """What was shown, reply by reply."""
    return [shown.text or shown.notice for shown in sinks.shown]


async def test_each_question_is_answered_once_and_in_order_whatever_the_clock_says(tmp_path: Path):
    models, sinks = FakeModels(), RecordingSinks()
    async with core_with(tmp_path, SteppingClock(HOUR, -HOUR, 2 * HOUR), models, sinks) as turns:
        models.hold()
        for number in range(COUNT):
            assert await turns.submit(make_incoming(f"question {number}", number=number))
        for number in range(COUNT):
            assert not await turns.submit(make_incoming(f"question {number}", number=number))
        models.release()
        await sinks.wait_for(COUNT)
    assert texts(sinks) == [f"Answer to question {number}" for number in range(COUNT)]
    assert len(models.requests) == COUNT


async def test_a_clock_set_forward_while_questions_wait_gives_none_of_them_up(tmp_path: Path):
    models, sinks = FakeModels(), RecordingSinks()
    clock = SteppingClock(timedelta())
    async with core_with(tmp_path, clock, models, sinks) as turns:
        models.hold()
        for number in range(COUNT):
            await turns.submit(make_incoming(f"question {number}", number=number))
        clock.set(HOUR)
        models.release()
        await sinks.wait_for(COUNT)
    assert not any(shown.notice for shown in sinks.shown)


async def test_a_clock_set_back_over_a_restart_resumes_what_was_left(tmp_path: Path):
    models, sinks = FakeModels(), RecordingSinks()
    url = f"sqlite:///{tmp_path / 'skein.db'}"
    async with open_sqlite(url, now=SteppingClock(HOUR).now) as store:
        for number in range(COUNT):
            await store.record(make_incoming(f"question {number}", number=number))
        first = await store.load_unfinished()
        assert (await store.start_next(first[0].conversation_id) or first[0]).state is (
            TurnState.RUNNING
        )
    async with core_with(tmp_path, SteppingClock(-HOUR), models, sinks) as turns:
        assert await turns.resume("test") == 1  # conversation
        await sinks.wait_for(COUNT)
    assert texts(sinks) == [f"Answer to question {number}" for number in range(COUNT)]
