"""A message whose making Discord did not confirm: it may stand there, and must not be made twice.

For some minutes Discord knows it by its nonce and makes no second one. This is for later, when a
process that died left it behind, and for servers that know no nonces.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import discord

log = logging.getLogger("skein.discord")

_LOOK_AT = 100
_ALIKE_CHARS = 50
_GOES_ON_FROM = 1000
"""A message that another one goes on from is nearly full; a shorter one is whole."""


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
            return _refers_to(message, self.question_id)
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


async def find_strays(
    client: discord.Client, channel_id: str, bot_id: str, question_id: str, known: Set[str]
) -> Sequence[str]:
    """Look for further parts of the reply to a question that nobody recorded, oldest first.

    Discord keeps no nonce with a message (it is known for minutes at most), and only part 0 refers to
    the question: what follows the reply's messages, among all that the bot said there, and is nothing
    but text is taken for a further part, unless it may go on from an answer to a command that was
    given in between. `known` are the messages of all replies in this place.
    Empty where Discord does not let the bot look; raises for what may pass.
    """
    try:
        found: Any = await client.http.logs_from(int(channel_id), _LOOK_AT, after=int(question_id))
    except (discord.Forbidden, discord.NotFound) as error:
        log.info("Discord: cannot look for messages that nobody recorded: %s", error)
        return []
    said = [message for message in found if str(message["author"]["id"]) == bot_id]
    strays: list[str] = []
    is_ours = False
    for message in sorted(said, key=lambda message: int(message["id"])):
        message_id = str(message["id"])
        nonce, is_known = str(message.get("nonce") or ""), message_id in known
        if is_known or _refers_to(message, question_id):
            is_ours = True
        elif not _is_plain(message):
            is_ours = is_ours and _is_whole(message)
        elif nonce.startswith(f"{question_id}-") or (is_ours and not nonce):
            strays.append(message_id)
        else:
            is_ours = False
    return strays


def _is_plain(message: Mapping[str, Any]) -> bool:
    """Tell whether a message is text alone, and answers nothing."""
    more = ("message_reference", "interaction_metadata", "webhook_id", "attachments", "components")
    return not any(map(message.get, (*more, "type")))


def _is_whole(message: Mapping[str, Any]) -> bool:
    """Tell whether a message that answers something else goes on in no further one."""
    if message.get("interaction_metadata") or message.get("webhook_id"):
        return True  # and what goes on from it bears the same
    return len(str(message["content"])) < _GOES_ON_FROM


def _refers_to(message: Mapping[str, Any], question_id: str) -> bool:
    reference = message.get("message_reference") or {}
    return str(reference.get("message_id")) == question_id
