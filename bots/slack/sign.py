"""The sign on a message that waits: a pair of eyes among its reactions.

docs.slack.dev/reference/methods/reactions.add
"""

from __future__ import annotations

from slack_sdk.web.async_client import AsyncWebClient

from bots.slack.api import RefusedCallError, answer_of, insist
from core.conversation import ThreadKey

EYES = "eyes"
_AS_WISHED = frozenset(("already_reacted", "no_reaction", "message_not_found"))
_NOT_ALLOWED = frozenset(("missing_scope", "not_allowed_token_type", "no_permission"))


class SlackSign:
    """Reacts as the bot. An app that may not is asked once."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._may_react = True

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
            await insist(
                lambda: answer_of(method(channel=key.channel, timestamp=message_id, name=EYES))
            )
        except RefusedCallError as error:
            if error.code in _AS_WISHED:
                return
            self._may_react = error.code not in _NOT_ALLOWED
            raise
