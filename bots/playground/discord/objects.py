"""Renders the state as the objects of Discord's API: users, channels, messages, the guild."""

from __future__ import annotations

from typing import Any

from bots.playground.discord.files import attachment_object
from bots.playground.discord.permissions import GRANTED
from bots.playground.discord.seed import BOT_ROLE
from bots.playground.discord.snapshots import forward_fields
from bots.playground.discord.snowflakes import seconds_of, timestamp
from bots.playground.discord.state import (
    Channel,
    ChannelType,
    Json,
    MessageFlags,
    Person,
    Post,
    State,
)

MESSAGE_CONTENT_FLAG = 1 << 19
"""The application may read message content, as an app in fewer than 100 guilds may."""


def user_object(person: Person) -> Json:
    """Render a user."""
    return {
        "id": person.id,
        "username": person.name.lower(),
        "global_name": None if person.is_bot else person.name,
        "discriminator": "0",
        "avatar": None,
        "bot": person.is_bot,
        "system": False,
        "public_flags": 0,
        "flags": 0,
        "banner": None,
        "accent_color": None,
        "avatar_decoration_data": None,
    }


def own_user_object(state: State) -> Json:
    """Render the bot as it sees itself."""
    return {**user_object(state.bot), "verified": True, "mfa_enabled": False, "locale": "en-US"}


def member_object(state: State, person: Person, *, with_user: bool = True) -> Json:
    """Render a guild member; messages carry it without the user."""
    member: Json = {
        "nick": None,
        "avatar": None,
        "roles": [BOT_ROLE] if person.is_bot else [],
        "joined_at": timestamp(seconds_of(state.guild_id)),
        "premium_since": None,
        "communication_disabled_until": None,
        "deaf": False,
        "mute": False,
        "pending": False,
        "flags": 0,
    }
    return {**member, "user": user_object(person)} if with_user else member


def application_object(state: State, flags: int) -> Json:
    """Render the bot's application."""
    return {
        "id": state.bot.id,
        "name": state.bot.name,
        "description": "",
        "icon": None,
        "summary": "",
        "bot_public": False,
        "bot_require_code_grant": False,
        "verify_key": "0" * 64,
        "flags": flags,
        "owner": user_object(next(iter(state.people.values()))),
        "team": None,
        "bot": user_object(state.bot),
        "interactions_endpoint_url": None,
        "approximate_guild_count": 1,
    }


def channel_object(state: State, channel: Channel) -> Json:
    """Render a channel, DM or thread, whichever it is."""
    last = next(reversed(state.in_channel(channel.id)), None)
    common: Json = {"id": channel.id, "type": channel.type, "flags": 0, "last_message_id": last}
    if channel.is_dm:
        return {**common, "recipients": [user_object(state.people[channel.recipient])]}
    common |= {"guild_id": state.guild_id, "name": channel.name, "rate_limit_per_user": 0}
    if channel.is_thread:
        return {**common, **_thread_fields(state, channel)}
    return {
        **common,
        "topic": channel.topic or None,
        "position": list(state.channels).index(channel.id),
        "parent_id": None,
        "nsfw": False,
        "permission_overwrites": _overwrites(state, channel),
    }


def _overwrites(state: State, channel: Channel) -> list[Json]:
    if not channel.denied:
        return []
    return [{"id": state.bot.id, "type": 1, "allow": "0", "deny": str(channel.denied)}]


def _thread_fields(state: State, thread: Channel) -> Json:
    written = [post for post in state.in_channel(thread.id).values() if post.type != 21]
    fields: Json = {
        "parent_id": thread.parent,
        "owner_id": thread.owner,
        "message_count": len(written),
        "total_message_sent": len(written),
        "member_count": len(thread.members),
        "thread_metadata": {
            "archived": thread.is_archived,
            "locked": thread.is_locked,
            "auto_archive_duration": thread.auto_archive_minutes,
            "archive_timestamp": timestamp(thread.archived_at),
            "create_timestamp": timestamp(seconds_of(thread.id)),
        },
    }
    if state.bot.id in thread.members:
        fields["member"] = thread_member_object(thread, state.bot.id)
    return fields


def thread_member_object(thread: Channel, user: str) -> Json:
    """Render that a user follows a thread."""
    joined = timestamp(seconds_of(thread.id))
    return {"id": thread.id, "user_id": user, "join_timestamp": joined, "flags": 0}


def guild_object(state: State) -> Json:
    """Render the guild as `GET /guilds/{id}` gives it."""
    return {
        "id": state.guild_id,
        "name": state.guild_name,
        "owner_id": next(iter(state.people)),
        "icon": None,
        "splash": None,
        "description": None,
        "features": [],
        "emojis": [],
        "stickers": [],
        "roles": [_role(state.guild_id, "@everyone", 0), _role(BOT_ROLE, state.bot.name, 1)],
        "afk_channel_id": None,
        "afk_timeout": 300,
        "system_channel_id": None,
        "system_channel_flags": 0,
        "rules_channel_id": None,
        "public_updates_channel_id": None,
        "verification_level": 0,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "nsfw_level": 0,
        "premium_tier": 0,
        "premium_subscription_count": 0,
        "premium_progress_bar_enabled": False,
        "preferred_locale": "en-US",
        "max_members": 500_000,
        "vanity_url_code": None,
        "banner": None,
    }


