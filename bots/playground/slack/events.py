"""The payloads that Slack sends to an app: events, slash commands, interactions. Pure.

Shapes follow docs.slack.dev/apis/events-api and docs.slack.dev/reference/interaction-payloads.
"""

from __future__ import annotations

import re
from typing import Any

from bots.playground.slack.files import files_json
from bots.playground.slack.forwarding import attachments_json
from bots.playground.slack.state import Channel, Identity, Json, Message, Person, State

MENTION = re.compile(r"<@([A-Z0-9]+)>")


def message_json(state: State, message: Message) -> Json:
    """Give a message as the Web API and events carry it."""
    identity = state.identity
    result: Json = {"type": "message", "user": message.user, "text": message.text, "ts": message.ts}
    if message.user == identity.bot_user:
        result |= {
            "bot_id": identity.bot_id,
            "app_id": identity.app,
            "bot_profile": bot_profile(identity),
        }
    if message.client_msg_id:
        result["client_msg_id"] = message.client_msg_id
    result["team"] = identity.team
    result["blocks"] = list(message.blocks) or [rich_text(message)]
    result |= _thread_fields(state, message)
    if message.edited_ts:
        result["edited"] = {"user": message.user, "ts": message.edited_ts}
    if message.files:
        result |= {"files": files_json(state, message), "upload": False, "display_as_bot": False}
    if message.forwarded:
        result["attachments"] = attachments_json(state, message)
    if message.metadata:
        result["metadata"] = message.metadata
    if message.reactions:
        result["reactions"] = [
            {"name": name, "users": list(users), "count": len(users)}
            for name, users in message.reactions.items()
        ]
    if message.is_tombstone:
        result |= {"subtype": "tombstone", "hidden": True}
    return result


def _thread_fields(state: State, message: Message) -> Json:
    if message.thread_ts:
        root = state.messages.get(message.thread_ts)
        return {"thread_ts": message.thread_ts, "parent_user_id": root.user if root else ""}
    replies = state.replies(message)
    if not replies:
        return {}
    return {
        "thread_ts": message.ts,
        "reply_count": len(replies),
        "reply_users_count": len({reply.user for reply in replies}),
        "latest_reply": replies[-1].ts,
    }


def bot_profile(identity: Identity) -> Json:
    """Give the app's bot as messages carry it."""
    return {
        "id": identity.bot_id,
        "app_id": identity.app,
        "user_id": identity.bot_user,
        "name": identity.bot_name,
        "deleted": False,
        "updated": 0,
        "team_id": identity.team,
    }


def rich_text(message: Message) -> Json:
    """Give the rich text block that Slack makes of a message without blocks."""
    elements: list[Json] = []
    for index, part in enumerate(MENTION.split(message.text)):
        if index % 2:
            elements.append({"type": "user", "user_id": part})
        elif part:
            elements.append({"type": "text", "text": part})
    section: Json = {"type": "rich_text_section", "elements": elements}
    return {"type": "rich_text", "block_id": "rich", "elements": [section]}


def message_event(state: State, message: Message) -> Json:
    """Build the `message` event of a new message."""
    kind = {"subtype": "file_share"} if message.files else {}
    return {**message_json(state, message), **kind, **_place(state, message, message.ts)}


def mention_event(state: State, message: Message) -> Json:
    """Build the `app_mention` event, which comes beside `message` for the same message."""
    event = {**message_json(state, message), "type": "app_mention"}
    return event | {"channel": message.channel, "event_ts": message.ts}


def changed_event(state: State, message: Message, previous: Message) -> Json:
    """Build the `message_changed` event of an edit, whoever made it."""
    ts = state.next_ts()
    return {
        "type": "message",
        "subtype": "message_changed",
        "hidden": True,
        "message": message_json(state, message),
        "previous_message": message_json(state, previous),
        "ts": ts,
        **_place(state, message, ts),
    }


def deleted_event(state: State, previous: Message) -> Json:
    """Build the `message_deleted` event."""
    ts = state.next_ts()
    return {
        "type": "message",
        "subtype": "message_deleted",
        "hidden": True,
        "deleted_ts": previous.ts,
        "previous_message": message_json(state, previous),
        "ts": ts,
        **_place(state, previous, ts),
    }


def _place(state: State, message: Message, ts: str) -> Json:
    kind = state.channels[message.channel].kind
    return {"channel": message.channel, "channel_type": kind, "event_ts": ts}


def callback(state: State, event: Json) -> Json:
    """Wrap an event into the payload that an app receives."""
    identity = state.identity
    return {
        "token": "deprecated",
        "team_id": identity.team,
        "context_team_id": identity.team,
        "context_enterprise_id": None,
        "api_app_id": identity.app,
        "event": event,
        "type": "event_callback",
        "event_id": state.next_id("Ev"),
        "event_time": int(state.clock()),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": identity.team,
                "user_id": identity.bot_user,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": False,
        "event_context": f"4-{identity.team}-{event.get('channel', '')}",
    }


def slash_command(
    state: State, person: Person, channel: Channel, name: str, text: str, response_url: str
) -> Json:
    """Build the payload of a slash command; it never carries a thread."""
    identity = state.identity
    return {
        "token": "deprecated",
        "team_id": identity.team,
        "team_domain": identity.domain,
        "channel_id": channel.id,
        "channel_name": "directmessage" if channel.kind == "im" else channel.name,
        "user_id": person.id,
        "user_name": person.name,
        "command": name,
        "text": text,
        "api_app_id": identity.app,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": trigger_id(state),
    }


def block_actions(
    state: State, person: Person, message: Message, action: Json, response_url: str
) -> Json:
    """Build the payload of a pressed button or a choice."""
    container: Json = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": message.channel,
        "is_ephemeral": bool(message.visible_to),
    }
    if message.thread_ts:
        container["thread_ts"] = message.thread_ts
    payload = {
        "type": "block_actions",
        **_who_and_where(state, person, message),
        "container": container,
        "response_url": response_url,
        "actions": [{**action, "action_ts": state.next_ts()}],
        "state": {"values": {}},
    }
    if not message.visible_to:
        payload["message"] = message_json(state, message)
    return payload


def message_action(
    state: State, person: Person, message: Message, callback_id: str, response_url: str
) -> Json:
    """Build the payload of a message shortcut, chosen in a message's menu."""
    return {
        "type": "message_action",
        **_who_and_where(state, person, message),
        "callback_id": callback_id,
        "action_ts": state.next_ts(),
        "message_ts": message.ts,
        "message": message_json(state, message),
        "response_url": response_url,
    }


def _who_and_where(state: State, person: Person, message: Message) -> dict[str, Any]:
    identity = state.identity
    channel = state.channels[message.channel]
    return {
        "token": "deprecated",
        "api_app_id": identity.app,
        "team": {"id": identity.team, "domain": identity.domain},
        "enterprise": None,
        "is_enterprise_install": False,
        "user": {
            "id": person.id,
            "username": person.name,
            "name": person.name,
            "team_id": identity.team,
        },
        "channel": {
            "id": channel.id,
            "name": "directmessage" if channel.kind == "im" else channel.name,
        },
        "trigger_id": trigger_id(state),
    }


def trigger_id(state: State) -> str:
    """Make the id that lets an app open a modal; it is good for three seconds at Slack."""
    return f"{int(state.clock() * 1000)}.{state.next_id('trigger').lower()}"
