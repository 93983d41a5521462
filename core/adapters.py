"""Concrete adapters and limiters, named here alone: what an endpoint's kind means."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
from dotenv import dotenv_values
from pydantic import SecretStr

from core.limits.rate import RateLimiter
from core.logs import hide_from_logs
from core.providers.anthropic import AnthropicProvider
from core.providers.base import Limiter, Provider, Timeouts
from core.providers.demo import DemoProvider
from core.providers.known.endpoints import Endpoint, KeyFinder
from core.providers.openai import OpenAIProvider
from core.providers.sighted import SightedProvider
from core.providers.wire.dialect import Thinking
from core.settings import Settings
from core.store.database import Database
from core.store.shared_limits import SharedLimiter


@asynccontextmanager
async def open_limiter(
    name: str,
    requests: int | None,
    tokens: int | None,
    max_wait: timedelta,
    shared: Database | None,
) -> AsyncGenerator[Limiter]:
    """Open the queue before a provider."""
    if shared is None:
        yield RateLimiter(requests, tokens, max_wait=max_wait)
        return
    async with SharedLimiter(shared, name, requests, tokens, max_wait=max_wait) as limiter:
        yield limiter


def find_key(variable: str) -> SecretStr | None:
    """Give the key that a variable has, in the environment or in `.env`."""
    value = os.environ.get(variable) or dotenv_values(".env").get(variable)
    if not value:
        return None
    hide_from_logs(value)
    return SecretStr(value)


def no_key(_: str) -> SecretStr | None:
    """Find none, where the environment does not count."""
    return None


def choose_key_finder(settings: Settings) -> KeyFinder:
    """Say where keys are looked up whose variables are no settings."""
    return find_key if settings.heeds_environment else no_key


def build_provider(
    endpoint: Endpoint, session: aiohttp.ClientSession, settings: Settings
) -> Provider:
    """Build the adapter of an endpoint's kind, which asks without images where they are refused."""
    return SightedProvider(_build_adapter(endpoint, session, settings))


def _build_adapter(
    endpoint: Endpoint, session: aiohttp.ClientSession, settings: Settings
) -> Provider:
    timeouts = Timeouts(
        connect=timedelta(seconds=settings.connect_timeout_seconds),
        first_token=timedelta(seconds=settings.first_token_timeout_seconds),
        between_tokens=timedelta(seconds=settings.token_timeout_seconds),
        total=timedelta(seconds=settings.answer_timeout_seconds),
    )
    thinking = Thinking(settings.max_thinking_tokens, settings.reasoning_effort)
    name, base_url, key = endpoint.name, endpoint.base_url, endpoint.key
    match endpoint.kind:
        case "openai":
            return OpenAIProvider(name, session, base_url, key, timeouts, thinking=thinking)
        case "azure":
            return OpenAIProvider(
                name, session, base_url, key, timeouts, thinking=thinking, is_azure=True
            )
        case "anthropic":
            return AnthropicProvider(name, session, base_url, key, timeouts, thinking=thinking)
        case "deluge":
            return build_deluge(name, session, choose_key_finder(settings), timeouts, thinking)
        case "demo":
            return DemoProvider(name)


def build_deluge(
    name: str,
    session: aiohttp.ClientSession,
    get_key: KeyFinder,
    timeouts: Timeouts,
    thinking: Thinking,
) -> Provider:
    """Build the adapter of LM Deluge, an extra. Raises ModuleNotFoundError where it is not installed."""
    # Imported only where it is used: it takes half a second, and is not there by itself.
    from core.providers.deluge import DelugeProvider

    return DelugeProvider(name, session, get_key, timeouts, thinking=thinking)


def list_deluge_models() -> frozenset[str]:
    """Name all models that LM Deluge knows. Raises ModuleNotFoundError where it is not installed. Blocks."""
    from core.providers.deluge import list_models  # see above

    return list_models()
