"""files.info, and the two calls around an upload."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bots.playground.base import SentFile
from bots.playground.slack.arguments import Arguments
from bots.playground.slack.files import file_json, places_of
from bots.playground.slack.methods.chat import read_thread
from bots.playground.slack.refusal import RefusedError
from bots.playground.slack.state import Json, Message, SharedFile
from bots.playground.slack.workspace import Workspace


def info(workspace: Workspace, args: Arguments) -> Json:
    """Tell of a file. Raises RefusedError `file_not_found`, `file_deleted`, `missing_scope`."""
    workspace.require_scope("files:read")
    file = workspace.state.files.get(args.required("file"))
    if file is None:
        raise RefusedError("file_not_found")
    if file.is_deleted:
        raise RefusedError("file_deleted")
    return {
        "file": file_json(workspace.state, file) | {"channels": places_of(workspace.state, file)}
    }


def get_upload_url(workspace: Workspace, args: Arguments) -> Json:
    """Give an address that takes a file's bytes."""
    workspace.require_scope("files:write")
    state, name = workspace.state, args.required("filename")
    if args.number("length", 0) <= 0:
        raise RefusedError("invalid_arguments", "[ERROR] must be greater than 0: length")
    file = SharedFile(
        state.next_id("F"), state.identity.bot_user, SentFile(name, "text/plain", b"")
    )
    state.files[file.id] = file
    return {"upload_url": f"{state.origin}/upload/{file.id}", "file_id": file.id}


def complete_upload(workspace: Workspace, args: Arguments) -> Json:
    """Share uploaded files, in a channel or a thread where one is named. Raises RefusedError."""
    workspace.require_scope("files:write")
    state = workspace.state
    entries = args.structure("files") or []
    files = [state.files.get(str(entry.get("id"))) for entry in entries]
    if not files or not all(file and file.sent.content for file in files):
        raise RefusedError("file_not_found")
    for entry, file in zip(entries, filter(None, files), strict=True):
        title = str(entry.get("title") or "")
        state.files[file.id] = SharedFile(file.id, file.user, file.sent, title)
    ids = tuple(file.id for file in files if file)
    if any(set(ids) & set(message.files) for message in state.messages.values()):
        raise RefusedError("file_update_failed")
    if args.text("channel_id"):
        channel = workspace.get_postable(args.text("channel_id"))
        thread = read_thread(workspace, args, channel)
        workspace.post(
            Message(
                ts=state.next_ts(),
                channel=channel.id,
                user=state.identity.bot_user,
                text=args.text("initial_comment"),
                thread_ts=thread,
                files=ids,
            )
        )
    return {"files": [{"id": id_, "title": state.files[id_].title} for id_ in ids]}


METHODS: Mapping[str, Callable[[Workspace, Arguments], Json]] = {
    "files.completeUploadExternal": complete_upload,
    "files.getUploadURLExternal": get_upload_url,
    "files.info": info,
}
