"""Messages of a channel: read, post, edit, delete, and typing."""

from __future__ import annotations

from bots.playground.discord.answering import replace_fields
from bots.playground.discord.api import (
    NO_CONTENT,
    Answer,
    ApiRequest,
    Route,
    get_channel,
    get_post,
)
from bots.playground.discord.errors import bad, forbidden, invalid_form
from bots.playground.discord.forms import MessageForm, read_message
from bots.playground.discord.limits import (
    DELETE_MESSAGE,
    EDIT_MESSAGE,
    POST_MESSAGE,
    READ_MESSAGES,
    TYPING,
)
from bots.playground.discord.mentions import allowed_users, allows_everyone
from bots.playground.discord.objects import member_object
from bots.playground.discord.permissions import (
    ATTACH_FILES,
    MANAGE_MESSAGES,
    READ_MESSAGE_HISTORY,
    bot_permissions,
    require_sending,
)
from bots.playground.discord.posting import add_post, apply_form, remove_post, shown_to_bot
from bots.playground.discord.sessions import Event, Intents
from bots.playground.discord.snowflakes import is_snowflake, seconds_of
from bots.playground.discord.state import Channel, Json, MessageFlags, MessageType, Post
from bots.playground.discord.world import World

_HOUR = 3600
_NONCE_SECONDS = 300
_OWN_FLAGS = (
    MessageFlags.SUPPRESS_EMBEDS
    | MessageFlags.SUPPRESS_NOTIFICATIONS
    | MessageFlags.IS_COMPONENTS_V2
)


def _history(world: World, request: ApiRequest) -> Answer:
    channel = get_channel(world, request)
    limit = _limit(request)
    if not bot_permissions(world.state, channel) & READ_MESSAGE_HISTORY:
        return Answer([])
    posts = [post for post in world.state.in_channel(channel.id).values() if not post.is_ephemeral]
    chosen = _choose(posts, request, limit)
    return Answer([shown_to_bot(world, post) for post in reversed(chosen)])


def _limit(request: ApiRequest) -> int:
    text = request.query.get("limit", "50")
    if not text.isdigit() or not 1 <= int(text) <= 100:
        message = "int value should be between 1 and 100."
        raise invalid_form("limit", "NUMBER_TYPE_RANGE", message)
    return int(text)


def _choose(posts: list[Post], request: ApiRequest, limit: int) -> list[Post]:
    """Choose at most `limit` messages, oldest first, around, before or after an id."""
    for name in ("around", "before", "after"):
        value = request.query.get(name)
        if value is None:
            continue
        if not is_snowflake(value):
            raise invalid_form(name, "NUMBER_TYPE_COERCE", f'Value "{value}" is not snowflake.')
        before = [post for post in posts if int(post.id) < int(value)]
        after = [post for post in posts if int(post.id) > int(value)]
        if name == "before":
            return before[-limit:]
        if name == "after":
            return after[:limit]
        middle = [post for post in posts if post.id == value]
        half = limit // 2
        return (before[-half:] + middle + after[:half]) if half else middle
    return posts[-limit:]


def _get(world: World, request: ApiRequest) -> Answer:
    channel = get_channel(world, request, READ_MESSAGE_HISTORY)
    return Answer(shown_to_bot(world, get_post(world, request, channel)))


def _create(world: World, request: ApiRequest) -> Answer:
    channel = get_channel(world, request)
    require_sending(world.state, channel)
    _check_files(world, channel, request)
    form = read_message(request.form, request.uploads)
    form.require_something()
    if channel.is_locked and channel.is_archived:
        raise bad(50083)
    earlier = _find_by_nonce(world, channel, form)
    if earlier is not None:
        return Answer(shown_to_bot(world, earlier))
    post = Post(world.snowflakes.next(), channel.id, world.state.bot.id, nonce=form.nonce)
    post.flags = form.flags & _OWN_FLAGS
    _refer(world, channel, post, form)
    apply_form(world, post, form)
    _set_mentions(world, post, form)
    add_post(world, post)
    return Answer(shown_to_bot(world, post))


def _check_files(world: World, channel: Channel, request: ApiRequest) -> None:
    """Raise ApiError (50013) for files where the bot may not send any."""
    if request.uploads and not bot_permissions(world.state, channel) & ATTACH_FILES:
        raise forbidden(50013)


