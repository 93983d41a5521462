"""The bot's slash commands, for everywhere or for the guild."""

from __future__ import annotations

from bots.playground.discord.api import NO_CONTENT, Answer, ApiRequest, Route, snowflake
from bots.playground.discord.commands import GLOBAL, command_view
from bots.playground.discord.errors import ApiError, forbidden, unknown
from bots.playground.discord.forms import as_object
from bots.playground.discord.limits import COMMANDS
from bots.playground.discord.world import World


def _scope(world: World, request: ApiRequest) -> str:
    """Give the scope that a path names. Raises ApiError (10002, 50001)."""
    if snowflake(request, "application_id") != world.state.bot.id:
        raise unknown(10002)
    scope = request.params.get("guild_id", GLOBAL)
    if scope not in (GLOBAL, world.state.guild_id):
        raise forbidden(50001)
    return scope


def _changed(world: World) -> None:
    usable = world.commands.usable(world.state.guild_id)
    views = [command_view(command) for command in usable.values()]
    world.publish({"type": "commands", "commands": views})


def _list(world: World, request: ApiRequest) -> Answer:
    return Answer(world.commands.all(_scope(world, request)))


def _get(world: World, request: ApiRequest) -> Answer:
    return Answer(world.commands.get(_scope(world, request), snowflake(request, "command_id")))


def _overwrite(world: World, request: ApiRequest) -> Answer:
    scope = _scope(world, request)
    if not isinstance(request.body, list):
        raise ApiError(400, 50109, "The request body contains invalid JSON.")
    made = world.commands.overwrite(scope, [as_object(form) for form in request.body])
    _changed(world)
    return Answer(made)


def _upsert(world: World, request: ApiRequest) -> Answer:
    command, is_new = world.commands.upsert(_scope(world, request), request.form)
    _changed(world)
    return Answer(command, 201 if is_new else 200)


def _edit(world: World, request: ApiRequest) -> Answer:
    scope, command_id = _scope(world, request), snowflake(request, "command_id")
    command = world.commands.edit(scope, command_id, request.form)
    _changed(world)
    return Answer(command)


def _delete(world: World, request: ApiRequest) -> Answer:
    world.commands.delete(_scope(world, request), snowflake(request, "command_id"))
    _changed(world)
    return NO_CONTENT


_EVERYWHERE = "/applications/{application_id}/commands"
_IN_GUILD = "/applications/{application_id}/guilds/{guild_id}/commands"

ROUTES = tuple(
    route
    for path in (_EVERYWHERE, _IN_GUILD)
    for route in (
        Route("GET", path, _list, COMMANDS),
        Route("PUT", path, _overwrite, COMMANDS),
        Route("POST", path, _upsert, COMMANDS),
        Route("GET", f"{path}/{{command_id}}", _get, COMMANDS),
        Route("PATCH", f"{path}/{{command_id}}", _edit, COMMANDS),
        Route("DELETE", f"{path}/{{command_id}}", _delete, COMMANDS),
    )
)
