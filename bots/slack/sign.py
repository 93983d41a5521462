"""The sign on a message that waits: a pair of eyes among its reactions.

docs.slack.dev/reference/methods/reactions.add
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bots.delivery import SlowDownError, TransientError
from bots.slack.api import RefusedCallError, answer_of, back_off
from core.conversation import ThreadKey
from core.errors import DeliveryError

_ATTEMPTS = 5
EYES = "eyes"
_AS_WISHED = frozenset(("already_reacted", "no_reaction", "message_not_found"))
_NOT_ALLOWED = frozenset(("missing_scope", "not_allowed_token_type", "no_permission"))


class SlackSign:
    """Reacts as the bot. An app that may not is asked once."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._may_react = True
        self._pace = asyncio.Lock()

    async def show(self, key: ThreadKey, message_id: str) -> None:
        """Add the eyes. Raises DeliveryError."""
        await self._call(key, message_id, adds=True)

    async def remove(self, key: ThreadKey, message_id: str) -> None:
        """Remove the eyes. Raises DeliveryError."""
        await self._call(key, message_id, adds=False)

    async def _call(self, key: ThreadKey, message_id: str, *, adds: bool) -> None:
        if not self._may_react:
            return
        method = self._client.reactions_add if adds else self._client.reactions_remove
        try:
            # One after another: reactions.remove allows 20 calls a minute, and a burst must not lose any.
            async with self._pace:
                await self._insist(
                    partial(method, channel=key.channel, timestamp=message_id, name=EYES)
                )
        except RefusedCallError as error:
            if error.code in _AS_WISHED:
                return
            self._may_react = error.code not in _NOT_ALLOWED
            raise

    async def _insist(self, call: Callable[[], Awaitable[AsyncSlackResponse]]) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await answer_of(call())
            except SlowDownError as error:
                wait, reason = error.retry_after, error
            except TransientError as error:
                wait, reason = back_off(attempt), error
            else:
                return
            if attempt == _ATTEMPTS:
                raise DeliveryError(f"gave up: {reason}") from reason
            await asyncio.sleep(wait.total_seconds())
