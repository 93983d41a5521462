"""Asks whether an Ollama runs, and what it has installed."""

from __future__ import annotations

from typing import Any

import aiohttp

from core.providers.proxy import find_proxy

_PROBE_SECONDS = 1.0
_MAX_BYTES = 1024 * 1024


async def probe_ollama(session: aiohttp.ClientSession, base_url: str) -> tuple[str, ...] | None:
    """Name the models that an Ollama has installed, newest first; None where none runs. Never raises."""
    url = base_url.rstrip("/").removesuffix("/v1") + "/api/tags"
    timeout = aiohttp.ClientTimeout(total=_PROBE_SECONDS)
    try:
        async with session.get(
            url, timeout=timeout, proxy=find_proxy(url), allow_redirects=False
        ) as response:
            if response.status != 200 or (response.content_length or 0) > _MAX_BYTES:
                return None
            listed: Any = await response.json(content_type=None)
            return tuple(str(model["name"]) for model in listed["models"])
    except (aiohttp.ClientError, OSError, ValueError, TypeError, LookupError):
        return None
