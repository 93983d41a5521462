"""A message whose making Discord did not confirm: it may stand there, and must not be made twice.

For some minutes Discord knows it by its nonce and makes no second one. This is for later, when a
process that died left it behind, and for servers that know no nonces.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import discord

log = logging.getLogger("skein.discord")

_LOOK_AT = 100
_ALIKE_CHARS = 50


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """A part of a reply that may have been posted. `after` is the last message known before it."""

    channel_id: str
    bot_id: str
    question_id: str
    part: int
    nonce: str
    content: str
    after: str

    def is_it(self, message: Mapping[str, Any]) -> bool:
        """Tell whether a message is this one, with a text that may have grown since."""
        if str(message["author"]["id"]) != self.bot_id:
            return False
        if self.nonce == str(message.get("nonce")):
            return True
        if self.part == 0:
            reference = message.get("message_reference") or {}
            return str(reference.get("message_id")) == self.question_id
        length = min(len(self.content), len(message["content"]), _ALIKE_CHARS)
        return length > 0 and message["content"][:length] == self.content[:length]


async def find_unconfirmed(client: discord.Client, wanted: Unconfirmed) -> Mapping[str, Any] | None:
    """Look for a message. None also where Discord does not let the bot look."""
    try:
        found: Any = await client.http.logs_from(
            int(wanted.channel_id), _LOOK_AT, after=int(wanted.after)
        )
        return next((message for message in found if wanted.is_it(message)), None)
    except (discord.HTTPException, LookupError, TypeError) as error:
        log.debug("Discord: no look at channel %s: %r", wanted.channel_id, error)
        return None
