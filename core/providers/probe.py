"""Asks a server of one's own which models it has."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, cast

import aiohttp

from core.providers.catalogue import Endpoint
from core.providers.proxy import find_proxy

log = logging.getLogger("skein.providers")

PROBE_SECONDS = 2.0
_MAX_BYTES = 4 * 1024 * 1024
_NO_CHAT = ("embed", "rerank", "whisper", "tts")
"""Parts of the names of models that do not chat; LM Studio and LiteLLM list them among the others."""


async def probe_endpoints(
    session: aiohttp.ClientSession, endpoints: Sequence[Endpoint]
) -> tuple[Endpoint, ...]:
    """Ask all servers of one's own at once, and give the endpoints with what they have. Never raises."""
    return tuple(await asyncio.gather(*(_probe(session, endpoint) for endpoint in endpoints)))


async def _probe(session: aiohttp.ClientSession, endpoint: Endpoint) -> Endpoint:
    if not endpoint.is_own or endpoint.models:
        return endpoint
    windows = await probe_models(session, endpoint)
    if windows is None:
        log.warning(
            "%s: %s does not say which models it has: %s is taken to be one",
            endpoint.name,
            endpoint.base_url,
            endpoint.default_model,
        )
    return endpoint.with_models(windows or {})


async def probe_models(
    session: aiohttp.ClientSession, endpoint: Endpoint
) -> Mapping[str, int | None] | None:
    """Give a server's models, with how much each takes in where it says so. None where it says nothing.

    vLLM tells `max_model_len`, OpenRouter and Together `context_length`.
    """
    url = endpoint.base_url + "/models"
    key = endpoint.key.get_secret_value().strip() if endpoint.key else ""
    try:
        async with session.get(
            url,
            headers={"Connection": "close"} | ({"Authorization": f"Bearer {key}"} if key else {}),
            timeout=aiohttp.ClientTimeout(total=PROBE_SECONDS),
            proxy=find_proxy(url),
            allow_redirects=False,
        ) as response:
            if response.status != 200 or (response.content_length or 0) > _MAX_BYTES:
                return None
            return _parse_models(await response.json(content_type=None))
    except (aiohttp.ClientError, OSError, ValueError, TypeError, LookupError):
        return None


def _parse_models(listed: Any) -> dict[str, int | None]:
    models = cast("dict[str, Any]", listed)["data"] if isinstance(listed, dict) else listed
    windows: dict[str, int | None] = {}
    for model in cast("list[dict[str, Any]]", models):
        name = str(model["id"])
        told = model.get("max_model_len") or model.get("context_length")
        if not any(part in name.lower() for part in _NO_CHAT):
            windows[name] = told if isinstance(told, int) and told > 0 else None
    return windows
