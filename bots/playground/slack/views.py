"""The workspace in the shapes that the page shows. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bots.playground.base import ChannelView, CommandView, MessageView, PersonView, Snapshot
from bots.playground.slack import blocks
from bots.playground.slack.files import file_views
from bots.playground.slack.forwarding import files_of, quote
from bots.playground.slack.state import Channel, Message, Person, State


def person_view(person: Person) -> PersonView:
    """Show a person."""
    return PersonView(id=person.id, name=person.real_name, is_bot=person.is_bot)


def channel_view(state: State, channel: Channel) -> ChannelView:
    """Show a channel or a DM."""
    if channel.kind != "im":
        return ChannelView(id=channel.id, name=channel.name, kind="channel", topic=channel.topic)
    person = next(id_ for id_ in channel.members if id_ != state.identity.bot_user)
    name = state.people[person].real_name
    return ChannelView(id=channel.id, name=name, kind="dm", person=person)


_EMOJI = {"eyes": "👀", "white_check_mark": "✅", "+1": "👍", "heart": "❤️"}
"""What the page shows as a picture; other names are shown as they are."""


def message_view(state: State, message: Message) -> MessageView:
    """Show a message.

    As in Slack, blocks that say something are read instead of the text, which is then only a
    notification's; a stream's blocks stand below its text.
    """
    text, is_markdown = visible_text(message)
    return MessageView(
        id=message.ts,
        channel=message.channel,
        thread=message.thread_ts,
        author=message.user,
        text=text,
        format="markdown" if is_markdown else "mrkdwn",
        reply_to="",
        is_edited=bool(message.edited_ts),
        is_streaming=message.stream == "open",
        visible_to=message.visible_to,
        actions=blocks.actions_of(message.blocks),
        files=file_views(state, files_of(state, message)),
        reactions=[_EMOJI.get(name, f":{name}:") for name in message.reactions],
    )


def visible_text(message: Message) -> tuple[str, bool]:
    """Give the text that people read, and whether it is Markdown."""
    shown = blocks.text_of(message.blocks)
    if message.stream:
        return "\n".join(filter(None, (message.text, shown))), True
    if shown:
        return shown, blocks.is_markdown(message.blocks)
    return "\n".join(filter(None, (message.text, quote(message)))), message.is_markdown


def snapshot(state: State, commands: Sequence[CommandView], is_connected: bool) -> Snapshot:
    """Show everything."""
    identity = state.identity
    return Snapshot(
        platform="slack",
        workspace=identity.team,
        workspace_name=identity.team_name,
        bot=person_view(state.people[identity.bot_user]),
        people=[person_view(person) for person in state.people.values() if not person.is_bot],
        channels=[channel_view(state, c) for c in state.channels.values() if not c.is_archived],
        messages=[message_view(state, message) for message in state.messages.values()],
        commands=list(commands),
        is_connected=is_connected,
    )
