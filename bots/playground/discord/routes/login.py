"""Who the bot is, and where the gateway is."""

from __future__ import annotations

from bots.playground.discord.api import NO_CONTENT, Answer, ApiRequest, Route, snowflake
from bots.playground.discord.errors import ApiError, missing, unknown
from bots.playground.discord.objects import (
    MESSAGE_CONTENT_FLAG,
    application_object,
    channel_object,
    own_user_object,
    user_object,
)
from bots.playground.discord.world import World


def application_flags(world: World) -> int:
    """Give the application's flags: whether it was granted the content of messages."""
    return MESSAGE_CONTENT_FLAG if world.grants_message_content else 0


def _gateway(world: World, request: ApiRequest) -> Answer:
    return Answer({"url": world.gateway_url})


def _gateway_bot(world: World, request: ApiRequest) -> Answer:
    limit = {"total": 1000, "remaining": 999, "reset_after": 86_400_000, "max_concurrency": 1}
    return Answer({"url": world.gateway_url, "shards": 1, "session_start_limit": limit})


def _own_user(world: World, request: ApiRequest) -> Answer:
    return Answer(own_user_object(world.state))


def _user(world: World, request: ApiRequest) -> Answer:
    user = world.state.find_user(snowflake(request, "user_id"))
    if user is None:
        raise unknown(10013)
    return Answer(user_object(user))


def _own_guilds(world: World, request: ApiRequest) -> Answer:
    guild = {"id": world.state.guild_id, "name": world.state.guild_name, "owner": False}
    return Answer([guild | {"icon": None, "permissions": "0", "features": []}])


def _application(world: World, request: ApiRequest) -> Answer:
    return Answer(application_object(world.state, application_flags(world)))


def _open_dm(world: World, request: ApiRequest) -> Answer:
    recipient = request.form.get("recipient_id")
    if recipient is None:
        raise missing("recipient_id")
    channel = world.state.find_dm(str(recipient))
    if channel is None:
        raise ApiError(400, 50033, "Invalid Recipient(s)")
    return Answer(channel_object(world.state, channel))


def _log_out(world: World, request: ApiRequest) -> Answer:
    return NO_CONTENT


ROUTES = (
    Route("GET", "/gateway", _gateway, is_open=True),
    Route("GET", "/gateway/bot", _gateway_bot),
    Route("GET", "/users/@me", _own_user),
    Route("GET", "/users/@me/guilds", _own_guilds),
    Route("POST", "/users/@me/channels", _open_dm),
    Route("GET", "/users/{user_id}", _user),
    Route("GET", "/applications/@me", _application),
    Route("GET", "/oauth2/applications/@me", _application),
    Route("POST", "/auth/logout", _log_out),
)
