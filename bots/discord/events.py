"""Discord's messages and places, put into the core's words. Pure: nothing here waits or asks."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

import discord

from bots.discord.files import parse_attachments
from core.conversation import Author, Incoming, ThreadKey

PLATFORM = "discord"
DIRECT = "@me"
"""The workspace of direct messages: they belong to no server."""

_CODE = re.compile(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", re.DOTALL)
_MARKUP = re.compile(
    r"<@!?(?P<user>\d+)>|<@&(?P<role>\d+)>|<#(?P<channel>\d+)>"
    r"|<a?:(?P<emoji>\w+):\d+>|<(?P<command>/[^:<>\n]+):\d+>"
)


class Manner(Enum):
    """How a message is meant for the bot, as far as the message itself tells."""

    ADDRESSED = "addressed"
    """It mentions the bot, or is a direct message."""
    OPEN = "open"
    """It stands where every message is answered."""
    FOLLOW_UP = "follow-up"
    """It stands in a thread: answered if the bot takes part there."""
    ASIDE = "aside"
    """It is not for the bot."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was said: the conversation, and what a setting may call the place."""

    key: ThreadKey
    names: frozenset[str] = frozenset()

    @property
    def is_direct(self) -> bool:
        """Whether this is a direct message."""
        return self.key.workspace == DIRECT


@dataclass(frozen=True, slots=True)
class Heard:
    """A person's message, and how it is meant."""

    incoming: Incoming
    manner: Manner
    replies_to: str = ""
    """The message that it replies to."""


def is_from_person(message: discord.Message, bot: discord.abc.User) -> bool:
    """Tell whether a person wrote a message: no bot, least of all this one, and no note of Discord's own."""
    is_talk = message.type in (discord.MessageType.default, discord.MessageType.reply)
    is_bot = message.author.bot or message.author.id == bot.id or message.webhook_id is not None
    return is_talk and not is_bot


def parse_open_channels(names: Collection[str]) -> frozenset[str]:
    """Read DISCORD_CHANNELS: ids, or names with or without their `#`."""
    return frozenset(name.strip().removeprefix("#").casefold() for name in names)


def parse_place(channel: object, guild_id: int | None) -> Place:
    """Say which conversation a channel is. A thread is one of its own, under its parent's id."""
    workspace = DIRECT if guild_id is None else str(guild_id)
    channel_id = str(getattr(channel, "id", ""))
    if not isinstance(channel, discord.Thread):
        return Place(ThreadKey(PLATFORM, workspace, channel_id), _names_of(channel))
    key = ThreadKey(PLATFORM, workspace, str(channel.parent_id), channel_id)
    names = {str(channel.parent_id)} | _names_of(channel) | _names_of(channel.parent)
    return Place(key, frozenset(names))


def parse_message(
    message: discord.Message,
    channel: object,
    bot: discord.abc.User,
    open_channels: Collection[str],
) -> Heard:
    """Read a person's message. `channel` is what the message's channel turned out to be."""
    guild = getattr(channel, "guild", None) or message.guild
    place = parse_place(channel, getattr(channel, "guild_id", None) or (guild and guild.id))
    manner = _parse_manner(message, place, bot, open_channels)
    incoming = Incoming(
        key=place.key,
        message_id=str(message.id),
        author=Author(str(message.author.id), message.author.display_name),
        text=_read_all(message, bot, is_for_sure=manner is Manner.ADDRESSED),
        sent_at=message.created_at,
        attachments=parse_attachments(message),
    )
    reference = message.reference
    replies_to = str(reference.message_id or "") if reference else ""
    return Heard(incoming, manner, replies_to)


def _parse_manner(
    message: discord.Message, place: Place, bot: discord.abc.User, open_channels: Collection[str]
) -> Manner:
    if place.is_direct or _mentions(message, bot):
        return Manner.ADDRESSED
    if place.names & frozenset(open_channels):
        return Manner.OPEN
    return Manner.FOLLOW_UP if place.key.thread else Manner.ASIDE


def _mentions(message: discord.Message, bot: discord.abc.User) -> bool:
    """A reply counts as a mention if its writer left the ping on: Discord lists it among the mentions.

    Where a server lists none, the text tells: outside of code it mentions whom it names.
    """
    if any(user.id == bot.id for user in message.mentions):
        return True
    if re.search(rf"<@!?{bot.id}>", _CODE.sub("", message.content)):
        return True
    role = _role_of_bot(message)
    return role is not None and role in message.role_mentions


def _role_of_bot(message: discord.Message) -> discord.Role | None:
    """The role that Discord gives each bot; people pick it by mistake, as it has the bot's name."""
    return message.guild.self_role if message.guild else None


def _read_all(message: discord.Message, bot: discord.abc.User, *, is_for_sure: bool) -> str:
    """Read a message's text, what it forwards, and the names of its stickers.

    A sticker alone says nothing to the bot, unless it is addressed.
    """
    parts = [read_text(message, bot)]
    parts += [f"[forwarded]\n{each.content}" for each in message.message_snapshots if each.content]
    if is_for_sure or any(parts) or message.attachments:
        parts += [f"[sticker {sticker.name}, not seen]" for sticker in message.stickers]
    return "\n\n".join(filter(None, parts))


def read_text(message: discord.Message, bot: discord.abc.User) -> str:
    """Read a message's text as people see it, without the mention of the bot that only addresses it."""
    role = _role_of_bot(message)
    own = rf"<@!?{bot.id}>" + (rf"|<@&{role.id}>" if role else "")
    text = re.sub(rf"^(?:\s*(?:{own})[,:]?)+|(?:(?:{own})\s*)+$", "", message.content)
    return _MARKUP.sub(lambda match: _name_markup(match, message, bot), text).strip()


def _name_markup(match: re.Match[str], message: discord.Message, bot: discord.abc.User) -> str:
    match match.lastgroup:
        case "user":
            users = {user.id: user.display_name for user in (bot, *message.mentions)}
            name = users.get(int(match["user"]))
            return f"@{name}" if name else match[0]
        case "role":
            role = message.guild.get_role(int(match["role"])) if message.guild else None
            return f"@{role.name}" if role else match[0]
        case "channel":
            channel_id = int(match["channel"])
            channel = message.guild.get_channel_or_thread(channel_id) if message.guild else None
            return f"#{channel.name}" if channel else match[0]
        case "emoji":
            return f":{match['emoji']}:"
        case _:
            return match["command"]


def _names_of(channel: object) -> frozenset[str]:
    channel_id, name = getattr(channel, "id", None), getattr(channel, "name", None)
    return frozenset(str(part).casefold() for part in (channel_id, name) if part)
