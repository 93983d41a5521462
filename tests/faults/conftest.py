"""A world in which things go wrong: as for the end-to-end tests, with a Slack that soon sends again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from bots.playground.discord import SimulatedDiscord, serve_discord
from bots.playground.slack import SimulatedSlack, Timing, serve_slack
from tests.core.providers.scripted_server import ScriptedModelServer
from tests.faults.stage import Stage, answer_by_name

_TIMING = Timing(
    ack=timedelta(seconds=1),
    retries=(timedelta(0), *(timedelta(seconds=1),) * 14),
    refresh_grace=timedelta(milliseconds=200),
)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Both platforms, a model that answers each question by its name, and a folder to run in."""
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(
            serve_slack(SimulatedSlack(rate_scale=None, timing=_TIMING))
        )
        discord = await stack.enter_async_context(serve_discord(SimulatedDiscord(rate_limits=0)))
        model = await stack.enter_async_context(ScriptedModelServer(answer_by_name))
        yield Stage(tmp_path, slack, discord, model)
