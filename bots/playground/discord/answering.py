"""How interactions begin, are answered within three seconds, and are followed up for 15 minutes."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import replace

from bots.playground.base import SentFile
from bots.playground.discord.errors import ApiError, bad, invalid_form, unknown
from bots.playground.discord.forms import MessageForm, read_choices, read_message
from bots.playground.discord.interactions import Callback, Interaction, InteractionType
from bots.playground.discord.mentions import allowed_users, allows_everyone
from bots.playground.discord.objects import (
    channel_object,
    member_object,
    message_object,
    user_object,
)
from bots.playground.discord.permissions import GRANTED, bot_permissions
from bots.playground.discord.posting import add_post, apply_form
from bots.playground.discord.sessions import Event
from bots.playground.discord.state import Channel, Json, MessageFlags, MessageType, Person, Post
from bots.playground.discord.world import World

_USERS_ONLY: Json = {"parse": ["users"]}
"""Whom an answer may mention when it does not say."""
_OWN_FLAGS = (
    MessageFlags.EPHEMERAL
    | MessageFlags.SUPPRESS_EMBEDS
    | MessageFlags.SUPPRESS_NOTIFICATIONS
    | MessageFlags.IS_COMPONENTS_V2
)
_FIT_FOR = {
    Callback.PONG: (),
    Callback.MESSAGE: (InteractionType.COMMAND, InteractionType.COMPONENT),
    Callback.DEFERRED_MESSAGE: (InteractionType.COMMAND, InteractionType.COMPONENT),
    Callback.DEFERRED_UPDATE: (InteractionType.COMPONENT,),
    Callback.UPDATE: (InteractionType.COMPONENT,),
    Callback.CHOICES: (InteractionType.AUTOCOMPLETE,),
    Callback.MODAL: (InteractionType.COMMAND, InteractionType.COMPONENT),
}


def begin(
    world: World,
    kind: int,
    person: Person,
    channel: Channel,
    data: Json,
    message: Post | None = None,
) -> Interaction:
    """Let a person interact, and tell the bot."""
    interaction = Interaction(
        id=world.snowflakes.next(),
        type=kind,
        person=person.id,
        channel=channel.id,
        began_at=world.now(),
        name=data.get("name", ""),
        message=message.id if message else "",
    )
    _forget_old(world)
    world.interactions[interaction.id] = interaction
    event = _event(world, interaction, person, channel, data)
    if message is not None:
        event["message"] = message_object(world.state, message, sees_content=True)
    detail = f"/{interaction.name}" if interaction.name else data.get("custom_id", "")
    world.dispatch(Event("INTERACTION_CREATE", event, is_private=channel.is_dm), detail)
    return interaction


def _event(
    world: World, interaction: Interaction, person: Person, channel: Channel, data: Json
) -> Json:
    state = world.state
    place = channel_object(state, channel) | {"permissions": str(GRANTED)}
    event: Json = {
        "id": interaction.id,
        "application_id": state.bot.id,
        "type": interaction.type,
        "token": interaction.token,
        "version": 1,
        "data": data,
        "channel_id": channel.id,
        "channel": place,
        "locale": "en-US",
        "app_permissions": str(bot_permissions(state, channel)),
        "entitlements": [],
        "attachment_size_limit": 10 * 1024 * 1024,
    }
    if channel.is_dm:
        owners = {"0": "0"}
        return event | {
            "user": user_object(person),
            "context": 1,
            "authorizing_integration_owners": owners,
        }
    guild = {"id": state.guild_id, "locale": "en-US", "features": []}
    member = member_object(state, person) | {"permissions": str(GRANTED)}
    return event | {
        "guild_id": state.guild_id,
        "guild": guild,
        "guild_locale": "en-US",
        "member": member,
        "context": 0,
        "authorizing_integration_owners": {"0": state.guild_id},
    }


def _forget_old(world: World) -> None:
    now = world.now()
    for interaction in list(world.interactions.values()):
        if interaction.is_over(now - 3600):
            del world.interactions[interaction.id]


def answer(
    world: World, interaction_id: str, token: str, body: Json, uploads: Sequence[SentFile]
) -> Interaction:
    """Take a bot's first answer. Raises ApiError (10062 too late or unknown, 40060 answered before)."""
    interaction = world.interactions.get(interaction_id)
    if interaction is None or not hmac.compare_digest(interaction.token, token):
        raise unknown(10062)
    if interaction.is_answered:
        raise bad(40060)
    is_late = world.now() > interaction.began_at + world.interaction_seconds
    if interaction.has_failed or is_late:
        raise unknown(10062)
    kind = body.get("type")
    if not isinstance(kind, int) or interaction.type not in _FIT_FOR.get(kind, ()):
        raise invalid_form("type", "BASE_TYPE_CHOICES", f"{kind!r} does not fit this interaction.")
    _act_on(world, interaction, kind, body, uploads)
    interaction.is_answered = True
    interaction.answered.set()
    return interaction


