"""A message whose making Slack did not confirm: it may stand there, and must not be made twice.

Either the answer to the call was lost, or the process died between the call and the record of it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bots.slack.api import RefusedCallError, answer_of
from bots.slack.events import is_ts, parse_ts
from bots.slack.render import render_mrkdwn, render_stream
from bots.slack.text import unescape
from core.conversation import Turn

log = logging.getLogger("skein.slack")

_LOOK_AT = 200
_REPLY, _NOTICE = "skein_reply", "skein_notice"


async def find_unconfirmed(
    client: AsyncWebClient, turn: Turn, body: str, bot_user_id: str, known: Set[str]
) -> str | None:
    """Look for the message that an attempt to show a body may have made, and give its id.

    It is the bot's, younger than the question by Slack's own clock, says what was sent, and is none
    of the known ones. None also where Slack does not let the bot look. Raises SlowDownError and
    TransientError.
    """
    found = await _load_unknown(client, turn, bot_user_id, known)
    return max((str(each["ts"]) for each in found if _says(each, body)), default=None)


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A message that a process which died may have made for a turn, and that nobody recorded."""

    ts: str
    is_removable: bool
    """Whether it is the turn's for all that can be told, so that nobody misses it."""


async def load_abandoned(
    client: AsyncWebClient, turn: Turn, bot_user_id: str, known: Set[str]
) -> Sequence[Abandoned]:
    """Look for messages that a process which died may have made for a turn, oldest first.

    A post says by its metadata which turn it belongs to; a stream can carry none, so that one which
    belongs to no recorded reply is taken for this turn's: turns of a thread follow one another.
    `known` are the messages of all the conversation's replies. Empty where Slack does not let the
    bot look; raises as above.
    """
    found = await _load_unknown(client, turn, bot_user_id, known)
    abandoned = [
        Abandoned(str(each["ts"]), _is_marked(each, turn) or _may_be_stream(each, turn))
        for each in found
        if _may_belong_to(each, turn)
    ]
    return sorted(abandoned, key=lambda each: each.ts)


async def _load_unknown(
    client: AsyncWebClient, turn: Turn, bot_user_id: str, known: Set[str]
) -> list[Mapping[str, Any]]:
    where: dict[str, Any] = {
        "channel": turn.key.channel,
        "oldest": turn.message_id,
        "limit": _LOOK_AT,
        "include_all_metadata": True,
    }
    try:
        if turn.key.thread:
            answer = await answer_of(client.conversations_replies(ts=turn.key.thread, **where))
        else:
            answer = await answer_of(client.conversations_history(**where))
    except RefusedCallError as error:
        log.info("Slack: cannot look for a message that may have been made: %s", error)
        return []
    return [
        message
        for message in answer.get("messages") or ()
        if _is_by_bot(message, bot_user_id)
        and message["ts"] not in known
        # A thread's first message comes along whatever `oldest` says.
        and parse_ts(message["ts"]) > turn.sent_at
    ]


def reply_metadata(turn: Turn) -> dict[str, Any]:
    """Mark a post as a part of a turn's reply."""
    return {"event_type": _REPLY, "event_payload": {"turn": str(turn.id)}}


def notice_metadata() -> dict[str, Any]:
    """Mark a post as no part of any reply."""
    return {"event_type": _NOTICE, "event_payload": {}}


def _may_belong_to(message: Mapping[str, Any], turn: Turn) -> bool:
    return not message.get("metadata") or _is_marked(message, turn)


def _is_marked(message: Mapping[str, Any], turn: Turn) -> bool:
    metadata: Mapping[str, Any] = message.get("metadata") or {}
    payload: Mapping[str, Any] = metadata.get("event_payload") or {}
    return metadata.get("event_type") == _REPLY and payload.get("turn") == str(turn.id)


def _may_be_stream(message: Mapping[str, Any], turn: Turn) -> bool:
    """Streams stand in threads, carry no mark, and nothing but text."""
    return bool(turn.key.thread) and not any(map(message.get, ("metadata", "files", "subtype")))


def _is_by_bot(message: Mapping[str, Any], bot_user_id: str) -> bool:
    """Tell whether it is this bot's: others write in threads, too."""
    return message.get("user") == bot_user_id and is_ts(message.get("ts"))


def _says(message: Mapping[str, Any], body: str) -> bool:
    said = _words(unescape(str(message.get("text") or "")))
    return said in (_words(unescape(render_mrkdwn(body))), _words(render_stream(body)))


def _words(text: str) -> str:
    """Leave out what differs between Slack's forms of one text."""
    return "".join(filter(str.isalnum, text))