def guild_create_object(state: State, *, with_members: bool) -> Json:
    """Render the guild as GUILD_CREATE gives it. Without the members intent it names the bot alone."""
    users = list(state.users()) if with_members else [state.bot]
    channels = state.channels.values()
    return {
        **guild_object(state),
        "joined_at": timestamp(seconds_of(state.guild_id)),
        "large": False,
        "unavailable": False,
        "member_count": len(state.people) + 1,
        "members": [member_object(state, user) for user in users],
        "channels": [
            channel_object(state, each) for each in channels if each.type == ChannelType.TEXT
        ],
        "threads": [
            channel_object(state, each)
            for each in channels
            if each.is_thread and not each.is_archived
        ],
        "voice_states": [],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def _role(role: str, name: str, position: int) -> Json:
    return {
        "id": role,
        "name": name,
        "permissions": str(GRANTED),
        "position": position,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": bool(position),
        "mentionable": False,
        "icon": None,
        "unicode_emoji": None,
        "flags": 0,
    }


def message_object(state: State, post: Post, *, sees_content: bool) -> Json:
    """Render a message as the API returns it. Without `sees_content`, hidden content is left out."""
    is_open = sees_content or is_content_open(state, post)
    attachments = [attachment_object(state, each) for each in post.attachments]
    message: Json = {
        "id": post.id,
        "type": post.type,
        "channel_id": post.channel,
        "author": user_object(state.find_user(post.author) or state.bot),
        "content": post.content if is_open else "",
        "embeds": post.embeds if is_open else [],
        "attachments": attachments if is_open else [],
        "components": post.components if is_open else [],
        "mentions": [user_object(user) for user in map(state.find_user, post.mentions) if user],
        "mention_roles": [],
        "mention_everyone": post.mentions_everyone,
        "timestamp": timestamp(seconds_of(post.id)),
        "edited_timestamp": timestamp(post.edited_at) if post.edited_at else None,
        "pinned": False,
        "tts": False,
        "flags": post.flags,
    }
    return message | _optional_fields(state, post, sees_content=sees_content)


def _optional_fields(state: State, post: Post, *, sees_content: bool) -> dict[str, Any]:
    fields: Json = {}
    if post.nonce:
        fields["nonce"] = post.nonce
    if post.reactions:
        fields["reactions"] = [_reaction(state, *each) for each in post.reactions.items()]
    if post.interaction:
        fields["interaction_metadata"] = post.interaction
        fields["webhook_id"] = fields["application_id"] = state.bot.id
    if post.stickers:
        fields["sticker_items"] = post.stickers
    if post.forwarded:
        mentions = map(state.find_user, post.forwarded["mentions"])
        named = [user_object(user) for user in mentions if user]
        is_open = sees_content or is_content_open(state, post)
        fields |= forward_fields(state, post, named, is_open=is_open)
    elif post.reply_to or post.reply_channel:
        fields |= _reference(state, post, sees_content=sees_content)
    if post.flags & MessageFlags.HAS_THREAD and post.id in state.channels:
        fields["thread"] = channel_object(state, state.channels[post.id])
    return fields


def _reference(state: State, post: Post, *, sees_content: bool) -> Json:
    reference: Json = {"type": 0, "channel_id": post.reply_channel or post.channel}
    if not state.channels[post.channel].is_dm:
        reference["guild_id"] = state.guild_id
    if not post.reply_to:
        return {"message_reference": reference}
    reference["message_id"] = post.reply_to
    target = state.find_post(post.reply_to)
    if target is None:
        return {"message_reference": reference, "referenced_message": None}
    shown = message_object(state, target, sees_content=sees_content)
    shown.pop("referenced_message", None)
    return {"message_reference": reference, "referenced_message": shown}


def _reaction(state: State, emoji: str, users: list[str]) -> Json:
    return {
        "emoji": {"id": None, "name": emoji},
        "count": len(users),
        "count_details": {"burst": 0, "normal": len(users)},
        "me": state.bot.id in users,
        "me_burst": False,
        "burst_colors": [],
    }


def is_content_open(state: State, post: Post) -> bool:
    """Tell whether a bot reads a message without the Message Content intent.

    It does in DMs, where it is mentioned, and what it wrote itself.
    """
    bot = state.bot.id
    return state.channels[post.channel].is_dm or post.author == bot or bot in post.mentions


def message_event(state: State, post: Post, *, sees_content: bool) -> Json:
    """Render a message as the gateway sends it: with its guild and its author's membership.

    An ephemeral message comes without a guild, as if it were a DM (discord-api-docs, issue 4557).
    """
    event = message_object(state, post, sees_content=sees_content)
    channel = state.channels[post.channel]
    event["channel_type"] = channel.type
    if channel.is_dm or post.is_ephemeral:
        return event
    event["guild_id"] = state.guild_id
    author = state.find_user(post.author)
    if author is not None:
        event["member"] = member_object(state, author, with_user=False)
    event["mentions"] = [
        user_object(user) | {"member": member_object(state, user, with_user=False)}
        for user in map(state.find_user, post.mentions)
        if user
    ]
    return event
