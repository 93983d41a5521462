"""Answers to interactions: the first one, and those that follow through the webhook."""

from __future__ import annotations

from bots.playground.discord.answering import (
    answer,
    edit_answer,
    find_by_token,
    follow_up,
    get_answer,
    get_original,
)
from bots.playground.discord.api import NO_CONTENT, Answer, ApiRequest, Route
from bots.playground.discord.forms import read_message
from bots.playground.discord.interactions import Interaction
from bots.playground.discord.limits import WEBHOOK
from bots.playground.discord.objects import message_object
from bots.playground.discord.posting import remove_post
from bots.playground.discord.state import Json, Post
from bots.playground.discord.world import World


def _callback(world: World, request: ApiRequest) -> Answer:
    interaction_id, token = request.params["interaction_id"], request.params["token"]
    form = request.form
    interaction = answer(world, interaction_id, token, form, request.uploads)
    if not request.is_set("with_response"):
        return NO_CONTENT
    return Answer(_callback_object(world, interaction, form["type"]))


def _callback_object(world: World, interaction: Interaction, kind: int) -> Json:
    about: Json = {"id": interaction.id, "type": interaction.type}
    post = world.state.in_channel(interaction.channel).get(interaction.original)
    if post is None:
        return {"interaction": about}
    about |= {
        "response_message_id": post.id,
        "response_message_loading": post.is_loading,
        "response_message_ephemeral": post.is_ephemeral,
    }
    return {"interaction": about, "resource": {"type": kind, "message": _shown(world, post)}}


def _shown(world: World, post: Post) -> Json:
    return message_object(world.state, post, sees_content=True)


def _find(world: World, request: ApiRequest) -> Interaction:
    return find_by_token(world, request.params["application_id"], request.params["token"])


def _find_post(world: World, request: ApiRequest) -> Post:
    interaction, message = _find(world, request), request.params.get("message_id")
    if message is None:
        return get_original(world, interaction)
    return get_answer(world, interaction, message)


def _follow_up(world: World, request: ApiRequest) -> Answer:
    interaction = _find(world, request)
    form = read_message(request.form, request.uploads)
    return Answer(_shown(world, follow_up(world, interaction, form)))


def _get(world: World, request: ApiRequest) -> Answer:
    return Answer(_shown(world, _find_post(world, request)))


def _edit(world: World, request: ApiRequest) -> Answer:
    post = _find_post(world, request)
    form = read_message(request.form, request.uploads)
    return Answer(_shown(world, edit_answer(world, post, form)))


def _delete(world: World, request: ApiRequest) -> Answer:
    remove_post(world, _find_post(world, request))
    return NO_CONTENT


_WEBHOOK = "/webhooks/{application_id}/{token}"

ROUTES = (
    Route(
        "POST", "/interactions/{interaction_id}/{token}/callback", _callback, WEBHOOK, is_open=True
    ),
    Route("POST", _WEBHOOK, _follow_up, WEBHOOK, is_open=True),
    *(
        Route(method, f"{_WEBHOOK}/messages/{message}", endpoint, WEBHOOK, is_open=True)
        for message in ("@original", "{message_id}")
        for method, endpoint in (("GET", _get), ("PATCH", _edit), ("DELETE", _delete))
    ),
)
