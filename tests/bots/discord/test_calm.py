"""discord.py's waits: bounded, needed, one line a failure."""

import asyncio
import logging

import discord
import discord.client
import pytest

from bots.discord.calm import BoundedBackoff, OpenRatelimit, calm_waits


def test_no_wait_is_longer_than_half_a_minute():
    back_off = BoundedBackoff()
    assert max(back_off.delay() for _ in range(200)) <= 32


def test_a_lost_connection_is_one_line(caplog: pytest.LogCaptureFixture):
    calm_waits()
    calm_waits()
    back_off = discord.client.ExponentialBackoff  # pyright: ignore[reportPrivateImportUsage]
    assert back_off is BoundedBackoff
    try:
        raise OSError("nobody there")
    except OSError:
        logging.getLogger("discord.client").exception("Attempting a reconnect in %.2fs", 1.5)
    [record] = caplog.records
    assert record.exc_info is None
    assert record.getMessage() == (
        "lost the gateway (OSError: nobody there); attempting a reconnect in 1.50s"
    )


async def test_calls_that_are_left_are_made_however_long_the_limits_window() -> None:
    limit = OpenRatelimit(30)
    limit.limit, limit.remaining = 120, 1
    limit.expires = asyncio.get_running_loop().time() + 60
    await limit.acquire()
    with pytest.raises(discord.RateLimited):
        await limit.acquire()


async def test_calls_that_wait_use_what_is_left_however_long_the_limits_window() -> None:
    limit = OpenRatelimit(30)
    async with asyncio.TaskGroup() as group, limit:
        waiting = group.create_task(limit.acquire())
        await asyncio.sleep(0)
        limit.limit = limit.remaining = 50
        limit.reset_after = 60
    assert not waiting.exception()
