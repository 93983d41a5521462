"""The contract's kit for adapters that speak HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from core.providers.base import Provider
from tests.core.providers.scripted_server import (
    Answer,
    Behaviour,
    Break,
    Hang,
    Refuse,
    ScriptedModelServer,
)

MakeProvider = Callable[[aiohttp.ClientSession, ScriptedModelServer], Provider]


@dataclass(frozen=True)
class HttpKit:
    """Opens an adapter before a scripted server."""

    make: MakeProvider
    model: str = "scripted-small"

    @asynccontextmanager
    async def answering(self) -> AsyncGenerator[Provider]:
        async with self._with(Answer("Hello", " you", ".")) as (provider, _):
            yield provider

    @asynccontextmanager
    async def refusing(self) -> AsyncGenerator[Provider]:
        async with self._with(Refuse(503, "Down for repairs")) as (provider, _):
            yield provider

    @asynccontextmanager
    async def breaking(self) -> AsyncGenerator[Provider]:
        async with self._with(Answer("Well", ", I", Break(), finish=None)) as (provider, _):
            yield provider

    @asynccontextmanager
    async def hanging(self) -> AsyncGenerator[Provider]:
        async with self._with(Answer("Well", Hang())) as (provider, server):
            yield provider
            await server.wait_until_abandoned()

    @asynccontextmanager
    async def _with(
        self, behaviour: Behaviour
    ) -> AsyncGenerator[tuple[Provider, ScriptedModelServer]]:
        async with ScriptedModelServer(behaviour) as server, aiohttp.ClientSession() as session:
            yield self.make(session, server), server
