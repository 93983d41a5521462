"""Threads: started, renamed, archived, joined, listed."""

from __future__ import annotations

from bots.playground.discord.api import NO_CONTENT, Answer, ApiRequest, Route, get_channel, get_post
from bots.playground.discord.errors import bad, forbidden, invalid_form, missing, wrong_length
from bots.playground.discord.limits import CHANNEL, THREAD
from bots.playground.discord.objects import channel_object, thread_member_object
from bots.playground.discord.permissions import (
    CREATE_PUBLIC_THREADS,
    MANAGE_THREADS,
    READ_MESSAGE_HISTORY,
    bot_permissions,
    require,
)
from bots.playground.discord.posting import start_thread
from bots.playground.discord.routes.guild import require_guild
from bots.playground.discord.state import Channel, ChannelType, Json
from bots.playground.discord.world import World

_ARCHIVE_MINUTES = (60, 1440, 4320, 10080)


def _name(form: Json) -> str:
    if "name" not in form:
        raise missing("name")
    name = str(form["name"]).strip()
    if not 1 <= len(name) <= 100:
        raise wrong_length("name", 1, 100)
    return name


def _archive_minutes(form: Json, default: int) -> int:
    minutes = form.get("auto_archive_duration") or default
    if minutes not in _ARCHIVE_MINUTES:
        text = f"Value must be one of {_ARCHIVE_MINUTES}."
        raise invalid_form("auto_archive_duration", "BASE_TYPE_CHOICES", text)
    return minutes


def _parent(world: World, request: ApiRequest) -> Channel:
    channel = get_channel(world, request)
    if channel.type != ChannelType.TEXT:
        raise bad(50024)
    require(world.state, channel, CREATE_PUBLIC_THREADS)
    return channel


def _start_from_message(world: World, request: ApiRequest) -> Answer:
    parent = _parent(world, request)
    require(world.state, parent, READ_MESSAGE_HISTORY)
    post = get_post(world, request, parent)
    if post.id in world.state.channels:
        raise bad(160004)
    name, minutes = _name(request.form), _archive_minutes(request.form, 4320)
    bot = world.state.bot.id
    thread = start_thread(world, parent, name, bot, starter=post, archive_minutes=minutes)
    return Answer(channel_object(world.state, thread), 201)


def _start(world: World, request: ApiRequest) -> Answer:
    """Start a thread without a message. Discord makes it private unless told otherwise."""
    parent = _parent(world, request)
    name, minutes = _name(request.form), _archive_minutes(request.form, 4320)
    is_private = request.form.get("type", ChannelType.PRIVATE_THREAD) == ChannelType.PRIVATE_THREAD
    bot = world.state.bot.id
    thread = start_thread(world, parent, name, bot, is_private=is_private, archive_minutes=minutes)
    return Answer(channel_object(world.state, thread), 201)


def _edit(world: World, request: ApiRequest) -> Answer:
    thread, form = get_channel(world, request), request.form
    if not thread.is_thread:
        raise forbidden(50003 if thread.is_dm else 50013)
    is_manager = bot_permissions(world.state, thread) & MANAGE_THREADS
    reopens = form.get("archived") is False and not thread.is_locked
    if not is_manager and not (thread.owner == world.state.bot.id or form.keys() == {"archived"}):
        raise forbidden(50013)
    if not is_manager and "locked" in form:
        raise forbidden(50013)
    if thread.is_archived and not reopens:
        raise bad(50083)
    _change(world, thread, form)
    world.announce_channel("THREAD_UPDATE", thread)
    return Answer(channel_object(world.state, thread))


def _change(world: World, thread: Channel, form: Json) -> None:
    if "name" in form:
        thread.name = _name(form)
    if "auto_archive_duration" in form:
        thread.auto_archive_minutes = _archive_minutes(form, thread.auto_archive_minutes)
    if "archived" in form:
        thread.is_archived, thread.archived_at = bool(form["archived"]), world.now()
    if "locked" in form:
        thread.is_locked = bool(form["locked"])


def _join(world: World, request: ApiRequest) -> Answer:
    thread, bot = get_channel(world, request), world.state.bot.id
    if not thread.is_thread:
        raise bad(50024)
    if bot not in thread.members:
        thread.members.append(bot)
        world.announce_channel("THREAD_CREATE", thread)
    return NO_CONTENT


def _leave(world: World, request: ApiRequest) -> Answer:
    thread, bot = get_channel(world, request), world.state.bot.id
    if not thread.is_thread:
        raise bad(50024)
    if bot in thread.members:
        thread.members.remove(bot)
    return NO_CONTENT


def _active(world: World, request: ApiRequest) -> Answer:
    require_guild(world, request)
    threads = [each for each in world.state.channels.values() if each.is_thread]
    return _listing(world, [each for each in threads if not each.is_archived])


def _archived(world: World, request: ApiRequest) -> Answer:
    parent = get_channel(world, request, READ_MESSAGE_HISTORY)
    threads = [each for each in world.state.channels.values() if each.parent == parent.id]
    archived = [each for each in threads if each.is_archived]
    return _listing(world, sorted(archived, key=lambda each: -each.archived_at), has_more=False)


def _listing(world: World, threads: list[Channel], **more: object) -> Answer:
    bot = world.state.bot.id
    joined = [thread_member_object(each, bot) for each in threads if bot in each.members]
    shown = [channel_object(world.state, each) for each in threads]
    return Answer({"threads": shown, "members": joined, **more})


_CHANNEL = "/channels/{channel_id}"

ROUTES = (
    Route("POST", f"{_CHANNEL}/messages/{{message_id}}/threads", _start_from_message, THREAD),
    Route("POST", f"{_CHANNEL}/threads", _start, THREAD),
    Route("PATCH", _CHANNEL, _edit, CHANNEL),
    Route("PUT", f"{_CHANNEL}/thread-members/@me", _join),
    Route("DELETE", f"{_CHANNEL}/thread-members/@me", _leave),
    Route("GET", f"{_CHANNEL}/threads/archived/public", _archived),
    Route("GET", "/guilds/{guild_id}/threads/active", _active),
)
