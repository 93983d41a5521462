"""The bot's reactions to messages."""

from __future__ import annotations

from bots.playground.discord.api import NO_CONTENT, Answer, ApiRequest, Route, get_channel, get_post
from bots.playground.discord.errors import ApiError
from bots.playground.discord.limits import REACTION
from bots.playground.discord.objects import user_object
from bots.playground.discord.permissions import ADD_REACTIONS
from bots.playground.discord.posting import react
from bots.playground.discord.world import World


def _emoji(request: ApiRequest) -> str:
    emoji = request.params["emoji"]
    if emoji.isascii():
        raise ApiError(400, 10014, "Unknown Emoji")
    return emoji


def _add(world: World, request: ApiRequest) -> Answer:
    post = get_post(world, request, get_channel(world, request, ADD_REACTIONS))
    react(world, post, world.state.bot.id, _emoji(request), adds=True)
    return NO_CONTENT


def _remove(world: World, request: ApiRequest) -> Answer:
    post = get_post(world, request, get_channel(world, request))
    react(world, post, world.state.bot.id, _emoji(request), adds=False)
    return NO_CONTENT


def _list(world: World, request: ApiRequest) -> Answer:
    post = get_post(world, request, get_channel(world, request))
    users = map(world.state.find_user, post.reactions.get(_emoji(request), ()))
    return Answer([user_object(user) for user in users if user])


_REACTION = "/channels/{channel_id}/messages/{message_id}/reactions/{emoji}"

ROUTES = (
    Route("PUT", f"{_REACTION}/@me", _add, REACTION),
    Route("DELETE", f"{_REACTION}/@me", _remove, REACTION),
    Route("GET", _REACTION, _list, REACTION),
)
