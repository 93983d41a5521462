"""A message whose making Slack did not confirm: it may stand there, and must not be made twice."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Set
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bots.slack.api import RefusedCallError, answer_of
from bots.slack.events import is_ts
from bots.slack.render import render_mrkdwn, render_stream
from bots.slack.text import unescape
from core.conversation import Turn

log = logging.getLogger("skein.slack")

_LOOK_AT = 200


async def find_unconfirmed(
    client: AsyncWebClient, turn: Turn, body: str, bot_user_id: str, known: Set[str]
) -> str | None:
    """Look for the message that an attempt to show a body may have made, and give its id.

    It is the bot's, younger than the question by Slack's own clock, says what was sent, and is none
    of the known ones. None also where Slack does not let the bot look. Raises SlowDownError and
    TransientError.
    """
    where: dict[str, Any] = {
        "channel": turn.key.channel,
        "oldest": turn.message_id,
        "limit": _LOOK_AT,
    }
    try:
        if turn.key.thread:
            answer = await answer_of(client.conversations_replies(ts=turn.key.thread, **where))
        else:
            answer = await answer_of(client.conversations_history(**where))
    except RefusedCallError as error:
        log.info("Slack: cannot look for a message that may have been made: %s", error)
        return None
    found = [
        str(message["ts"])
        for message in answer.get("messages") or ()
        if _is_by_bot(message, bot_user_id) and _says(message, body) and message["ts"] not in known
    ]
    return max(found, default=None)


def _is_by_bot(message: Mapping[str, Any], bot_user_id: str) -> bool:
    by_bot = message.get("bot_id") or message.get("user") == bot_user_id
    return bool(by_bot) and is_ts(message.get("ts"))


def _says(message: Mapping[str, Any], body: str) -> bool:
    said = _words(unescape(str(message.get("text") or "")))
    return said in (_words(unescape(render_mrkdwn(body))), _words(render_stream(body)))


def _words(text: str) -> str:
    """Leave out what differs between Slack's forms of one text."""
    return "".join(filter(str.isalnum, text))
