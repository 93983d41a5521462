"""Keeps in mind what servers tell of their models, asks them again, and logs when one comes or goes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp

from core.providers.known.endpoints import Endpoint
from core.providers.known.listing import Listed
from core.providers.known.ollama import Seen, ask_ollama
from core.providers.known.probe import SilentError, ask_for_models

log = logging.getLogger("skein.providers")

_TELLING_SECONDS = 3600.0
"""How often a provider that only tells of its models is asked: a list may take a megabyte."""
_SILENT_SECONDS = 600.0
"""How often one that tells nothing is."""
_MAX_NAMED = 5


@dataclass(slots=True)
class _Record:
    """What one server said, and when."""

    told: Mapping[str, Listed] = field(default_factory=dict[str, Listed])
    former: frozenset[str] = frozenset()
    default: str = ""
    """The default model that it was given."""
    is_there: bool | None = None
    """None before it was asked."""
    asked_at: float = 0
    seen: Seen = field(default_factory=dict[tuple[str, str], Listed | None])

    def note(self, told: Mapping[str, Listed]) -> None:
        self.former |= self.told.keys() - told.keys()
        self.told = told


class Roll:
    """Asks servers through one session. What one said stays when it goes away."""

    def __init__(
        self, session: aiohttp.ClientSession, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._session = session
        self._clock = clock
        self._records: dict[tuple[str, str, str], _Record] = {}

    def fill(self, endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
        """Give endpoints with what they told so far."""
        return tuple(map(self._fill, endpoints))

    async def ask_own(self, endpoints: Sequence[Endpoint]) -> bool:
        """Ask the servers of one's own, at once, and say whether they told anything new. Never raises."""
        return await self._ask_all([each for each in endpoints if each.is_own])

    async def ask_others(self, endpoints: Sequence[Endpoint]) -> bool:
        """Ask those others that were not asked for long. Never raises."""
        now = self._clock()
        return await self._ask_all([each for each in endpoints if self._is_due(each, now)])

    async def _ask_all(self, endpoints: Sequence[Endpoint]) -> bool:
        return any(await asyncio.gather(*map(self._ask, endpoints)))

    def _fill(self, endpoint: Endpoint) -> Endpoint:
        record = self._records.get(_name(endpoint))
        if record is None:
            return endpoint
        filled = endpoint.with_models(record.told, record.former, record.default)
        record.default = filled.default_model if record.told else ""
        return filled

    def _is_due(self, endpoint: Endpoint, now: float) -> bool:
        if endpoint.is_own or not endpoint.tells:
            return False
        record = self._records.get(_name(endpoint))
        pause = _TELLING_SECONDS if record and record.is_there else _SILENT_SECONDS
        return record is None or now - record.asked_at >= pause

    async def _ask(self, endpoint: Endpoint) -> bool:
        record = self._records.setdefault(_name(endpoint), _Record())
        record.asked_at = self._clock()
        try:
            if endpoint.name == "ollama":
                told = await ask_ollama(self._session, endpoint.base_url, record.seen)
            else:
                told = await ask_for_models(self._session, endpoint)
        except SilentError as error:
            _log_absence(endpoint, record, str(error))
            record.is_there = False
            return False
        before = record.told
        _log_change(endpoint, record, told)
        record.is_there = True
        record.note(told)
        return told != before


def _name(endpoint: Endpoint) -> tuple[str, str, str]:
    key = endpoint.key.get_secret_value() if endpoint.key else ""
    return endpoint.name, endpoint.base_url, key


def _log_absence(endpoint: Endpoint, record: _Record, reason: str) -> None:
    """Say that a server of one's own is not there, once."""
    if not endpoint.is_own or record.is_there is False:
        return
    where = (endpoint.name, endpoint.base_url, reason)
    if record.told:
        log.warning("%s at %s is gone: %s; its models stay listed", *where)
    elif not endpoint.is_found:
        log.warning(
            "%s at %s does not say which models it has: %s; %s is taken to be one until it does",
            *where,
            endpoint.default_model,
        )


def _log_change(endpoint: Endpoint, record: _Record, told: Mapping[str, Listed]) -> None:
    """Say that a server of one's own came, or that its models changed; of others, that a default is gone."""
    if not endpoint.is_own:
        is_listed = endpoint.with_models(told).lists(endpoint.default_model)
        if told and not record.told and not is_listed:
            log.info(
                "%s does not list %s, its default model: name another in MODEL if it is refused",
                endpoint.name,
                endpoint.default_model,
            )
        return
    before = record.told
    came = [name for name in told if name not in before]
    went = [name for name in before if name not in told]
    if not before and (told or not (endpoint.is_found or record.is_there)):
        log.info(
            "%s at %s has %s", endpoint.name, endpoint.base_url, _render(list(told)) or "no models"
        )
    elif came or went:
        parts = [
            *(["new: " + _render(came)] if came else []),
            *(["gone: " + _render(went)] if went else []),
        ]
        log.info("models of %s: %s", endpoint.name, "; ".join(parts))
    elif record.is_there is False:
        log.info("%s at %s is there again", endpoint.name, endpoint.base_url)
    if told and endpoint.is_default_chosen and endpoint.default_model not in told and not before:
        log.warning("%s does not name %s, its default_model", endpoint.name, endpoint.default_model)


def _render(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMED
    return ", ".join(names[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
