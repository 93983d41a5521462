"""A PostgreSQL server that goes away, does not answer, or refuses."""

from __future__ import annotations

import asyncio
import socket
from datetime import timedelta

import pytest

from core.errors import SettingsError, StoreError
from core.store import postgres as backend
from core.store.postgres import open_postgres
from tests.core.store.blocked import TIMEOUT, hold
from tests.core.store.values import (
    answer,
    ask,
    queue,
)
from tests.postgres import PostgresServer

READ_ONLY = r"""
    SELECT format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database())
    \gexec
"""


async def test_statement_that_waits_too_long_is_a_store_error(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "LOCK_TIMEOUT", timedelta(milliseconds=50))
    async with open_postgres(postgres_url) as store:
        turn = await queue(store, ask(1))
        async with hold(postgres_url, "LOCK TABLE turns"):
            with pytest.raises(StoreError, match="lock timeout"):
                await store.start_next(turn.conversation_id)
        assert await store.start_next(turn.conversation_id) is not None


async def test_store_goes_on_when_the_server_is_back(
    postgres_url: str, postgres: PostgresServer
) -> None:
    async with open_postgres(postgres_url) as store:
        turn = await answer(store, ask(1))
        await asyncio.to_thread(postgres.stop)
        try:
            with pytest.raises(StoreError):
                await store.ping()
            with pytest.raises(StoreError):
                await store.find_turn(turn.id)
            with pytest.raises(StoreError):
                await store.finish(turn)
            with pytest.raises(StoreError):
                await store.record(ask(2))
        finally:
            await asyncio.to_thread(postgres.start)
        await store.ping()
        assert await store.finish(turn)
        assert (await store.record(ask(2))).is_new


async def test_server_that_takes_no_writes_does_not_serve(
    postgres_url: str, postgres: PostgresServer
) -> None:
    async with open_postgres(postgres_url) as store:
        await store.ping()
    await asyncio.to_thread(postgres.run, READ_ONLY, postgres_url)
    async with open_postgres(postgres_url) as store:
        with pytest.raises(StoreError, match="takes no writes"):
            await store.ping()


async def test_store_closes_while_the_server_is_away(
    postgres_url: str, postgres: PostgresServer
) -> None:
    async with open_postgres(postgres_url) as store:
        await queue(store, ask(1))
        await asyncio.to_thread(postgres.stop)
        try:
            async with asyncio.timeout(TIMEOUT):
                await store.aclose()
        finally:
            await asyncio.to_thread(postgres.start)


async def test_database_out_of_reach_is_a_store_error(postgres_url: str) -> None:
    url = postgres_url.replace("host=", "host=/nowhere")
    with pytest.raises(StoreError, match="out of reach"):
        async with open_postgres(url):
            pass


@pytest.mark.parametrize(("user", "database"), [("postgres", "missing"), ("nobody", "postgres")])
async def test_user_or_database_that_does_not_exist_is_a_settings_error(
    postgres: PostgresServer, user: str, database: str
) -> None:
    url = postgres.server.get_uri(database=database).replace("postgres:@", f"{user}:secret@")
    with pytest.raises(SettingsError, match=r"(missing|nobody)\" does not exist") as caught:
        async with open_postgres(url):
            pass
    assert "secret" not in str(caught.value)


async def test_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "CONNECT_TIMEOUT", timedelta(milliseconds=200))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        url = f"postgresql://skein:secret@127.0.0.1:{port}/skein"
        with pytest.raises(StoreError, match="did not answer in time") as caught:
            async with open_postgres(url):
                pass
    assert f"skein on 127.0.0.1:{port}" in str(caught.value)
    assert "secret" not in str(caught.value)
