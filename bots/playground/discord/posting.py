"""What happens to messages and threads, whoever does it: stored, then told to everyone."""

from __future__ import annotations

from collections.abc import Sequence

from bots.playground.base import SentFile
from bots.playground.discord.forms import MessageForm
from bots.playground.discord.objects import channel_object, message_object
from bots.playground.discord.sessions import Event, Intents
from bots.playground.discord.state import (
    Channel,
    ChannelType,
    Json,
    MessageFlags,
    MessageType,
    Post,
)
from bots.playground.discord.views import is_shown
from bots.playground.discord.world import World


def add_post(world: World, post: Post) -> Post:
    """Keep a new message and tell of it. An archived thread opens again."""
    thread = world.state.channels[post.channel]
    if thread.is_archived and not thread.is_locked:
        thread.is_archived = False
        world.announce_channel("THREAD_UPDATE", thread)
    world.state.in_channel(post.channel)[post.id] = post
    if is_shown(post):
        world.announce_post("MESSAGE_CREATE", post)
    else:
        world.send_post("MESSAGE_CREATE", post)
    if post.author == world.state.bot.id:
        world.show_status(post.channel, "")
    return post


def remove_post(world: World, post: Post) -> None:
    """Take a message away and tell of it."""
    channel = world.state.channels[post.channel]
    is_private = channel.is_dm or post.is_ephemeral
    _forget(world, post)
    _tell_removal(world, channel, "MESSAGE_DELETE", {"id": post.id}, is_private=is_private)


def remove_posts(world: World, channel: Channel, posts: Sequence[Post]) -> None:
    """Take several messages of a channel away in one go."""
    for post in posts:
        _forget(world, post)
    data: Json = {"ids": [post.id for post in posts]}
    _tell_removal(world, channel, "MESSAGE_DELETE_BULK", data, is_private=False)


def _forget(world: World, post: Post) -> None:
    world.state.in_channel(post.channel).pop(post.id, None)
    world.publish({"type": "deleted", "channel": post.channel, "id": post.id})


def _tell_removal(
    world: World, channel: Channel, name: str, data: Json, *, is_private: bool
) -> None:
    where = {"channel_id": channel.id}
    if not is_private:
        where["guild_id"] = world.state.guild_id
    intent = Intents.DIRECT_MESSAGES if is_private else Intents.GUILD_MESSAGES
    world.dispatch(Event(name, data | where, intent, is_private), channel.name)


def remove_channel(world: World, channel: Channel) -> None:
    """Take a channel or thread away, with its threads and all that was said there."""
    for thread in [each for each in world.state.channels.values() if each.parent == channel.id]:
        remove_channel(world, thread)
    data = channel_object(world.state, channel)
    for post in list(world.state.in_channel(channel.id).values()):
        _forget(world, post)
    del world.state.posts[channel.id], world.state.channels[channel.id]
    name = "THREAD_DELETE" if channel.is_thread else "CHANNEL_DELETE"
    world.dispatch(Event(name, data, Intents.GUILDS), channel.name)


def apply_form(world: World, post: Post, form: MessageForm) -> None:
    """Put what a form holds into a message; what it does not mention stays."""
    if form.content is not None:
        post.content = form.content
    if form.embeds is not None:
        post.embeds = form.embeds
    if form.components is not None:
        post.components = _numbered(form.components)
    if form.attachments is not None or form.uploads:
        kept = {str(each["id"]) for each in form.attachments or () if "id" in each}
        post.attachments = [each for each in post.attachments if each["id"] in kept]
        post.attachments += [attach(world, post, upload) for upload in form.uploads]


def _numbered(components: list[Json]) -> list[Json]:
    """Give every component the `id` that Discord returns, counted from 1 through the tree."""
    number = 0

    def visit(component: Json) -> Json:
        nonlocal number
        number += 1
        numbered = {**component, "id": number}
        if "components" in component:
            numbered["components"] = [visit(each) for each in component["components"]]
        if "accessory" in component:
            numbered["accessory"] = visit(component["accessory"])
        return numbered

    return [visit(component) for component in components]


def attach(world: World, post: Post, file: SentFile) -> Json:
    """Keep a file of a message, and give the attachment. Its address is made as it is told."""
    attachment = world.snowflakes.next()
    world.state.files[attachment] = file
    return {
        "id": attachment,
        "filename": file.name,
        "size": len(file.content),
        "content_type": file.media_type,
        "channel": post.channel,
    }


def start_thread(
    world: World,
    parent: Channel,
    name: str,
    owner: str,
    *,
    starter: Post | None = None,
    is_private: bool = False,
    archive_minutes: int = 4320,
) -> Channel:
    """Start a thread, from a message (whose id it then has) or without one."""
    thread = Channel(
        id=starter.id if starter else world.snowflakes.next(),
        name=name,
        type=ChannelType.PRIVATE_THREAD if is_private else ChannelType.PUBLIC_THREAD,
        parent=parent.id,
        owner=owner,
        archived_at=world.now(),
        auto_archive_minutes=archive_minutes,
        members=[owner],
    )
    world.state.channels[thread.id] = thread
    world.announce_channel("THREAD_CREATE", thread, newly_created=True)
    if starter is not None:
        _note_start(world, starter, thread)
    elif not is_private:
        note = Post(world.snowflakes.next(), parent.id, owner, name, MessageType.THREAD_CREATED)
        note.reply_channel = thread.id
        add_post(world, note)
    return thread


def _note_start(world: World, starter: Post, thread: Channel) -> None:
    """Mark the message that a thread came from, and open the thread with a note that points to it."""
    starter.flags |= MessageFlags.HAS_THREAD
    world.announce_post("MESSAGE_UPDATE", starter)
    note = Post(
        world.snowflakes.next(), thread.id, starter.author, type=MessageType.THREAD_STARTER_MESSAGE
    )
    note.reply_to, note.reply_channel = starter.id, starter.channel
    add_post(world, note)


def react(world: World, post: Post, user: str, emoji: str, *, adds: bool) -> None:
    """Add or take back somebody's reaction."""
    users = post.reactions.setdefault(emoji, [])
    if (user in users) == adds:
        return
    if adds:
        users.append(user)
    else:
        users.remove(user)
    if not users:
        del post.reactions[emoji]
    _tell_reaction(world, post, user, emoji, "ADD" if adds else "REMOVE")
    world.show(post)


def _tell_reaction(world: World, post: Post, user: str, emoji: str, change: str) -> None:
    is_private = world.state.channels[post.channel].is_dm
    data: Json = {
        "user_id": user,
        "channel_id": post.channel,
        "message_id": post.id,
        "emoji": {"id": None, "name": emoji},
        "burst": False,
        "type": 0,
    }
    if change == "ADD":
        data["message_author_id"] = post.author
    if not is_private:
        data["guild_id"] = world.state.guild_id
    intent = Intents.DIRECT_MESSAGE_REACTIONS if is_private else Intents.GUILD_MESSAGE_REACTIONS
    world.dispatch(Event(f"MESSAGE_REACTION_{change}", data, intent, is_private), emoji)


def shown_to_bot(world: World, post: Post) -> Json:
    """Render a message for an answer over HTTP, where the application's grant counts."""
    return message_object(world.state, post, sees_content=world.grants_message_content)