def _find_by_nonce(world: World, channel: Channel, form: MessageForm) -> Post | None:
    """Find the message that the bot made here with the same nonce in the last minutes."""
    if not form.nonce or not form.enforces_nonce:
        return None
    for post in reversed(world.state.in_channel(channel.id).values()):
        if world.now() - seconds_of(post.id) > _NONCE_SECONDS:
            return None
        if post.nonce == form.nonce and post.author == world.state.bot.id:
            return post
    return None


def _refer(world: World, channel: Channel, post: Post, form: MessageForm) -> None:
    """Make a message a reply. A message that is not there refuses it, unless told not to.

    Who may not read what was said before may not reply to it either (160002).
    """
    if not form.reference or form.reference.get("message_id") is None:
        return
    if not bot_permissions(world.state, channel) & READ_MESSAGE_HISTORY:
        raise bad(160002)
    target = world.state.in_channel(channel.id).get(str(form.reference["message_id"]))
    if target is None or target.is_ephemeral:
        if form.reference.get("fail_if_not_exists", True):
            raise invalid_form("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
        return
    if target.type not in MessageType.WRITTEN:
        code = "REPLIES_CANNOT_REPLY_TO_SYSTEM_MESSAGE"
        raise invalid_form("message_reference", code, "Cannot reply to a system message")
    post.type, post.reply_to = MessageType.REPLY, target.id


def _set_mentions(world: World, post: Post, form: MessageForm) -> None:
    replied = world.state.find_post(post.reply_to) if post.reply_to else None
    author = replied.author if replied else ""
    post.mentions = allowed_users(post.content, form.allowed_mentions, author)
    post.mentions_everyone = allows_everyone(post.content, form.allowed_mentions)


def _edit(world: World, request: ApiRequest) -> Answer:
    channel = get_channel(world, request)
    post = get_post(world, request, channel)
    if post.author != world.state.bot.id:
        raise forbidden(50005)
    if post.type not in MessageType.WRITTEN:
        raise forbidden(50021)
    _check_files(world, channel, request)
    form = read_message(request.form, request.uploads)
    if not any(replace_fields(post, form)):
        raise bad(50006)
    if channel.is_archived:
        raise bad(50083)
    if world.now() - seconds_of(post.id) > _HOUR:
        world.limits.take_old_edit(channel.id)
    apply_form(world, post, form)
    _set_mentions(world, post, form)
    post.edited_at = world.now()
    world.announce_post("MESSAGE_UPDATE", post)
    return Answer(shown_to_bot(world, post))


def _delete(world: World, request: ApiRequest) -> Answer:
    channel = get_channel(world, request)
    post = get_post(world, request, channel)
    if post.author != world.state.bot.id:
        if channel.is_dm:
            raise forbidden(50003)
        if not bot_permissions(world.state, channel) & MANAGE_MESSAGES:
            raise forbidden(50013)
    remove_post(world, post)
    return NO_CONTENT


def _type(world: World, request: ApiRequest) -> Answer:
    channel = get_channel(world, request)
    require_sending(world.state, channel)
    bot = world.state.bot
    data: Json = {"channel_id": channel.id, "user_id": bot.id, "timestamp": int(world.now())}
    intent = Intents.DIRECT_MESSAGE_TYPING
    if not channel.is_dm:
        intent = Intents.GUILD_MESSAGE_TYPING
        data |= {"guild_id": world.state.guild_id, "member": member_object(world.state, bot)}
    world.dispatch(Event("TYPING_START", data, intent, channel.is_dm))
    world.show_status(channel.id, f"{bot.name} is typing…")
    return NO_CONTENT


_CHANNEL = "/channels/{channel_id}"
_MESSAGE = f"{_CHANNEL}/messages/{{message_id}}"

ROUTES = (
    Route("GET", f"{_CHANNEL}/messages", _history, READ_MESSAGES),
    Route("POST", f"{_CHANNEL}/messages", _create, POST_MESSAGE),
    Route("GET", _MESSAGE, _get, READ_MESSAGES),
    Route("PATCH", _MESSAGE, _edit, EDIT_MESSAGE),
    Route("DELETE", _MESSAGE, _delete, DELETE_MESSAGE),
    Route("POST", f"{_CHANNEL}/typing", _type, TYPING),
)
