"""auth.test, api.test, users.*, bots.info, team.info, views.publish: who is who, and their home tab."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bots.playground.slack.arguments import Arguments
from bots.playground.slack.blocks import read_blocks
from bots.playground.slack.refusal import RefusedError
from bots.playground.slack.state import Json, Person
from bots.playground.slack.workspace import Workspace


def api_test(_workspace: Workspace, args: Arguments) -> Json:
    """Give the arguments back. Raises RefusedError with the code that `error` asks for."""
    if args.text("error"):
        raise RefusedError(args.text("error"))
    return {"args": dict(args.values)}


def auth_test(workspace: Workspace, _args: Arguments) -> Json:
    """Say whose token it is."""
    identity = workspace.state.identity
    return {
        "url": f"https://{identity.domain}.slack.com/",
        "team": identity.team_name,
        "user": identity.bot_name,
        "team_id": identity.team,
        "user_id": identity.bot_user,
        "bot_id": identity.bot_id,
        "is_enterprise_install": False,
    }


def user_info(workspace: Workspace, args: Arguments) -> Json:
    """Describe a person."""
    return {"user": _user_json(workspace, workspace.get_person(args.required("user")))}


def list_users(workspace: Workspace, _args: Arguments) -> Json:
    """Describe everyone."""
    everyone = [_user_json(workspace, person) for person in workspace.state.people.values()]
    return {
        "members": everyone,
        "cache_ts": int(workspace.state.clock()),
        "response_metadata": {"next_cursor": ""},
    }


def bot_info(workspace: Workspace, args: Arguments) -> Json:
    """Describe the bot. Raises RefusedError `bot_not_found`."""
    identity = workspace.state.identity
    if args.text("bot") not in ("", identity.bot_id):
        raise RefusedError("bot_not_found")
    bot = {
        "id": identity.bot_id,
        "deleted": False,
        "name": identity.bot_name,
        "updated": 0,
        "app_id": identity.app,
        "user_id": identity.bot_user,
    }
    return {"bot": bot}


def team_info(workspace: Workspace, _args: Arguments) -> Json:
    """Describe the workspace."""
    identity = workspace.state.identity
    return {"team": {"id": identity.team, "name": identity.team_name, "domain": identity.domain}}


def publish_view(workspace: Workspace, args: Arguments) -> Json:
    """Keep a person's home view. Raises RefusedError `invalid_arguments`."""
    person = workspace.get_person(args.required("user_id"))
    view = args.structure("view")
    if not isinstance(view, dict) or view.get("type") != "home":
        raise RefusedError("invalid_arguments", "[ERROR] must be a home view: view")
    read_blocks(view.get("blocks"))
    state = workspace.state
    kept = {**view, "id": state.next_id("V"), "team_id": state.identity.team}
    kept |= {"app_id": state.identity.app, "bot_id": state.identity.bot_id}
    state.views[person.id] = kept
    return {"view": kept}


def _user_json(workspace: Workspace, person: Person) -> Json:
    profile: Json = {"real_name": person.real_name, "display_name": person.real_name}
    if person.is_bot:
        identity = workspace.state.identity
        profile |= {"bot_id": identity.bot_id, "api_app_id": identity.app}
    return {
        "id": person.id,
        "team_id": workspace.state.identity.team,
        "name": person.name,
        "real_name": person.real_name,
        "deleted": False,
        "is_bot": person.is_bot,
        "is_app_user": False,
        "tz": "Etc/UTC",
        "tz_offset": 0,
        "profile": profile,
    }


METHODS: Mapping[str, Callable[[Workspace, Arguments], Json]] = {
    "api.test": api_test,
    "auth.test": auth_test,
    "bots.info": bot_info,
    "team.info": team_info,
    "users.info": user_info,
    "users.list": list_users,
    "views.publish": publish_view,
}
