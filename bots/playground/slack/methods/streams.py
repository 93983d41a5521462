"""chat.startStream, appendStream and stopStream.

Beyond docs.slack.dev: a stream takes either `markdown_text` or `chunks` for all its life, refuses
chat.update while it runs, takes a bounded total of text, and dies after some minutes in use or not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, cast

from bots.playground.slack.arguments import Arguments
from bots.playground.slack.blocks import read_blocks
from bots.playground.slack.events import message_json
from bots.playground.slack.methods.assistant import set_session_status
from bots.playground.slack.methods.chat import read_thread
from bots.playground.slack.methods.content import read_metadata
from bots.playground.slack.refusal import RefusedError
from bots.playground.slack.state import Channel, Json, Message
from bots.playground.slack.workspace import Workspace

Mode = Literal["", "text", "chunks"]

CHUNK_TYPES = frozenset({"markdown_text", "task_update", "plan_update", "blocks"})


def start_stream(workspace: Workspace, args: Arguments) -> Json:
    """Begin a message that grows. Raises RefusedError `missing_recipient_user_id` and the like."""
    channel = workspace.get_postable(args.required("channel"))
    args.required("thread_ts")
    thread = read_thread(workspace, args, channel)
    if "metadata" in args.values:
        raise RefusedError("invalid_arguments", "[ERROR] unsupported field: metadata")
    _check_recipient(workspace, args, channel)
    text, mode = _read_growth(workspace, args)
    state = workspace.state
    message = Message(
        ts=state.next_ts(),
        channel=channel.id,
        user=state.identity.bot_user,
        text=_grown(workspace, "", text),
        thread_ts=thread,
        is_markdown=True,
        stream="open",
        stream_mode=mode,
        stream_started_at=state.clock(),
    )
    workspace.post(message)
    return {"channel": channel.id, "ts": message.ts}


def append_stream(workspace: Workspace, args: Arguments) -> Json:
    """Add to a stream. Raises RefusedError `message_not_in_streaming_state` when it has ended."""
    message = _get_stream(workspace, args)
    text, mode = _read_growth(workspace, args)
    if not mode:
        raise RefusedError("no_text")
    _check_mode(message, mode)
    grown = replace(message, text=_grown(workspace, message.text, text), stream_mode=mode)
    workspace.change(grown, message, echo=False)
    return {"channel": message.channel, "ts": message.ts}


def stop_stream(workspace: Workspace, args: Arguments) -> Json:
    """End a stream, with last text, blocks below it, metadata, and the session's status."""
    message = _get_stream(workspace, args)
    text, mode = _read_growth(workspace, args)
    _check_mode(message, mode)
    blocks = read_blocks(args.structure("blocks", "invalid_blocks_format"))
    stopped = replace(
        message,
        text=_grown(workspace, message.text, text),
        stream="closed",
        blocks=blocks,
        metadata=read_metadata(args),
    )
    status = args.text("session_status")
    if status:
        set_session_status(workspace, message.channel, message.thread_ts, status)
    workspace.change(stopped, message)
    return {
        "channel": message.channel,
        "ts": message.ts,
        "message": message_json(workspace.state, stopped),
    }


def _get_stream(workspace: Workspace, args: Arguments) -> Message:
    channel = workspace.get_postable(args.required("channel"))
    message = workspace.get_message(channel, args.required("ts"))
    if message.user != workspace.state.identity.bot_user:
        raise RefusedError("message_not_owned_by_app")
    if message.stream != "open":
        raise RefusedError("message_not_in_streaming_state")
    return message


def _check_recipient(workspace: Workspace, args: Arguments, channel: Channel) -> None:
    user, team = args.text("recipient_user_id"), args.text("recipient_team_id")
    if channel.kind != "im":
        if not user:
            raise RefusedError("missing_recipient_user_id")
        if not team:
            raise RefusedError("missing_recipient_team_id")
    if user:
        workspace.get_person(user)
    if team and team != workspace.state.identity.team:
        raise RefusedError("team_not_found")


def _read_growth(workspace: Workspace, args: Arguments) -> tuple[str, Mode]:
    text, chunks = args.text("markdown_text"), args.structure("chunks", "invalid_chunks")
    if text and chunks:
        raise RefusedError("cannot_provide_both_markdown_text_and_chunks")
    if chunks:
        text = "".join(_chunk_text(chunk) for chunk in _read_chunks(chunks))
    if len(text) > workspace.sizes.markdown:
        raise RefusedError("msg_too_long")
    return text, "chunks" if chunks else "text" if text else ""


def _read_chunks(value: Any) -> list[Json]:
    chunks = cast(list[Json], value)
    if not isinstance(value, list) or any(chunk.get("type") not in CHUNK_TYPES for chunk in chunks):
        raise RefusedError("invalid_chunks")
    return chunks


def _chunk_text(chunk: Json) -> str:
    return str(chunk.get("text", "")) if chunk["type"] == "markdown_text" else ""


def _check_mode(message: Message, mode: Mode) -> None:
    if mode and message.stream_mode and mode != message.stream_mode:
        raise RefusedError("streaming_mode_mismatch")


def _grown(workspace: Workspace, text: str, more: str) -> str:
    if len(text) + len(more) > workspace.sizes.stream:
        raise RefusedError("msg_too_long")
    return text + more


METHODS: Mapping[str, Callable[[Workspace, Arguments], Json]] = {
    "chat.appendStream": append_stream,
    "chat.startStream": start_stream,
    "chat.stopStream": stop_stream,
}
