"""Asks an Ollama what it has installed: https://docs.ollama.com/api."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, MutableMapping
from typing import Any, cast

import aiohttp

from core.providers.known.listing import Listed, parse_ollama
from core.providers.known.probe import SilentError, fetch_json

_MOST_AT_ONCE = 8
_MODEL_SECONDS = 1.0

Seen = MutableMapping[tuple[str, str], Listed | None]
"""What is known of models that were asked for before, by name and digest; None of one that does not chat."""


async def ask_ollama(
    session: aiohttp.ClientSession, base_url: str, seen: Seen
) -> Mapping[str, Listed]:
    """Name the models that are installed, newest first, with what is known of them. Raises SilentError.

    Only models that are not in `seen` are asked for. A window is told where the model is set to one, or
    is loaded; else Ollama decides when it loads it.
    """
    root = base_url.rstrip("/").removesuffix("/v1")
    installed = _read_models(await fetch_json(session, root + "/api/tags"))
    running = await _find_running(session, root)
    turns = asyncio.Semaphore(_MOST_AT_ONCE)

    async def look(key: tuple[str, str]) -> None:
        if key in seen:
            return
        async with turns:
            url, question = root + "/api/show", {"model": key[0]}
            try:
                told = await fetch_json(session, url, question=question, seconds=_MODEL_SECONDS)
                seen[key] = parse_ollama(told)
            except (SilentError, AttributeError, TypeError):
                return  # it is asked for again the next time

    await asyncio.gather(*(look(key) for key in installed))
    found: dict[str, Listed] = {}
    for key in installed:
        listed = seen.get(key, Listed())
        if listed is None:
            continue
        window = listed.window_tokens or running.get(key[0])
        found[key[0]] = seen[key] = Listed(window, listed.sees)
    return found


async def _find_running(session: aiohttp.ClientSession, root: str) -> Mapping[str, int]:
    """Say how much the loaded models take in, as they are loaded."""
    try:
        listed = _read_list(await fetch_json(session, root + "/api/ps", seconds=_MODEL_SECONDS))
        return {
            str(model["name"]): model["context_length"]
            for model in listed
            if isinstance(model.get("context_length"), int)
        }
    except (SilentError, LookupError):
        return {}


def _read_models(told: object) -> list[tuple[str, str]]:
    try:
        return [(str(each["name"]), str(each.get("digest") or "")) for each in _read_list(told)]
    except LookupError:
        raise SilentError("it answers with something that is no list of models") from None


def _read_list(told: object) -> list[Mapping[str, Any]]:
    """Give a list of models. Raises SilentError where there is none: other servers answer here, too."""
    models = cast("Mapping[str, Any]", told).get("models") if isinstance(told, Mapping) else None
    if not isinstance(models, list) or not all(isinstance(model, Mapping) for model in models):  # pyright: ignore[reportUnknownVariableType]
        raise SilentError("it answers with something that is no list of models")
    return cast("list[Mapping[str, Any]]", models)
