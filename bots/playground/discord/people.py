"""What people do: write, reply, edit, delete, start threads, use commands and press buttons."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bots.playground.base import SentFile
from bots.playground.discord.answering import begin
from bots.playground.discord.commands import argument_of, fill_in
from bots.playground.discord.forms import MAX_CONTENT
from bots.playground.discord.interactions import Interaction, InteractionType
from bots.playground.discord.mentions import mentioned_users, mentions_everyone, write_mentions
from bots.playground.discord.posting import add_post, attach
from bots.playground.discord.snapshots import take_snapshot
from bots.playground.discord.state import (
    Channel,
    Json,
    MessageFlags,
    MessageType,
    Person,
    Post,
)
from bots.playground.discord.views import find_components
from bots.playground.discord.world import World

NO_ANSWER = "The application did not respond"
INTERACTION_FAILED = "This interaction failed"

_BUTTON, _SELECT = 2, 3
_STICKER_PNG = 1
"""The `format_type` of a sticker that is one picture."""


def get_person(world: World, person: str) -> Person:
    """Give a person by id or name. Raises ValueError."""
    for each in world.state.people.values():
        if person in (each.id, each.name):
            return each
    raise ValueError(f"nobody here is called {person!r}")


def get_place(world: World, person: Person, channel: str, thread: str = "") -> Channel:
    """Give a place where a person can write, by id or name. Raises ValueError."""
    wanted = thread or channel
    for each in world.state.channels.values():
        if wanted == each.id or (wanted.removeprefix("#") == each.name and not each.is_dm):
            if each.is_dm and each.recipient != person.id:
                raise ValueError(f"{person.name} is not in this DM")
            return each
    raise ValueError(f"there is no channel {wanted!r}")


def get_written(world: World, message: str) -> Post:
    """Give a message by id. Raises ValueError."""
    post = world.state.find_post(message)
    if post is None:
        raise ValueError(f"there is no message {message!r}")
    return post


def write(
    world: World,
    person: Person,
    channel: Channel,
    text: str,
    reply_to: str = "",
    files: Sequence[SentFile] = (),
) -> Post:
    """Post as a person, who may mention anyone; a reply mentions whom it answers.

    Raises ValueError where Discord's own app would not send.
    """
    if not (text.strip() or files) or len(text) > MAX_CONTENT:
        raise ValueError(f"a message has 1 to {MAX_CONTENT} characters")
    if channel.is_locked:
        raise ValueError("this thread is locked")
    post = Post(world.snowflakes.next(), channel.id, person.id)
    if reply_to:
        target = get_written(world, reply_to)
        post.type, post.reply_to = MessageType.REPLY, target.id
    set_text(world, post, text)
    post.attachments = [attach(world, post, file) for file in files]
    if channel.is_thread and person.id not in channel.members:
        channel.members.append(person.id)
    return add_post(world, post)


def forward(world: World, person: Person, post: Post, channel: Channel) -> Post:
    """Forward a message to another place, or the same. Raises ValueError where Discord would not."""
    if post.is_ephemeral or post.type not in MessageType.WRITTEN:
        raise ValueError("this message cannot be forwarded")
    if channel.is_locked:
        raise ValueError("this thread is locked")
    forwarded = Post(world.snowflakes.next(), channel.id, person.id)
    forwarded.flags, forwarded.forwarded = MessageFlags.HAS_SNAPSHOT, take_snapshot(post)
    return add_post(world, forwarded)


def send_sticker(world: World, person: Person, channel: Channel, name: str, text: str) -> Post:
    """Post a sticker, alone or with a text."""
    post = Post(world.snowflakes.next(), channel.id, person.id)
    post.stickers = [{"id": world.snowflakes.next(), "name": name, "format_type": _STICKER_PNG}]
    set_text(world, post, text)
    return add_post(world, post)


def set_text(world: World, post: Post, text: str) -> None:
    """Give a person's message its text and its mentions."""
    post.content = write_mentions(text, world.state.users()).strip()
    replied = world.state.find_post(post.reply_to) if post.reply_to else None
    mentions = mentioned_users(post.content)
    if replied is not None and replied.author not in mentions and replied.author != post.author:
        mentions.append(replied.author)
    post.mentions = mentions
    post.mentions_everyone = mentions_everyone(post.content)


async def use_command(world: World, person: Person, channel: Channel, name: str, text: str) -> str:
    """Use a slash command; gives Discord's own words when it comes to nothing."""
    command = _find_command(world, channel, name)
    if command is None:
        return f"Unknown command: this application has no /{name.removeprefix('/')} here."
    try:
        options = fill_in(command, text.strip())
    except ValueError as error:
        return str(error)
    data = _command_data(command, options)
    interaction = begin(world, InteractionType.COMMAND, person, channel, data)
    return "" if await _is_answered(world, interaction) else NO_ANSWER


async def ask_choices(
    world: World, person: Person, channel: Channel, name: str, text: str
) -> list[str]:
    """Ask the bot for the choices of a command's argument."""
    command = _find_command(world, channel, name)
    option = argument_of(command) if command else None
    if command is None or option is None:
        return []
    if option.get("choices"):
        names = [str(choice["name"]) for choice in option["choices"]]
        return [each for each in names if text.lower() in each.lower()]
    if not option.get("autocomplete"):
        return []
    typed = {"name": option["name"], "type": option["type"], "value": text, "focused": True}
    data = _command_data(command, [typed])
    interaction = begin(world, InteractionType.AUTOCOMPLETE, person, channel, data)
    if not await _is_answered(world, interaction):
        return []
    return [str(choice["name"]) for choice in interaction.choices]


async def use_component(world: World, person: Person, post: Post, action: str, value: str) -> str:
    """Press a button or choose an option. Raises ValueError when the message offers no such thing."""
    if post.visible_to not in ("", person.id):
        raise ValueError(f"{person.name} does not see this message")
    for component in find_components(post.components, _BUTTON, _SELECT):
        if component.get("custom_id") == action and not component.get("disabled"):
            break
    else:
        raise ValueError(f"message {post.id} offers no action {action!r}")
    data: Json = {
        "custom_id": action,
        "component_type": component["type"],
        "id": component.get("id", 1),
    }
    if component["type"] == _SELECT:
        data["values"] = [_option_value(component, value)]
    channel = world.state.channels[post.channel]
    interaction = begin(world, InteractionType.COMPONENT, person, channel, data, post)
    return "" if await _is_answered(world, interaction) else INTERACTION_FAILED


def _find_command(world: World, channel: Channel, name: str) -> Json | None:
    guild = "" if channel.is_dm else world.state.guild_id
    return world.commands.usable(guild).get(name.removeprefix("/"))


def _command_data(command: Json, options: list[Json]) -> Json:
    data: Json = {"id": command["id"], "name": command["name"], "type": command["type"]}
    if "guild_id" in command:
        data["guild_id"] = command["guild_id"]
    return data | ({"options": options} if options else {})


def _option_value(component: Json, value: str) -> str:
    for option in component.get("options", ()):
        if value in (option["value"], option["label"]):
            return str(option["value"])
    raise ValueError(f"{value!r} is not among the options")


async def _is_answered(world: World, interaction: Interaction) -> bool:
    """Wait for the bot's answer as long as Discord does."""
    try:
        async with asyncio.timeout(world.interaction_seconds):
            await interaction.answered.wait()
    except TimeoutError:
        interaction.has_failed = True
    return not interaction.has_failed
