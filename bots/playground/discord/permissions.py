"""What the bot may do in a place, by Discord's permission bits."""

from __future__ import annotations

from bots.playground.discord.errors import forbidden
from bots.playground.discord.state import Channel, State

ADD_REACTIONS = 1 << 6
VIEW_CHANNEL = 1 << 10
SEND_MESSAGES = 1 << 11
MANAGE_MESSAGES = 1 << 13
EMBED_LINKS = 1 << 14
ATTACH_FILES = 1 << 15
READ_MESSAGE_HISTORY = 1 << 16
USE_APPLICATION_COMMANDS = 1 << 31
MANAGE_THREADS = 1 << 34
CREATE_PUBLIC_THREADS = 1 << 35
SEND_MESSAGES_IN_THREADS = 1 << 38

GRANTED = (
    ADD_REACTIONS
    | VIEW_CHANNEL
    | SEND_MESSAGES
    | EMBED_LINKS
    | ATTACH_FILES
    | READ_MESSAGE_HISTORY
    | USE_APPLICATION_COMMANDS
    | CREATE_PUBLIC_THREADS
    | SEND_MESSAGES_IN_THREADS
)
"""What everyone in the guild may do, the bot too: it manages neither messages nor threads."""


def bot_permissions(state: State, channel: Channel) -> int:
    """Give the bits that the bot has in a place. A thread has those of its channel."""
    denied = channel.denied
    if channel.parent in state.channels:
        denied |= state.channels[channel.parent].denied
    return GRANTED & ~denied


def require(state: State, channel: Channel, permission: int) -> None:
    """Raise ApiError (50001 unseen, 50007 closed DM, 50013 not allowed) unless the bot may."""
    granted = bot_permissions(state, channel)
    if not granted & VIEW_CHANNEL:
        raise forbidden(50001)
    if not granted & permission:
        raise forbidden(50007 if channel.is_dm else 50013)


def require_sending(state: State, channel: Channel) -> None:
    """Raise ApiError unless the bot may post in a place."""
    require(state, channel, SEND_MESSAGES_IN_THREADS if channel.is_thread else SEND_MESSAGES)
