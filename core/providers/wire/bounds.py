"""The bounds on one answer's time, and the translation of what goes wrong within them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp

from core import errors
from core.errors import ProviderError, UnreachableError
from core.providers.base import Timeouts
from core.providers.wire.refusal import clean_detail


class Bounds:
    """The bounds on one answer's time, and the translation of what goes wrong within them."""

    def __init__(self, timeouts: Timeouts, model: str) -> None:
        self._timeouts = timeouts
        self.model = model
        self._now = asyncio.get_running_loop().time
        self._total_at = self._now() + timeouts.total.total_seconds()
        self._next_at = 0.0
        self._has_begun = False
        self.await_first()

    def await_first(self) -> None:
        """Ask, perhaps once more: the bound before the first word holds."""
        self._has_begun = False
        self._next_at = self._now() + self._timeouts.first_token.total_seconds()

    def restart(self) -> None:
        """The model made progress: from now on the bound between tokens holds."""
        self._has_begun = True
        self._next_at = self._now() + self._timeouts.between_tokens.total_seconds()

    def shorten(self, seconds: float) -> None:
        """Wait no longer than so for what comes next."""
        self._next_at = min(self._next_at, self._now() + seconds)

    @property
    def next_at(self) -> float:
        """When the wait that begins now has to end, by the event loop's clock."""
        return min(self._next_at, self._total_at)

    @asynccontextmanager
    async def limited(self) -> AsyncGenerator[None]:
        """Bound a wait. Raises ProviderError in place of aiohttp's errors and the operating system's."""
        try:
            async with asyncio.timeout_at(self.next_at):
                yield
        except (aiohttp.ClientError, OSError) as error:
            raise self.translate(error) from error

    def translate(self, error: Exception) -> ProviderError:
        """Give the typed error for what went wrong while waiting."""
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return self._too_late("no connection", self._timeouts.connect)
        if isinstance(error, aiohttp.InvalidURL):
            problem = "its address, or its proxy's (HTTPS_PROXY, HTTP_PROXY), is none"
            return UnreachableError(self.model, problem)
        if not isinstance(error, TimeoutError):
            detail = clean_detail(str(error)) or type(error).__name__
            return UnreachableError(self.model, detail)
        if self._now() >= self._total_at:
            return self._too_late("no whole answer", self._timeouts.total)
        if self._has_begun:
            return self._too_late("no further word", self._timeouts.between_tokens)
        return self._too_late("no first word", self._timeouts.first_token)

    def _too_late(self, what: str, bound: timedelta) -> errors.TimeoutError:
        return errors.TimeoutError(self.model, f"{what} within {bound.total_seconds():g} s")
