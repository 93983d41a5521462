"""Another program on a PostgreSQL database, which is in the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

TIMEOUT = 20


@asynccontextmanager
async def hold(url: str, sql: str, *values: Any) -> AsyncGenerator[None]:
    """Another program is in the midst of a transaction."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.fetch(sql, *values)
            yield
    finally:
        await connection.close()


async def wait_until_blocked(url: str) -> None:
    """Wait until some statement waits for a lock."""
    connection = await asyncpg.connect(url)
    sql = """
        SELECT COUNT(*) FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND datname = current_database()
    """
    try:
        async with asyncio.timeout(TIMEOUT):
            while not await connection.fetchval(sql):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        await connection.close()
