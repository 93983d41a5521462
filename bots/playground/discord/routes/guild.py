"""The guild, its members and its channels."""

from __future__ import annotations

from bots.playground.discord.api import Answer, ApiRequest, Route, get_channel, snowflake
from bots.playground.discord.errors import forbidden, invalid_form, unknown
from bots.playground.discord.objects import channel_object, guild_object, member_object
from bots.playground.discord.state import ChannelType
from bots.playground.discord.world import World


def require_guild(world: World, request: ApiRequest) -> None:
    """Raise ApiError (10004) unless the path names the guild that is here."""
    if snowflake(request, "guild_id") != world.state.guild_id:
        raise unknown(10004)


def _guild(world: World, request: ApiRequest) -> Answer:
    require_guild(world, request)
    guild = guild_object(world.state)
    if request.is_set("with_counts"):
        guild["approximate_member_count"] = guild["approximate_presence_count"] = 4
    return Answer(guild)


def _channels(world: World, request: ApiRequest) -> Answer:
    require_guild(world, request)
    state = world.state
    texts = [each for each in state.channels.values() if each.type == ChannelType.TEXT]
    return Answer([channel_object(state, each) for each in texts])


def _members(world: World, request: ApiRequest) -> Answer:
    """List members by id. It needs the members intent, which the playground's bot lacks."""
    require_guild(world, request)
    raise forbidden(50001)


def _member(world: World, request: ApiRequest) -> Answer:
    require_guild(world, request)
    user = world.state.find_user(snowflake(request, "user_id"))
    if user is None:
        raise unknown(10007)
    return Answer(member_object(world.state, user))


def _search_members(world: World, request: ApiRequest) -> Answer:
    require_guild(world, request)
    query = request.query.get("query", "").lower()
    if not query:
        raise invalid_form("query", "BASE_TYPE_REQUIRED", "This field is required")
    found = [user for user in world.state.users() if user.name.lower().startswith(query)]
    return Answer([member_object(world.state, user) for user in found])


def _channel(world: World, request: ApiRequest) -> Answer:
    return Answer(channel_object(world.state, get_channel(world, request)))


ROUTES = (
    Route("GET", "/guilds/{guild_id}", _guild),
    Route("GET", "/guilds/{guild_id}/channels", _channels),
    Route("GET", "/guilds/{guild_id}/members", _members),
    Route("GET", "/guilds/{guild_id}/members/search", _search_members),
    Route("GET", "/guilds/{guild_id}/members/{user_id}", _member),
    Route("GET", "/channels/{channel_id}", _channel),
)
