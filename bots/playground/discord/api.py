"""What a route of the REST API is made of: a request, an answer, and who finds what they name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bots.playground.base import SentFile
from bots.playground.discord.errors import invalid_form, unknown
from bots.playground.discord.forms import as_object
from bots.playground.discord.limits import OTHER, Limit
from bots.playground.discord.permissions import VIEW_CHANNEL, require
from bots.playground.discord.snowflakes import is_snowflake
from bots.playground.discord.state import Channel, Json, Post
from bots.playground.discord.world import World


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request, read and taken apart."""

    params: Mapping[str, str]
    query: Mapping[str, str]
    body: object = None
    uploads: tuple[SentFile, ...] = ()

    @property
    def form(self) -> Json:
        """The body as an object. Raises ApiError when it is none."""
        return as_object(self.body)

    def is_set(self, name: str) -> bool:
        """Tell whether a yes-or-no parameter of the query is yes."""
        return self.query.get(name, "").lower() in ("1", "true")


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back; no body for 204."""

    body: Any = None
    status: int = 200


NO_CONTENT = Answer(status=204)

Endpoint = Callable[[World, ApiRequest], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path, with its limit. Those with `is_open` need no bot token."""

    method: str
    path: str
    endpoint: Endpoint
    limit: Limit = OTHER
    is_open: bool = False

    def bucket(self, params: Mapping[str, str]) -> str:
        """Give the part of the path that Discord counts by: its "major parameter"."""
        majors = ("channel_id", "guild_id", "application_id", "token")
        return "/".join(params[name] for name in majors if name in params)


def snowflake(request: ApiRequest, name: str) -> str:
    """Give an id from the path. Raises ApiError (50035)."""
    value = request.params[name]
    if not is_snowflake(value):
        raise invalid_form(name, "NUMBER_TYPE_COERCE", f'Value "{value}" is not snowflake.')
    return value


def get_channel(world: World, request: ApiRequest, permission: int = VIEW_CHANNEL) -> Channel:
    """Give the channel that a path names. Raises ApiError (10003, 50001, 50013)."""
    channel = world.state.channels.get(snowflake(request, "channel_id"))
    if channel is None:
        raise unknown(10003)
    require(world.state, channel, permission)
    return channel


def get_post(world: World, request: ApiRequest, channel: Channel) -> Post:
    """Give the message that a path names; ephemeral ones cannot be reached so. Raises ApiError (10008)."""
    post = world.state.in_channel(channel.id).get(snowflake(request, "message_id"))
    if post is None or post.is_ephemeral:
        raise unknown(10008)
    return post
