"""conversations.* and reactions.*: reading channels and threads, opening DMs, reacting."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from bots.playground.slack.arguments import Arguments
from bots.playground.slack.events import message_json
from bots.playground.slack.refusal import RefusedError
from bots.playground.slack.state import Channel, Json, Message
from bots.playground.slack.workspace import Workspace

MAX_PAGE = 1_000
KINDS = {"public_channel": "channel", "private_channel": "group", "im": "im"}

Item = TypeVar("Item")


def replies(workspace: Workspace, args: Arguments) -> Json:
    """Read a thread, oldest first. Raises RefusedError `thread_not_found`.

    Slack gives a thread's first message with every call, whatever time or page is asked for. Its
    documentation does not say so; programs that page through threads drop it again.
    """
    channel = workspace.get_postable(args.required("channel"))
    message = workspace.state.find_message(channel.id, args.required("ts"))
    if message is None:
        raise RefusedError("thread_not_found")
    root = workspace.state.messages.get(message.root, message)
    thread = [root, *_within(workspace.state.replies(root), args)]
    page, cursor = _page(thread, args, workspace.sizes.messages_a_call)
    led = page if root in page else [root, *page]
    return _messages_json(workspace, led, cursor, args)


def history(workspace: Workspace, args: Arguments) -> Json:
    """Read what was said in a channel at top level, newest first."""
    channel = workspace.get_postable(args.required("channel"))
    top = [message for message in workspace.state.in_channel(channel.id) if not message.thread_ts]
    page, cursor = _page(_within(top, args)[::-1], args, workspace.sizes.messages_a_call)
    return _messages_json(workspace, page, cursor, args)


def info(workspace: Workspace, args: Arguments) -> Json:
    """Describe a channel."""
    channel = workspace.get_channel(args.required("channel"))
    fields = _channel_json(workspace, channel)
    if args.flag("include_num_members"):
        fields["num_members"] = len(channel.members)
    return {"channel": fields}


def open_(workspace: Workspace, args: Arguments) -> Json:
    """Open the DM with a person."""
    users = args.text("users")
    if args.text("channel"):
        return {"channel": {"id": workspace.get_channel(args.text("channel")).id}}
    if not users:
        raise RefusedError("users_list_not_supplied")
    if "," in users:
        raise RefusedError("method_not_supported_for_channel_type")
    person = workspace.get_person(users)
    channel = workspace.state.find_dm(person.id)
    if channel is None or person.is_bot:
        raise RefusedError("cannot_dm_bot")
    return {"no_op": True, "already_open": True, "channel": {"id": channel.id}}


def list_(workspace: Workspace, args: Arguments) -> Json:
    """List channels, public ones unless `types` says else."""
    kinds = {
        KINDS.get(kind.strip()) for kind in (args.text("types") or "public_channel").split(",")
    }
    channels = [
        channel
        for channel in workspace.state.channels.values()
        if channel.kind in kinds and not (args.flag("exclude_archived") and channel.is_archived)
    ]
    page, cursor = _page(channels, args)
    return {"channels": [_channel_json(workspace, channel) for channel in page], **cursor}


def members(workspace: Workspace, args: Arguments) -> Json:
    """List who is in a channel."""
    channel = workspace.get_channel(args.required("channel"))
    page, cursor = _page(channel.members, args)
    return {"members": list(page), **cursor}


def add_reaction(workspace: Workspace, args: Arguments) -> Json:
    """React to a message. Raises RefusedError `already_reacted`."""
    name, message = _read_reaction(workspace, args)
    bot, users = workspace.state.identity.bot_user, message.reactions.get(name, ())
    if bot in users:
        raise RefusedError("already_reacted")
    workspace.set_reactions(message, {**message.reactions, name: (*users, bot)})
    return {}


def remove_reaction(workspace: Workspace, args: Arguments) -> Json:
    """Take a reaction back. Raises RefusedError `no_reaction`."""
    name, message = _read_reaction(workspace, args)
    bot, users = workspace.state.identity.bot_user, message.reactions.get(name, ())
    if bot not in users:
        raise RefusedError("no_reaction")
    left = {**message.reactions, name: tuple(user for user in users if user != bot)}
    workspace.set_reactions(message, {name: users for name, users in left.items() if users})
    return {}


def _read_reaction(workspace: Workspace, args: Arguments) -> tuple[str, Message]:
    channel = workspace.get_postable(args.required("channel"))
    name = args.required("name")
    if not name.replace("_", "").replace("-", "").replace("+", "").isalnum():
        raise RefusedError("invalid_name")
    return name, workspace.get_message(channel, args.required("timestamp"))


def _within(messages: Sequence[Message], args: Arguments) -> list[Message]:
    oldest, latest = _read_time(args, "oldest", 0.0), _read_time(args, "latest", math.inf)
    edge = args.flag("inclusive")
    return [
        message
        for message in messages
        if oldest < float(message.ts) < latest or (edge and float(message.ts) in (oldest, latest))
    ]


def _read_time(args: Arguments, name: str, default: float) -> float:
    try:
        return float(args.text(name) or default)
    except ValueError:
        raise RefusedError(f"invalid_ts_{name}") from None


def _messages_json(
    workspace: Workspace, page: Sequence[Message], cursor: Json, args: Arguments
) -> Json:
    has_more = bool(cursor["response_metadata"]["next_cursor"])
    found = [message_json(workspace.state, message) for message in page]
    if not args.flag("include_all_metadata"):
        for message in found:
            message.pop("metadata", None)
    return {"messages": found, "has_more": has_more, **cursor}


def _page(
    items: Sequence[Item], args: Arguments, max_items: int = MAX_PAGE
) -> tuple[Sequence[Item], Json]:
    limit = min(args.number("limit", 100), max_items)
    if limit < 1:
        raise RefusedError("invalid_limit")
    start = args.text("cursor") or "0"
    if not start.isdigit():
        raise RefusedError("invalid_cursor")
    end = int(start) + limit
    cursor = str(end) if end < len(items) else ""
    return items[int(start) : end], {"response_metadata": {"next_cursor": cursor}}


def _channel_json(workspace: Workspace, channel: Channel) -> Json:
    state = workspace.state
    fields: Json = {
        "id": channel.id,
        "created": channel.created,
        "is_archived": channel.is_archived,
        "is_im": channel.kind == "im",
        "is_channel": channel.kind == "channel",
        "is_group": channel.kind == "group",
        "is_mpim": False,
        "is_private": channel.kind != "channel",
        "context_team_id": state.identity.team,
    }
    if channel.kind == "im":
        other = next(id_ for id_ in channel.members if id_ != state.identity.bot_user)
        return {**fields, "user": other, "is_open": True}
    return {
        **fields,
        "name": channel.name,
        "name_normalized": channel.name,
        "is_member": state.is_member(channel, state.identity.bot_user),
        "topic": {"value": channel.topic, "creator": "", "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
    }


METHODS: Mapping[str, Callable[[Workspace, Arguments], Json]] = {
    "conversations.history": history,
    "conversations.info": info,
    "conversations.list": list_,
    "conversations.members": members,
    "conversations.open": open_,
    "conversations.replies": replies,
    "reactions.add": add_reaction,
    "reactions.remove": remove_reaction,
}
