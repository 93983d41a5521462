"""chat.postMessage, postEphemeral, update and delete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from bots.playground.slack.arguments import Arguments
from bots.playground.slack.events import message_json
from bots.playground.slack.methods.content import Content, read_content
from bots.playground.slack.refusal import RefusedError
from bots.playground.slack.state import Channel, Json, Message
from bots.playground.slack.workspace import Workspace


def post_message(workspace: Workspace, args: Arguments) -> Json:
    """Say something as the bot, in a channel or a thread."""
    channel = workspace.get_postable(args.required("channel"))
    thread = read_thread(workspace, args, channel)
    content = read_content(args, workspace.sizes)
    message = workspace.post(_bot_message(workspace, channel, content, thread))
    return {
        "channel": channel.id,
        "ts": message.ts,
        "message": message_json(workspace.state, message),
    }


def post_ephemeral(workspace: Workspace, args: Arguments) -> Json:
    """Say something that one person sees. Raises RefusedError `user_not_in_channel`, too."""
    channel = workspace.get_postable(args.required("channel"))
    person = args.required("user")
    if not workspace.state.is_member(channel, person):
        raise RefusedError("user_not_in_channel")
    thread = read_thread(workspace, args, channel)
    content = read_content(args, workspace.sizes)
    message = _bot_message(workspace, channel, content, thread)
    workspace.post(replace(message, visible_to=person))
    return {"message_ts": message.ts}


def update(workspace: Workspace, args: Arguments) -> Json:
    """Change one of the bot's own messages.

    Raises RefusedError `cant_update_message`, and `streaming_state_conflict` while it streams.
    """
    channel = workspace.get_postable(args.required("channel"))
    previous = workspace.get_message(channel, args.required("ts"))
    if previous.user != workspace.state.identity.bot_user or previous.is_tombstone:
        raise RefusedError("cant_update_message")
    if previous.stream == "open":
        raise RefusedError("streaming_state_conflict")
    content = read_content(args, workspace.sizes, max_text=workspace.sizes.updated_text)
    message = workspace.change(_updated(workspace, previous, content, args), previous)
    return {
        "channel": channel.id,
        "ts": message.ts,
        "text": message.text,
        "message": message_json(workspace.state, message),
    }


def delete(workspace: Workspace, args: Arguments) -> Json:
    """Delete one of the bot's own messages. Raises RefusedError `cant_delete_message`."""
    channel = workspace.get_channel(args.required("channel"))
    message = workspace.get_message(channel, args.required("ts"))
    if message.user != workspace.state.identity.bot_user or message.is_tombstone:
        raise RefusedError("cant_delete_message")
    workspace.remove(message)
    return {"channel": channel.id, "ts": message.ts}


def read_thread(workspace: Workspace, args: Arguments, channel: Channel) -> str:
    """Read where in a channel to reply; empty for top level.

    Raises RefusedError `invalid_thread_ts` for an empty or malformed one, `thread_not_found`.
    """
    if "thread_ts" not in args.values or args.values["thread_ts"] is None:
        return ""
    thread = args.text("thread_ts")
    seconds, _, fraction = thread.partition(".")
    if not (seconds.isdigit() and fraction.isdigit()):
        raise RefusedError("invalid_thread_ts")
    workspace.check_thread(channel, thread)
    return thread


def _bot_message(workspace: Workspace, channel: Channel, content: Content, thread: str) -> Message:
    return Message(
        ts=workspace.state.next_ts(),
        channel=channel.id,
        user=workspace.state.identity.bot_user,
        text=content.text,
        thread_ts=thread,
        is_markdown=content.is_markdown,
        blocks=content.blocks,
        metadata=content.metadata,
    )


def _updated(workspace: Workspace, previous: Message, content: Content, args: Arguments) -> Message:
    return replace(
        previous,
        text=content.text,
        is_markdown=content.is_markdown,
        blocks=content.blocks,
        metadata=content.metadata if "metadata" in args.values else previous.metadata,
        edited_ts=workspace.state.next_ts(),
        stream="",
        files=tuple(dict.fromkeys((*previous.files, *_read_files(workspace, args)))),
    )


def _read_files(workspace: Workspace, args: Arguments) -> tuple[str, ...]:
    """Read which uploaded files a message gets. Raises RefusedError `file_not_found`."""
    ids = tuple(filter(None, args.text("file_ids").split(",")))
    if any(id_ not in workspace.state.files for id_ in ids):
        raise RefusedError("file_not_found")
    return ids


METHODS: Mapping[str, Callable[[Workspace, Arguments], Json]] = {
    "chat.delete": delete,
    "chat.postEphemeral": post_ephemeral,
    "chat.postMessage": post_message,
    "chat.update": update,
}
