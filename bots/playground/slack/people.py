"""What people do in the workspace: talk, edit, delete, use commands, press buttons."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace

from bots.playground.base import CommandView, SentFile
from bots.playground.slack import events
from bots.playground.slack.arguments import Arguments
from bots.playground.slack.blocks import pressed
from bots.playground.slack.files import share
from bots.playground.slack.forwarding import files_of, take_message
from bots.playground.slack.refusal import RefusedError
from bots.playground.slack.responses import Responses
from bots.playground.slack.socket_mode import Delivery, SocketMode
from bots.playground.slack.state import Channel, Message, Person
from bots.playground.slack.workspace import Workspace

ResponseAddress = Callable[[str], str]
"""Gives the whole address of a response URL from its secret part."""

NAME = re.compile(r"([@#])([\w-]+)")
BROADCASTS = frozenset({"channel", "here", "everyone"})

NOT_IN_THREADS = "{} is not supported in threads. Sorry!"
DISPATCH_FAILED = '{} failed with the error "dispatch_failed"'
NOT_A_COMMAND = (
    '{} is not a valid command. In Slack, all messages that start with the "/" character are '
    "interpreted as commands."
)


class People:
    """The members' side of the workspace. Whoever or whatever is unknown raises ValueError."""

    def __init__(
        self,
        workspace: Workspace,
        socket: SocketMode,
        responses: Responses,
        commands: Sequence[CommandView],
        response_address: ResponseAddress,
    ) -> None:
        self._workspace = workspace
        self._state = workspace.state
        self._socket = socket
        self._responses = responses
        self._commands = commands
        self._response_address = response_address

    def say(
        self,
        person: str,
        channel: str,
        text: str,
        thread: str = "",
        files: Sequence[SentFile] = (),
    ) -> Message:
        """Post as a person."""
        author, place = self.find_person(person), self.find_place(person, channel)
        if thread:
            root = self._state.find_message(place.id, thread)
            if root is None:
                raise ValueError(f"no message {thread!r} in {place.name}")
            thread = root.root
        message = Message(
            ts=self._state.next_ts(),
            channel=place.id,
            user=author.id,
            text=self.encode(text),
            thread_ts=thread,
            client_msg_id=str(uuid.uuid4()),
            files=share(self._state, author.id, files),
        )
        return self._workspace.post(message)

    def forward(self, person: str, ts: str, channel: str, text: str, thread: str) -> Message:
        """Forward a message, with a text of one's own or without."""
        message, author = self._visible(person, ts), self.find_person(person)
        if message.visible_to or message.is_tombstone:
            raise ValueError("this message cannot be forwarded")
        place = self.find_place(person, channel)
        root = self._state.find_message(place.id, thread) if thread else None
        copies = message.forwarded or (take_message(self._state, message),)
        forward = Message(
            ts=self._state.next_ts(),
            channel=place.id,
            user=author.id,
            text=self.encode(text),
            thread_ts=root.root if root else "",
            client_msg_id=str(uuid.uuid4()),
            forwarded=copies,
        )
        return self._workspace.post(forward)

    def delete_file(self, file: str) -> None:
        """Delete a file: messages that have it name a stone in its place."""
        found = self._state.files.get(file)
        if found is None:
            raise ValueError(f"there is no file {file!r}")
        self._state.files[file] = replace(found, is_deleted=True)
        for message in list(self._state.messages.values()):
            if file in files_of(self._state, message):
                self._workspace.change(message, message)

    def edit(self, ts: str, text: str) -> None:
        """Change a person's message."""
        message = self._own(ts)
        changed = replace(message, text=self.encode(text), edited_ts=self._state.next_ts())
        self._workspace.change(changed, message)

    def delete(self, ts: str) -> None:
        """Delete a person's message."""
        self._workspace.remove(self._own(ts))

    async def command(self, person: str, channel: str, name: str, text: str, thread: str) -> str:
        """Use a slash command; gives what Slack itself says to it."""
        author, place = self.find_person(person), self.find_place(person, channel)
        name = "/" + name.lstrip("/")
        if name not in {"/" + command["name"].lstrip("/") for command in self._commands}:
            return NOT_A_COMMAND.format(name)
        if thread:
            return NOT_IN_THREADS.format(name)
        url = self._response_address(self._responses.make(author.id, place.id))
        payload = events.slash_command(self._state, author, place, name, self.encode(text), url)
        delivery = self._socket.send("slash_commands", payload)
        await delivery.finished.wait()
        if not delivery.is_acknowledged:
            return DISPATCH_FAILED.format(name)
        self._show_answer(author, place, delivery)
        return ""

    async def act(self, person: str, ts: str, action: str, value: str) -> Delivery:
        """Press a button or choose an option, and wait until the bot took note of it."""
        author, message = self.find_person(person), self._visible(person, ts)
        entry = pressed(message.blocks, action, value)
        url = self._response_address(self._responses.make(author.id, message.channel, ts))
        payload = events.block_actions(self._state, author, message, entry, url)
        delivery = self._socket.send("interactive", payload)
        await delivery.finished.wait()
        return delivery

    async def shortcut(self, person: str, ts: str, callback_id: str) -> Delivery:
        """Choose a shortcut in a message's menu, and wait until the bot took note of it."""
        author, message = self.find_person(person), self._visible(person, ts)
        url = self._response_address(self._responses.make(author.id, message.channel, ts))
        payload = events.message_action(self._state, author, message, callback_id, url)
        delivery = self._socket.send("interactive", payload)
        await delivery.finished.wait()
        return delivery

    def find_person(self, name: str) -> Person:
        """Find a person by id or name."""
        for person in self._state.people.values():
            if name in (person.id, person.name, person.real_name) and not person.is_bot:
                return person
        raise ValueError(f"nobody is called {name!r}")

    def find_channel(self, name: str) -> Channel:
        """Find a channel by id or name, with or without the #."""
        for channel in self._state.channels.values():
            if name == channel.id or (channel.kind != "im" and name.lstrip("#") == channel.name):
                return channel
        raise ValueError(f"no place is called {name!r}")

    def find_place(self, person: str, channel: str) -> Channel:
        """Find a channel or DM that a person may write in."""
        place = self.find_channel(channel)
        if not self._state.is_member(place, self.find_person(person).id):
            raise ValueError(f"{person} is not in {place.name}")
        return place

    def encode(self, text: str) -> str:
        """Give typed text as Slack carries it: escaped, with mentions as ids."""
        escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return NAME.sub(self._encode_name, escaped)

    def _encode_name(self, match: re.Match[str]) -> str:
        sign, name = match[1], match[2].lower()
        if sign == "@" and name in BROADCASTS:
            return f"<!{name}>"
        if sign == "@":
            ids = [person.id for person in self._state.people.values() if person.name == name]
            return f"<@{ids[0]}>" if ids else match[0]
        ids = [channel.id for channel in self._state.channels.values() if channel.name == name]
        return (
            f"<#{ids[0]}|{name}>" if ids and self._state.channels[ids[0]].kind != "im" else match[0]
        )

    def _own(self, ts: str) -> Message:
        message = self._state.messages.get(ts)
        if message is None or self._state.people[message.user].is_bot or message.is_tombstone:
            raise ValueError(f"no person's message {ts!r}")
        return message

    def _visible(self, person: str, ts: str) -> Message:
        message = self._state.messages.get(ts)
        if message is None or message.visible_to not in ("", self.find_person(person).id):
            raise ValueError(f"{person} sees no message {ts!r}")
        return message

    def _show_answer(self, person: Person, channel: Channel, delivery: Delivery) -> None:
        answer = delivery.answer or {}
        if answer.get("text") or answer.get("blocks"):
            try:
                self._responses.respond(person.id, channel.id, Arguments(answer))
            except RefusedError as refusal:
                answer = {"text": f'{delivery.name} failed with the error "{refusal.code}"'}
                self._responses.respond(person.id, channel.id, Arguments(answer))
