"""What people write in Slack, as plain text: entities unescaped, mentions and links readable. Pure.

The forms are those of docs.slack.dev/messaging/formatting-message-text, "Retrieving messages".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_TOKEN = re.compile(r"<([^<>\n]+)>")
_USER = re.compile(r"<@([A-Z0-9]+)(?:\|[^<>\n]*)?>")
_BEFORE_MENTION = r"[ \t]*"
_AFTER_LEADING_MENTION = " \t\n,:"


def find_mentions(raw: str) -> tuple[str, ...]:
    """List the ids of the people mentioned, each once, in the order of the text."""
    return tuple(dict.fromkeys(_USER.findall(raw)))


def read_text(raw: str, names: Mapping[str, str], bot_user_id: str) -> str:
    """Make a message's text plain: without mentions of the bot, and with names for the people's ids."""
    text = _drop_mentions(raw, bot_user_id)
    text = _TOKEN.sub(lambda match: _read_token(match[1], names), text)
    return unescape(text).strip()


def unescape(text: str) -> str:
    """Give back the three characters that Slack escapes."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _drop_mentions(raw: str, user_id: str) -> str:
    mention = re.compile(rf"{_BEFORE_MENTION}<@{re.escape(user_id)}(?:\|[^<>\n]*)?>")
    text = raw
    while match := mention.match(text):
        text = text[match.end() :].lstrip(_AFTER_LEADING_MENTION)
    return mention.sub("", text)


def _read_token(token: str, names: Mapping[str, str]) -> str:
    target, _, label = token.partition("|")
    if target.startswith("@"):
        return "@" + (names.get(target[1:]) or label.lstrip("@") or target[1:])
    if target.startswith("#"):
        return "#" + (label.lstrip("#") or target[1:])
    if target.startswith("!"):
        return _read_command(target[1:], label)
    return _read_link(target, label)


def _read_command(command: str, label: str) -> str:
    if command in ("channel", "here", "everyone"):
        return f"@{command}"
    return label or f"@{command.partition('^')[0]}"


def _read_link(url: str, label: str) -> str:
    address = re.sub(r"^(mailto:|tel:|https?://)", "", url)
    if not label or label == url:
        return url
    return label if label == address else f"{label} ({url})"
