"""Forwarded messages: each carries a copy of another one, as it was at that moment.

discord.com/developers/docs/resources/message#message-snapshot-structure: type, content, embeds, attachments,
times, flags, mentions, stickers and components, and nothing of who wrote it.
"""

from __future__ import annotations

from collections.abc import Sequence

from bots.playground.discord.files import attachment_object
from bots.playground.discord.snowflakes import seconds_of, timestamp
from bots.playground.discord.state import Json, Post, State

FORWARD = 1
"""The type of a `message_reference` that forwards; a reply's is 0."""


def take_snapshot(post: Post) -> Json:
    """Copy what a forwarded message shows. One that is a forward itself is passed on as it is."""
    if post.forwarded:
        return dict(post.forwarded)
    return {
        "message": post.id,
        "channel": post.channel,
        "type": post.type,
        "content": post.content,
        "embeds": list(post.embeds),
        "attachments": list(post.attachments),
        "components": list(post.components),
        "stickers": list(post.stickers),
        "mentions": list(post.mentions),
        "edited_at": post.edited_at,
        "flags": post.flags,
    }


def forward_fields(state: State, post: Post, mentions: Sequence[Json], *, is_open: bool) -> Json:
    """Render reference and snapshot of a forward. Without `is_open`, hidden content is left out."""
    told = post.forwarded
    reference: Json = {
        "type": FORWARD,
        "channel_id": told["channel"],
        "message_id": told["message"],
    }
    if (origin := state.channels.get(told["channel"])) and not origin.is_dm:
        reference["guild_id"] = state.guild_id
    message: Json = {
        "type": told["type"],
        "content": told["content"] if is_open else "",
        "embeds": told["embeds"] if is_open else [],
        "attachments": [attachment_object(state, each) for each in told["attachments"] if is_open],
        "components": told["components"] if is_open else [],
        "timestamp": timestamp(seconds_of(told["message"])),
        "edited_timestamp": timestamp(told["edited_at"]) if told["edited_at"] else None,
        "flags": told["flags"],
        "mentions": list(mentions),
        "mention_roles": [],
    }
    if told["stickers"]:
        message["sticker_items"] = told["stickers"]
    return {"message_reference": reference, "message_snapshots": [{"message": message}]}
