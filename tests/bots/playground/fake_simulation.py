"""A chat server in memory with a bot inside it, for testing the page by itself."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from aiohttp import web

from bots.playground.base import (
    ChannelView,
    Faults,
    Feed,
    MessageView,
    PersonView,
    SentFile,
    Snapshot,
)

BOT = PersonView(id="B1", name="skein", is_bot=True)
PEOPLE = [
    PersonView(id="U1", name="Ada", is_bot=False),
    PersonView(id="U2", name="Grace", is_bot=False),
    PersonView(id="U3", name="Linus", is_bot=False),
]
MODELS = ["demo/echo", "demo/slow", "openai/gpt-4o"]


class FakeSimulation:
    """Posts what people say; `answer` lets the bot say something, in one go or streaming."""

    def __init__(self, platform: str) -> None:
        self.platform = platform
        self.feed = Feed()
        self.faults = Faults()
        self.channels: list[ChannelView] = [
            {"id": "C1", "name": "general", "kind": "channel", "topic": "All that matters"},
            {"id": "C2", "name": "random", "kind": "channel"},
            *(
                ChannelView(id=f"D{each['id']}", name=each["name"], kind="dm", person=each["id"])
                for each in PEOPLE
            ),
        ]
        self.messages: dict[str, MessageView] = {}
        self.sent: list[SentFile] = []
        self.acted: list[tuple[str, ...]] = []
        self.commanded: list[tuple[str, ...]] = []
        self.is_connected = True
        self._last_ms = 0
        self.url = ""

    # The protocol

    def add_to(self, app: web.Application, prefix: str = "") -> None:
        app.router.add_get(prefix + "/api/ping", self._ping)

    async def _ping(self, _: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    def locate(self, url: str) -> None:
        self.url = url

    @property
    def api_url(self) -> str:
        return f"{self.url}/api"

    def snapshot(self) -> Snapshot:
        return {
            "platform": self.platform,
            "workspace": "W1",
            "workspace_name": "Acme",
            "bot": BOT,
            "people": PEOPLE,
            "channels": copy.deepcopy(self.channels),
            "messages": copy.deepcopy(list(self.messages.values())),
            "commands": [
                {"name": "clear", "description": "Forget this conversation", "argument": ""},
                {"name": "model", "description": "Choose the model", "argument": "name"},
            ],
            "is_connected": self.is_connected,
        }

    def dump(self) -> dict[str, Any]:
        return {"messages": list(self.messages.values())}

    def restore(self, data: Mapping[str, Any]) -> None:
        if not isinstance(data.get("messages"), list):
            raise ValueError("no messages")  # noqa: TRY004 -- the protocol's word
        self.messages = {each["id"]: each for each in data["messages"]}

    async def say(
        self,
        person: str,
        channel: str,
        text: str,
        *,
        thread: str = "",
        reply_to: str = "",
        files: Sequence[SentFile] = (),
    ) -> str:
        if person not in [each["id"] for each in PEOPLE]:
            raise ValueError(f"nobody is called {person!r}")
        if channel not in [each["id"] for each in self.channels]:
            raise ValueError(f"there is no channel {channel!r}")
        text = text.replace("@skein", "<@B1>")
        views = [file.view(f"F{len(self.sent) + number}") for number, file in enumerate(files)]
        self.sent.extend(files)
        message = self.post(
            channel, text, author=person, thread=thread, reply_to=reply_to, files=views
        )
        self.deliver("message", text)
        return message["id"]

    async def edit(self, message: str, text: str) -> None:
        self.change(self._get(message), text=text, is_edited=True)

    async def delete(self, message: str) -> None:
        gone = self._get(message)
        del self.messages[message]
        self.publish(type="deleted", channel=gone["channel"], id=message)

    async def forward(
        self, person: str, message: str, channel: str, text: str = "", *, thread: str = ""
    ) -> str:
        told = f"{text} [forwarded] {self._get(message)['text']}".strip()
        return await self.say(person, channel, told, thread=thread)

    def _get(self, message: str) -> MessageView:
        if message not in self.messages:
            raise ValueError(f"there is no message {message!r}")
        return self.messages[message]

    async def command(
        self, person: str, channel: str, name: str, text: str = "", *, thread: str = ""
    ) -> str:
        self.commanded.append((person, channel, name, text, thread))
        if thread and self.platform == "slack":
            return f"/{name} is not supported in threads. Sorry!"
        self.post(channel, f"`{name}` done", visible_to=person)
        return ""

    async def complete(self, person: str, channel: str, name: str, text: str) -> list[str]:
        return [model for model in MODELS if text in model]

    async def act(self, person: str, message: str, action: str, value: str = "") -> None:
        self._get(message)
        self.acted.append((person, message, action, value))

    def read_file(self, id_: str) -> SentFile:
        number = id_.removeprefix("F")
        if not number.isdigit() or int(number) >= len(self.sent):
            raise ValueError(f"there is no file {id_!r}")
        return self.sent[int(number)]

    def connections(self) -> int:
        return int(self.is_connected)

    async def drop_connections(self) -> None:
        self.connect(False)

    async def redeliver(self, message: str) -> int:
        self.deliver("message", self.messages[message]["text"], attempt=2)
        return 1

    # What tests let happen

    def connect(self, is_connected: bool) -> None:
        self.is_connected = is_connected
        self.publish(type="connection", is_connected=is_connected)

    def post(self, channel: str, text: str, *, author: str = BOT["id"], **more: Any) -> MessageView:
        message: MessageView = {
            "id": self._next_id(),
            "channel": channel,
            "thread": "",
            "author": author,
            "text": text,
            "format": "markdown" if author == BOT["id"] else self._typed_format(),
            "reply_to": "",
            "is_edited": False,
            "is_streaming": False,
            "visible_to": "",
            "actions": [],
            "files": [],
            "reactions": [],
        }
        message.update(more)  # pyright: ignore[reportCallIssue, reportArgumentType]
        self.messages[message["id"]] = message
        self.publish(type="message", message=dict(message))
        return message

    def change(self, message: MessageView, **changes: Any) -> None:
        message.update(changes)  # pyright: ignore[reportCallIssue, reportArgumentType]
        self.publish(type="message", message=dict(message))

    def add_channel(self, channel: ChannelView) -> None:
        self.channels.append(channel)
        self.publish(type="channel", channel=channel)

    def show_status(self, channel: str, text: str, thread: str = "") -> None:
        self.publish(type="status", channel=channel, thread=thread, text=text)

    def deliver(self, name: str, detail: str, attempt: int = 1) -> None:
        self.publish(type="delivery", name=name, detail=detail, attempt=attempt)

    def call(self, method: str, status: int = 200, error: str = "", detail: str = "") -> None:
        call = {
            "at": time.time(),
            "method": method,
            "status": status,
            "error": error,
            "detail": detail,
            "milliseconds": 3.2,
        }
        self.publish(type="call", call=call)

    async def stream(self, message: MessageView, text: str, pause: float = 0) -> None:
        """Let a message grow word by word, and end."""
        words = text.split(" ")
        for count in range(1, len(words)):
            self.change(message, text=" ".join(words[:count]), is_streaming=True)
            await asyncio.sleep(pause)
        self.change(message, text=text, is_streaming=False)

    def publish(self, **event: Any) -> None:
        self.feed.publish({"platform": self.platform, **event})

    def _typed_format(self) -> Literal["mrkdwn", "markdown"]:
        return "mrkdwn" if self.platform == "slack" else "markdown"

    def _next_id(self) -> str:
        self._last_ms = max(self._last_ms + 1, int(time.time() * 1000))
        if self.platform == "slack":
            return f"{self._last_ms // 1000}.{self._last_ms % 1000:03}000"
        return str((self._last_ms - 1420070400000) << 22)
