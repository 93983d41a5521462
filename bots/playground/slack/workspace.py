"""What happens in a workspace when something is said, changed or taken back: state, page and bot learn of it.

Synchronous throughout: a change and everything that follows from it happen at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from bots.playground.base import Feed
from bots.playground.slack import events
from bots.playground.slack.limits import Sizes
from bots.playground.slack.refusal import RefusedError
from bots.playground.slack.state import Channel, Json, Message, Person, State
from bots.playground.slack.views import channel_view, message_view

Notify = Callable[[Json], None]
"""Takes an event that the bot is to receive."""

TOMBSTONE = "This message was deleted."


class Workspace:
    """The rules of the place. Web API methods and people act on it; it tells the page and the bot."""

    def __init__(self, state: State, feed: Feed, notify: Notify, sizes: Sizes) -> None:
        self.state = state
        self.sizes = sizes
        self._feed = feed
        self._notify = notify
        self._statuses: dict[tuple[str, str], tuple[str, float]] = {}

    # Look-ups that refuse as the Web API does.

    def get_channel(self, id_: str) -> Channel:
        """Give a channel; a person's id means their DM. Raises RefusedError `channel_not_found`."""
        channel = self.state.channels.get(id_)
        if channel is None and id_ in self.state.people:
            channel = self.state.find_dm(id_)
        if channel is None or (channel.kind != "channel" and not self._has_bot(channel)):
            raise RefusedError("channel_not_found")
        return channel

    def get_postable(self, id_: str) -> Channel:
        """Give a channel that the bot may write to.

        Raises RefusedError `channel_not_found`, `is_archived` or `not_in_channel`.
        """
        channel = self.get_channel(id_)
        if channel.is_archived:
            raise RefusedError("is_archived")
        if not self._has_bot(channel):
            raise RefusedError("not_in_channel")
        return channel

    def get_message(self, channel: Channel, ts: str) -> Message:
        """Give a message. Raises RefusedError `message_not_found`."""
        message = self.state.find_message(channel.id, ts)
        if message is None:
            raise RefusedError("message_not_found")
        return self.expire(message)

    def get_person(self, id_: str) -> Person:
        """Give a person or a bot. Raises RefusedError `user_not_found`."""
        person = self.state.people.get(id_)
        if person is None:
            raise RefusedError("user_not_found")
        return person

    def check_thread(self, channel: Channel, thread_ts: str) -> None:
        """Make sure that a thread can be replied to.

        Raises RefusedError `thread_not_found`, or `cannot_reply_to_message` for a reply's own ts.
        """
        root = self.state.find_message(channel.id, thread_ts)
        if root is None:
            raise RefusedError("thread_not_found")
        if root.thread_ts:
            raise RefusedError("cannot_reply_to_message")

    def require_scope(self, scope: str) -> None:
        """Make sure that the app has a scope. Raises RefusedError `missing_scope`."""
        if scope in self.state.denied_scopes:
            raise RefusedError("missing_scope")

    def expire(self, message: Message) -> Message:
        """End a message's stream when it has lived too long; Slack does so even while it is used."""
        if message.stream == "open" and self._is_past(
            message.stream_started_at, self.sizes.stream_lifetime
        ):
            return self.change(self.state.close_stream(message), message, echo=False)
        return message

    # Changes.

    def post(self, message: Message) -> Message:
        """Add a message, end the thread's status, and tell everyone."""
        self.state.put(message)
        self._show(message)
        if message.user == self.state.identity.bot_user:
            self.set_status(message.channel, message.thread_ts, "")
        if not message.visible_to:
            self._announce(message)
        return message

    def change(self, message: Message, previous: Message, *, echo: bool = True) -> Message:
        """Replace a message; `echo` sends the bot its `message_changed`."""
        self.state.put(message)
        self._show(message)
        if echo and not message.visible_to:
            self._tell_bot(events.changed_event(self.state, message, previous))
        return message

    def set_reactions(self, message: Message, reactions: Mapping[str, tuple[str, ...]]) -> None:
        """Change how people reacted to a message."""
        self._show(self.state.put(replace(message, reactions=reactions)))

    def remove(self, message: Message) -> None:
        """Delete a message. A thread's first message leaves a tombstone, so that the thread stays."""
        event = None if message.visible_to else events.deleted_event(self.state, message)
        if not message.visible_to and self.state.replies(message):
            tombstone = replace(
                message, text=TOMBSTONE, blocks=(), metadata=None, stream="", is_tombstone=True
            )
            self.change(tombstone, message, echo=False)
        else:
            del self.state.messages[message.ts]
            self._feed.publish(
                {
                    "platform": "slack",
                    "type": "deleted",
                    "channel": message.channel,
                    "id": message.ts,
                }
            )
        if event:
            self._tell_bot(event)

    def put_channel(self, channel: Channel) -> Channel:
        """Add or change a channel."""
        self.state.channels[channel.id] = channel
        view = channel_view(self.state, channel)
        self._feed.publish({"platform": "slack", "type": "channel", "channel": view})
        return channel

    def set_status(self, channel: str, thread: str, text: str) -> None:
        """Show what the bot is doing in a thread; empty text ends it."""
        if not text and (channel, thread) not in self._statuses:
            return
        self._statuses.pop((channel, thread), None)
        if text:
            self._statuses[channel, thread] = (text, self.state.clock())
        self._feed.publish(
            {
                "platform": "slack",
                "type": "status",
                "channel": channel,
                "thread": thread,
                "text": text,
            }
        )

    def status(self, channel: str, thread: str) -> str:
        """Tell what the bot is shown to be doing in a thread; Slack drops it after two minutes."""
        text, since = self._statuses.get((channel, thread), ("", 0.0))
        if text and self._is_past(since, self.sizes.status_lifetime):
            self.set_status(channel, thread, "")
            return ""
        return text

    # Who learns of it.

    def _show(self, message: Message) -> None:
        view = message_view(self.state, message)
        self._feed.publish({"platform": "slack", "type": "message", "message": view})

    def _announce(self, message: Message) -> None:
        channel = self.state.channels[message.channel]
        bot = self.state.identity.bot_user
        is_mention = message.user != bot and bot in events.MENTION.findall(message.text)
        if is_mention and channel.kind != "im":
            self._tell_bot(events.mention_event(self.state, message))
        self._tell_bot(events.message_event(self.state, message))

    def _tell_bot(self, event: Json) -> None:
        if self._has_bot(self.state.channels[event["channel"]]):
            self._notify(event)

    def _has_bot(self, channel: Channel) -> bool:
        return self.state.is_member(channel, self.state.identity.bot_user)

    def _is_past(self, since: float, lifetime: timedelta) -> bool:
        return self.state.clock() - since >= lifetime.total_seconds()
