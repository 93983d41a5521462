"""Slack's payloads, read: an event becomes `Heard`, a command or a press becomes what was asked. Pure.

Shapes: docs.slack.dev/reference/events/message, .../app_mention, docs.slack.dev/interactivity.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bots.slack.files import find_forwarded, parse_attachments
from bots.slack.text import find_mentions, read_text
from core.conversation import Author, Incoming, ThreadKey
from core.files.values import Attachment

PLATFORM = "slack"

Payload = Mapping[str, Any]

_SPOKEN = frozenset(("", "file_share", "thread_broadcast"))
"""The subtypes of `message` that are a person's own words."""
_SLACKBOT = "USLACKBOT"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the bot is, as `auth.test` says."""

    user_id: str
    bot_id: str
    user_name: str
    workspace: str
    workspace_name: str


@dataclass(frozen=True, slots=True)
class Heard:
    """A person's message that may be for the bot."""

    key: ThreadKey
    message_id: str
    author_id: str
    raw_text: str
    sent_at: datetime
    is_addressed: bool
    """Whether it is for the bot for sure: a mention, or a direct message. Else only the thread tells."""
    bot_user_id: str
    attachments: tuple[Attachment, ...] = ()

    @property
    def user_ids(self) -> tuple[str, ...]:
        """The ids whose names the text needs: the author's first, never the bot's own."""
        mentioned = (id_ for id_ in find_mentions(self.raw_text) if id_ != self.bot_user_id)
        return tuple(dict.fromkeys((self.author_id, *mentioned)))

    def to_incoming(self, names: Mapping[str, str]) -> Incoming:
        """Make it the core's message. An id without a name stands for itself."""
        return Incoming(
            key=self.key,
            message_id=self.message_id,
            author=Author(self.author_id, names.get(self.author_id, self.author_id)),
            text=read_text(self.raw_text, names, self.bot_user_id),
            sent_at=self.sent_at,
            attachments=self.attachments,
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """A slash command, a message shortcut or a choice: what someone wants done, and where."""

    name: str
    argument: str
    user_id: str
    key: ThreadKey
    """For a slash command in a channel without a thread, which Slack does not tell."""
    response_url: str
    about: str = ""
    """The message of which a shortcut was chosen."""

    @property
    def is_direct(self) -> bool:
        """Whether it came from a direct message."""
        return is_direct(self.key.channel)


def parse_message(body: Payload, me: Identity) -> Heard | None:
    """Read a `message` or `app_mention` event. None if it is none of the bot's business.

    A mention comes as both, with one `ts` and two event ids: both read the same.
    """
    event: Payload = body.get("event") or {}
    if not me.user_id:
        me = replace(me, user_id=_find_bot(body, event))
    if not _is_spoken(event, me):
        return None
    channel, ts, text = str(event["channel"]), str(event["ts"]), str(event.get("text") or "")
    root = str(event.get("thread_ts") or ts)
    is_addressed = is_direct(channel) or _is_mention(event, text, me)
    if root == ts and not is_addressed:
        return None
    return Heard(
        key=thread_key(workspace_of(body, me), channel, ts, root),
        message_id=ts,
        author_id=str(event["user"]),
        raw_text="\n\n".join(filter(None, (text, *_read_forwarded(event)))),
        sent_at=parse_ts(ts),
        is_addressed=is_addressed,
        bot_user_id=me.user_id,
        attachments=parse_attachments(event),
    )


def _find_bot(body: Payload, event: Payload) -> str:
    """Say who the bot is by an event, for servers whose `auth.test` does not tell."""
    told: Payload = next(iter(body.get("authorizations") or ()), {})
    mentioned = find_mentions(str(event.get("text") or ""))
    is_mention = event.get("type") == "app_mention"
    return str(told.get("user_id") or "") or next(iter(mentioned if is_mention else ()), "")


def _read_forwarded(event: Payload) -> Iterator[str]:
    for told in find_forwarded(event):
        if text := told.get("text"):
            yield f"[forwarded from {told.get('author_name') or 'somebody'}]\n{text}"


def _is_spoken(event: Payload, me: Identity) -> bool:
    user = event.get("user")
    return (
        event.get("type") in ("message", "app_mention")
        and (event.get("subtype") or "") in _SPOKEN
        and bool(user)
        and user not in (me.user_id, _SLACKBOT)
        and not (event.get("bot_id") or event.get("bot_profile") or event.get("hidden"))
        and is_ts(event.get("ts"))
        and bool(event.get("channel"))
    )


def _is_mention(event: Payload, text: str, me: Identity) -> bool:
    return event["type"] == "app_mention" or me.user_id in find_mentions(text)


def parse_command(body: Payload, me: Identity) -> Asked:
    """Read a slash command, such as `/model gpt-4o`."""
    return Asked(
        name=str(body.get("command", "")).lstrip("/").lower(),
        argument=str(body.get("text") or "").strip(),
        user_id=str(body.get("user_id", "")),
        key=ThreadKey(PLATFORM, workspace_of(body, me), str(body.get("channel_id", ""))),
        response_url=str(body.get("response_url") or ""),
    )


def parse_shortcut(body: Payload, name: str, me: Identity) -> Asked | None:
    """Read a message shortcut as a command about the message's thread. None if it names no message."""
    message: Payload = body.get("message") or {}
    ts = message.get("ts") or body.get("message_ts")
    channel = _id(body.get("channel"))
    if not is_ts(ts) or not channel:
        return None
    key = thread_key(workspace_of(body, me), channel, str(ts), str(message.get("thread_ts") or ts))
    return Asked(name, "", _id(body.get("user")), key, str(body.get("response_url") or ""), str(ts))


def parse_action(body: Payload, me: Identity) -> tuple[Asked, str]:
    """Read a pressed button or a choice: the action's id stands as the name, beside what was chosen."""
    action: Payload = next(iter(body.get("actions") or ()), {})
    option: Payload = action.get("selected_option") or {}
    container: Payload = body.get("container") or {}
    channel = _id(body.get("channel")) or str(container.get("channel_id") or "")
    asked = Asked(
        name=str(action.get("action_id", "")),
        argument="",
        user_id=_id(body.get("user")),
        key=ThreadKey(PLATFORM, workspace_of(body, me), channel),
        response_url=str(body.get("response_url") or ""),
    )
    return asked, str(option.get("value") or action.get("value") or "")


def is_about_ephemeral(body: Payload) -> bool:
    """Tell whether an action was taken in a message that one person sees, which may be replaced."""
    container: Payload = body.get("container") or {}
    return bool(container.get("is_ephemeral"))


def thread_key(workspace: str, channel: str, ts: str, root: str) -> ThreadKey:
    """Say which conversation a message belongs to.

    In a channel that is its thread, which a mention at top level begins. In a direct message all
    that is said at top level is one conversation, and a thread is one of its own.
    """
    thread = "" if is_direct(channel) and root == ts else root
    return ThreadKey(PLATFORM, workspace, channel, thread)


def is_direct(channel: str) -> bool:
    """Tell whether a channel is a direct message with the bot: those ids begin with a D."""
    return channel.startswith("D")


def workspace_of(body: Payload, me: Identity) -> str:
    """Give the workspace that a payload came from."""
    return str(body.get("team_id") or "") or _id(body.get("team")) or me.workspace


def is_ts(value: object) -> bool:
    """Tell whether a value is one of Slack's timestamps, which are ids as well."""
    if not isinstance(value, str) or not value.isascii():
        return False
    seconds, dot, fraction = value.partition(".")
    digits = seconds + fraction
    return dot == "." and 0 < len(seconds) <= 10 and 0 < len(fraction) <= 6 and digits.isdigit()


def parse_ts(ts: str) -> datetime:
    """Read a timestamp to the microsecond, which a float would round."""
    seconds, _, fraction = ts.partition(".")
    instant = datetime.fromtimestamp(int(seconds), UTC)
    return instant + timedelta(microseconds=int(fraction.ljust(6, "0")))


def _id(value: object) -> str:
    """Give the id out of what Slack writes as an object here and as a text there."""
    if isinstance(value, Mapping):
        return str(value.get("id") or "")  # pyright: ignore[reportUnknownMemberType]
    return str(value or "")
