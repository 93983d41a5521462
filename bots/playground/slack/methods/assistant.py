"""assistant.threads.* and agents.sessions.*: what the bot is doing, what a thread is called, what to ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bots.playground.slack.arguments import Arguments
from bots.playground.slack.refusal import RefusedError
from bots.playground.slack.state import Json
from bots.playground.slack.workspace import Workspace

SESSION_STATUSES = frozenset({"active", "processing", "suspended", "closed"})
MAX_TITLE = 200
MAX_PROMPTS = 4
MAX_LOADING_MESSAGES = 10
WORKING = "is working..."


def set_status(workspace: Workspace, args: Arguments) -> Json:
    """Show a status in a thread until the bot posts there, an empty one comes, or two minutes pass."""
    channel, thread = _read_place(workspace, args)
    if "status" not in args.values:
        raise RefusedError("invalid_arguments", "[ERROR] missing required field: status")
    loading = args.structure("loading_messages") or []
    if len(loading) > MAX_LOADING_MESSAGES:
        raise RefusedError("invalid_arguments", "[ERROR] too many items: loading_messages")
    workspace.set_status(channel, thread, args.text("status"))
    return {}


def set_title(workspace: Workspace, args: Arguments) -> Json:
    """Give a thread a title."""
    channel, thread = _read_place(workspace, args)
    workspace.state.titles[f"{channel}/{thread}"] = args.required("title")
    return {}


def set_suggested_prompts(workspace: Workspace, args: Arguments) -> Json:
    """Offer things to ask, four at the most."""
    channel = workspace.get_channel(args.required("channel_id")).id
    prompts = args.structure("prompts")
    if not isinstance(prompts, list) or not 1 <= len(prompts) <= MAX_PROMPTS:
        raise RefusedError(
            "invalid_arguments", f"[ERROR] must have 1 to {MAX_PROMPTS} items: prompts"
        )
    workspace.state.prompts[f"{channel}/{args.text('thread_ts')}"] = prompts
    return {}


def set_agent_status(workspace: Workspace, args: Arguments) -> Json:
    """Set a session's status, making the session; the title counts only then."""
    channel, thread = _read_place(workspace, args)
    title = args.text("title")
    if len(title) > MAX_TITLE:
        raise RefusedError(
            "invalid_arguments", f"[ERROR] must be at most {MAX_TITLE} characters: title"
        )
    session = set_session_status(workspace, channel, thread, args.required("status"), title)
    return {**session, "agent_status": session["status"]}


def set_session_status(
    workspace: Workspace, channel: str, thread: str, status: str, title: str = ""
) -> Json:
    """Set a session's status and show it. Raises RefusedError `invalid_arguments`."""
    if status not in SESSION_STATUSES:
        raise RefusedError("invalid_arguments", "[ERROR] unknown value: status")
    sessions = workspace.state.sessions
    session = {"title": title, **sessions.get(f"{channel}/{thread}", {}), "status": status}
    sessions[f"{channel}/{thread}"] = session
    workspace.set_status(channel, thread, WORKING if status == "processing" else "")
    return session


def rename(workspace: Workspace, args: Arguments) -> Json:
    """Give a session another title. Raises RefusedError `session_not_found`."""
    channel, thread = _read_place(workspace, args)
    title = args.required("title")
    if len(title) > MAX_TITLE:
        raise RefusedError(
            "invalid_arguments", f"[ERROR] must be at most {MAX_TITLE} characters: title"
        )
    session = workspace.state.sessions.get(f"{channel}/{thread}")
    if session is None:
        raise RefusedError("session_not_found")
    workspace.state.sessions[f"{channel}/{thread}"] = {**session, "title": title}
    return {"title": title}


def _read_place(workspace: Workspace, args: Arguments) -> tuple[str, str]:
    channel = workspace.get_postable(args.required("channel_id"))
    thread = args.required("thread_ts")
    if workspace.state.find_message(channel.id, thread) is None:
        raise RefusedError("invalid_thread_ts")
    return channel.id, thread


METHODS: Mapping[str, Callable[[Workspace, Arguments], Json]] = {
    "agents.sessions.rename": rename,
    "agents.sessions.setStatus": set_agent_status,
    "assistant.threads.setStatus": set_status,
    "assistant.threads.setSuggestedPrompts": set_suggested_prompts,
    "assistant.threads.setTitle": set_title,
}
