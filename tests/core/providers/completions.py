"""How the tests of Chat Completions make the adapter, and word its chunks."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver
from pydantic import SecretStr

from core.providers.base import Timeouts
from core.providers.openai import OpenAIProvider
from tests.core.providers.scripted_server import Answer, Raw, ScriptedModelServer

KEY = "sk-test-0123456789abcdef"
SHORT = timedelta(milliseconds=150)


def make_openai(
    session: aiohttp.ClientSession,
    server: ScriptedModelServer,
    key: str | None = None,
    timeouts: Timeouts | None = None,
) -> OpenAIProvider:
    secret = SecretStr(key) if key else None
    return OpenAIProvider("openai", session, server.openai_url, secret, timeouts)


def data(*chunks: Any, end: str = "\n\n") -> Raw:
    """Word chunks as events; a text stands for itself."""
    lines = [chunk if isinstance(chunk, str) else json.dumps(chunk) for chunk in chunks]
    return Raw("".join(f"data: {line}{end}" for line in lines).encode())


def delta(content: Any, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": content, **more}, "finish_reason": finish}
    return {"choices": [choice]}


def raw(*chunks: Any, end: str = "\n\n") -> Answer:
    return Answer(data(*chunks, end=end), finish=None)


class OneAddressResolver(AbstractResolver):
    """Resolves every name to a port of 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[Any]:
        found = {"hostname": host, "host": "127.0.0.1", "port": self._port}
        return [found | {"family": 2, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        pass
