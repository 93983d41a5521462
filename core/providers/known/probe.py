"""Asks a server which models it has, and what it tells of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import aiohttp

from core.providers.known.endpoints import Endpoint
from core.providers.known.listing import Json, Listed, parse_list
from core.providers.wire.answer import read_body
from core.providers.wire.headers import make_headers
from core.providers.wire.proxy import find_proxy

PROBE_SECONDS = 2.0
_MAX_BYTES = 16 * 1024 * 1024
"""OpenRouter's list takes about 1 MB."""


class SilentError(Exception):
    """A server does not say which models it has. Its text says why, for operators."""


async def ask_for_models(
    session: aiohttp.ClientSession, endpoint: Endpoint
) -> Mapping[str, Listed]:
    """Ask a server with OpenAI's API, or Anthropic's. Raises SilentError."""
    headers, urls = make_headers(endpoint.kind, endpoint.key), _find_urls(endpoint)
    for url in urls[:-1]:
        with suppress(SilentError):
            return parse_answer(await fetch_json(session, url, headers))
    return parse_answer(await fetch_json(session, urls[-1], headers))


def _find_urls(endpoint: Endpoint) -> tuple[str, ...]:
    """Say where to ask: there first where more is told."""
    base_url, root = endpoint.base_url, endpoint.base_url.removesuffix("/v1")
    if endpoint.kind == "anthropic":
        return (f"{root}/v1/models?limit=1000",)
    if endpoint.name == "lmstudio":
        return f"{root}/api/v1/models", f"{root}/api/v0/models", f"{base_url}/models"
    return (f"{base_url}/models",)


def parse_answer(told: object) -> Mapping[str, Listed]:
    """Read a list of models. Raises SilentError where it is none."""
    try:
        return parse_list(told)
    except (LookupError, TypeError, AttributeError, ValueError):
        raise SilentError("it answers with something that is no list of models") from None


async def fetch_json(
    session: aiohttp.ClientSession,
    url: str,
    headers: Mapping[str, str] | None = None,
    question: Json | None = None,
    seconds: float = PROBE_SECONDS,
) -> Any:
    """Fetch an answer, by POST where there is a question, within some seconds. Raises SilentError."""
    try:
        async with session.request(
            "GET" if question is None else "POST",
            url,
            json=question,
            headers={"Connection": "close", **(headers or {})},
            timeout=aiohttp.ClientTimeout(total=seconds),
            proxy=find_proxy(url),
            allow_redirects=False,  # a redirect to another host would take the key along
        ) as response:
            if response.status != 200:
                raise SilentError(_word_status(response.status, url))
            body = await read_body(response, _MAX_BYTES + 1)
            if len(body) > _MAX_BYTES:
                raise SilentError("its answer is too long")
            return json.loads(body)
    except TimeoutError:
        raise SilentError(f"no answer within {seconds:g} seconds") from None
    except (aiohttp.ClientError, OSError) as error:
        raise SilentError(f"it cannot be reached ({_word_error(error)})") from None
    except (ValueError, TypeError, RecursionError):
        raise SilentError("it answers with something that is no JSON") from None


def _word_status(status: int, url: str) -> str:
    match status:
        case 401 | 403:
            return f"it refuses the key ({status})"
        case 404:
            hint = "" if "/v1" in url else ", and most addresses end in /v1"
            return f"nothing is at {url} (404){hint}"
        case _:
            return f"it answers {status}"


def _word_error(error: Exception) -> str:
    """Say what went wrong, without what may be secret."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.strerror or type(error.os_error).__name__
    return type(error).__name__
