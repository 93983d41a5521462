"""Renders the state as the page shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from bots.playground.base import ActionView, ChannelView, MessageView, PersonView
from bots.playground.discord.files import file_views
from bots.playground.discord.state import Channel, Json, MessageType, Person, Post, State

_BUTTON, _SELECT = 2, 3


def person_view(person: Person) -> PersonView:
    """Show a person."""
    return {"id": person.id, "name": person.name, "is_bot": person.is_bot}


def channel_view(channel: Channel) -> ChannelView:
    """Show a place."""
    view: ChannelView = {"id": channel.id, "name": channel.name, "kind": "channel"}
    if channel.is_thread:
        view["kind"], view["parent"] = "thread", channel.parent
    if channel.is_dm:
        view["kind"], view["person"] = "dm", channel.recipient
    if channel.topic:
        view["topic"] = channel.topic
    return view


def message_view(state: State, post: Post) -> MessageView:
    """Show a message. Its text is what was sent, with mentions as `<@id>`; embeds follow as text."""
    return {
        "id": post.id,
        "channel": post.channel,
        "thread": "",
        "author": post.author,
        "text": _text(state, post),
        "format": "markdown",
        "reply_to": post.reply_to if post.type == MessageType.REPLY else "",
        "is_edited": bool(post.edited_at),
        "is_streaming": post.is_loading,
        "visible_to": post.visible_to,
        "actions": [
            _action_view(component)
            for component in find_components(post.components, _BUTTON, _SELECT)
            if component.get("custom_id")
        ],
        "files": file_views(state, post),
        "reactions": list(post.reactions),
    }


def _text(state: State, post: Post) -> str:
    if post.type == MessageType.THREAD_CREATED:
        starter = state.find_user(post.author)
        return f"*{starter.name if starter else 'Someone'} started a thread: {post.content}*"
    parts = [post.content, *(f"*Sticker: {each['name']}*" for each in post.stickers)]
    if post.forwarded:
        parts += ["*Forwarded*", *(f"> {line}" for line in post.forwarded["content"].splitlines())]
    for embed in post.embeds:
        parts += [
            f"**{embed['title']}**" if embed.get("title") else "",
            embed.get("description", ""),
        ]
    parts += [str(each["content"]) for each in find_components(post.components, 10)]
    return "\n".join(part for part in parts if part)


def is_shown(post: Post) -> bool:
    """Tell whether people see a message in its channel; a thread's first note repeats another."""
    return post.type != MessageType.THREAD_STARTER_MESSAGE


def find_components(components: Iterable[Json], *types: int) -> Iterator[Json]:
    """Go over the components of these types, however deep in rows and containers."""
    for component in components:
        if component.get("type") in types:
            yield component
        inner: list[Any] = [*component.get("components", ())]
        if "accessory" in component:
            inner.append(component["accessory"])
        yield from find_components(inner, *types)


def _action_view(component: Json) -> ActionView:
    options = [str(option["label"]) for option in component.get("options", ())]
    return {
        "id": str(component.get("custom_id", "")),
        "label": str(component.get("label") or component.get("placeholder") or ""),
        "options": options,
    }