def _act_on(
    world: World, interaction: Interaction, kind: int, body: Json, uploads: Sequence[SentFile]
) -> None:
    data: Json = body.get("data") or {}
    if kind == Callback.CHOICES:
        interaction.choices = read_choices(body)
    elif kind in (Callback.MESSAGE, Callback.DEFERRED_MESSAGE):
        form = read_message(data, uploads, "data.")
        if kind == Callback.MESSAGE:
            form.require_something()
        post = _new_post(world, interaction, form)
        if kind == Callback.DEFERRED_MESSAGE:
            post.flags |= MessageFlags.LOADING
        interaction.original = add_post(world, post).id
    elif kind == Callback.DEFERRED_UPDATE:
        interaction.original = interaction.message
    elif kind == Callback.UPDATE:
        interaction.original = interaction.message
        edit_answer(world, get_original(world, interaction), read_message(data, uploads, "data."))


def _new_post(world: World, interaction: Interaction, form: MessageForm) -> Post:
    person = world.state.people[interaction.person]
    post = Post(
        id=world.snowflakes.next(),
        channel=interaction.channel,
        author=world.state.bot.id,
        type=MessageType.CHAT_INPUT_COMMAND,
        flags=form.flags & _OWN_FLAGS,
        interaction=interaction.metadata(user_object(person)),
    )
    if interaction.message:
        post.type, post.reply_to = MessageType.REPLY, interaction.message
    post.visible_to = person.id if post.is_ephemeral else ""
    _fill(world, post, form)
    return post


def _fill(world: World, post: Post, form: MessageForm) -> None:
    apply_form(world, post, form)
    allowed = _USERS_ONLY if form.allowed_mentions is None else form.allowed_mentions
    post.mentions = allowed_users(post.content, allowed)
    post.mentions_everyone = allows_everyone(post.content, allowed)


def find_by_token(world: World, application_id: str, token: str) -> Interaction:
    """Find the interaction that a webhook's path names.

    Raises ApiError: 10015 while it is unanswered or unknown; 401 with 50027 after 15 minutes
    (discord-api-docs, issue 6851).
    """
    if application_id != world.state.bot.id:
        raise unknown(10015)
    for interaction in world.interactions.values():
        if hmac.compare_digest(interaction.token, token):
            if interaction.is_over(world.now()):
                raise ApiError(401, 50027, "Invalid Webhook Token")
            if interaction.is_answered and interaction.type != InteractionType.AUTOCOMPLETE:
                return interaction
    raise unknown(10015)


def get_original(world: World, interaction: Interaction) -> Post:
    """Give the message that answered first. Raises ApiError (10008)."""
    return get_answer(world, interaction, interaction.original)


def get_answer(world: World, interaction: Interaction, message: str) -> Post:
    """Give a message that answered. Raises ApiError (10008)."""
    post = world.state.in_channel(interaction.channel).get(message)
    if post is None or (
        post.interaction.get("id") != interaction.id and post.id != interaction.original
    ):
        raise unknown(10008)
    return post


def edit_answer(world: World, post: Post, form: MessageForm) -> Post:
    """Change a message that answers. A deferred one shows now."""
    trial = replace_fields(post, form)
    if not any(trial):
        raise bad(50006)
    was_loading = post.is_loading
    post.flags &= ~MessageFlags.LOADING
    post.flags |= form.flags & MessageFlags.IS_COMPONENTS_V2
    _fill(world, post, form)
    if not was_loading:
        post.edited_at = world.now()
    world.announce_post("MESSAGE_UPDATE", post)
    return post


def replace_fields(post: Post, form: MessageForm) -> tuple[object, ...]:
    """Give what a message would show after an edit: text, embeds, components, files."""
    return (
        post.content if form.content is None else form.content,
        post.embeds if form.embeds is None else form.embeds,
        post.components if form.components is None else form.components,
        (post.attachments if form.attachments is None else form.attachments) or form.uploads,
    )


def follow_up(world: World, interaction: Interaction, form: MessageForm) -> Post:
    """Answer further. The first follow-up takes the place of a deferred answer."""
    form.require_something()
    original = world.state.in_channel(interaction.channel).get(interaction.original)
    if original is not None and original.is_loading:
        return edit_answer(
            world, original, replace(form, flags=form.flags & ~MessageFlags.EPHEMERAL)
        )
    post = _new_post(world, interaction, form)
    if original is not None:
        post.type, post.reply_to = MessageType.REPLY, original.id
    return add_post(world, post)
