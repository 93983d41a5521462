"""A message whose making Slack did not confirm: it may stand there, and must not be made twice."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bots.slack.api import answer_of
from bots.slack.events import is_ts
from bots.slack.render import render_mrkdwn, render_stream
from bots.slack.text import unescape
from core.conversation import Turn
from core.errors import SkeinError

log = logging.getLogger("skein.slack")

_CLOCK_SKEW = timedelta(seconds=30)
_LOOK_AT = 50


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """An attempt to show a body whose answer was lost."""

    body: str
    tried_at: float = field(default_factory=time.time)


async def find_unconfirmed(client: AsyncWebClient, turn: Turn, attempt: Unconfirmed) -> str | None:
    """Look for the message that an attempt may have made, and give its id.

    It is a bot's, younger than the question, and says what was sent. None also where Slack does not
    let the bot look.
    """
    since = max(turn.sent_at.timestamp(), attempt.tried_at - _CLOCK_SKEW.total_seconds())
    where: dict[str, Any] = {
        "channel": turn.key.channel,
        "oldest": f"{since:.6f}",
        "limit": _LOOK_AT,
    }
    try:
        if turn.key.thread:
            answer = await answer_of(client.conversations_replies(ts=turn.key.thread, **where))
        else:
            answer = await answer_of(client.conversations_history(**where))
    except SkeinError as error:
        log.info("Slack: cannot look for a message that may have been made: %s", error)
        return None
    known = {reply.message_id for reply in turn.replies}
    found = [
        str(message["ts"])
        for message in answer.get("messages") or ()
        if _is_it(message, attempt.body) and message["ts"] not in known
    ]
    return max(found, default=None)


def _is_it(message: Mapping[str, Any], body: str) -> bool:
    if not message.get("bot_id") or not is_ts(message.get("ts")):
        return False
    said = _words(unescape(str(message.get("text") or "")))
    return said in (_words(unescape(render_mrkdwn(body))), _words(render_stream(body)))


def _words(text: str) -> str:
    """Leave out what differs between Slack's forms of one text."""
    return "".join(filter(str.isalnum, text))
