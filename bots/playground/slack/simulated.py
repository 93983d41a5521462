"""`SimulatedSlack`: a Slack workspace with the Web API and the Socket Mode that a real bot connects to."""

from __future__ import annotations

import asyncio
import fnmatch
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from aiohttp import web

from bots.playground.base import CommandView, Faults, Feed, MessageView, SentFile, Snapshot
from bots.playground.slack import events
from bots.playground.slack.arguments import read_call
from bots.playground.slack.files import Files, dump_files, restore_files
from bots.playground.slack.limits import DISTRIBUTED_MESSAGES_A_CALL, RateLimits, Sizes
from bots.playground.slack.people import People
from bots.playground.slack.refusal import RefusedError
from bots.playground.slack.responses import Responses
from bots.playground.slack.seed import seeded_state
from bots.playground.slack.socket_mode import Delivery, SocketMode, Timing
from bots.playground.slack.state import Channel, Clock, Json, State
from bots.playground.slack.views import message_view, snapshot
from bots.playground.slack.web_api import Call, Tokens, WebApi, refuse, spoil
from bots.playground.slack.workspace import Workspace

DEFAULT_COMMANDS = (
    CommandView(name="/clear", description="Forget this conversation", argument=""),
    CommandView(name="/model", description="Choose the model", argument="model"),
    CommandView(name="/history", description="Show what the next question sends", argument=""),
    CommandView(name="/compact", description="Keep the older messages in short", argument=""),
    CommandView(name="/pin", description="Keep something in mind", argument="text"),
    CommandView(name="/pins", description="List what is kept in mind", argument=""),
    CommandView(name="/unpin", description="Let go of a pin", argument="number"),
    CommandView(name="/prompt", description="Say how the bot is to behave", argument="text"),
    CommandView(name="/usage", description="Show what one used", argument=""),
)
PATIENCE = timedelta(seconds=10)

T = TypeVar("T")


class SimulatedSlack:
    """A workspace called Acme in which people talk and a bot is connected.

    `rate_scale` multiplies the rate limits, None switches them off; `is_distributed` applies those of
    apps outside the Marketplace. `clock` gives the seconds since the epoch to all but `timing`.
    """

    platform = "slack"

    def __init__(
        self,
        *,
        bot_token: str = "xoxb-simulated",  # noqa: S107 -- it opens nothing but this simulation
        app_token: str = "xapp-simulated",  # noqa: S107
        bot_name: str = "skein",
        commands: Sequence[CommandView] = DEFAULT_COMMANDS,
        rate_scale: float | None = 1.0,
        is_distributed: bool = False,
        sizes: Sizes | None = None,
        timing: Timing | None = None,
        clock: Clock = time.time,
    ) -> None:
        self.bot_token = bot_token
        self.app_token = app_token
        self.feed = Feed()
        self.faults = Faults()
        self.state: State = seeded_state(clock, bot_name)
        self._files = Files(self.state, bot_token)
        self._commands = tuple(commands)
        self._timing = timing or Timing()
        sizes = sizes or Sizes()
        if is_distributed:
            sizes = replace(sizes, messages_a_call=DISTRIBUTED_MESSAGES_A_CALL)
        self.workspace = Workspace(self.state, self.feed, self._notify, sizes)
        self._socket = SocketMode(self.state.identity.app, self._timing, self._publish)
        self._responses = Responses(self.workspace)
        rates = RateLimits(clock, rate_scale, is_distributed)
        tokens = Tokens(bot_token, app_token)
        self._web_api = WebApi(
            self.workspace, tokens, rates, self.faults, self._open_connection, self._publish
        )
        self._people = People(
            self.workspace, self._socket, self._responses, self._commands, self._response_address
        )

    # The network side.

    @property
    def base_url(self) -> str:
        """Where the routes are reached, with the prefix; response URLs and files begin with it."""
        return self.state.origin

    @base_url.setter
    def base_url(self, url: str) -> None:
        self.state.origin = url

    @property
    def api_url(self) -> str:
        """The address for SLACK_API_URL; it ends in a slash."""
        return f"{self.base_url}/api/"

    def routes(self, prefix: str = "/slack") -> list[web.RouteDef]:
        """Give the routes of the Web API, of Socket Mode and of response URLs."""
        return [
            web.post(prefix + "/api/{method}", self._web_api.handle),
            web.get(prefix + "/api/{method}", self._web_api.handle),
            web.get(prefix + "/socket", self._handle_socket),
            web.post(prefix + "/response/{key}", self._handle_response),
            web.get(prefix + "/files-pri/{file}/{name}", self._files.download),
            web.post(prefix + "/upload/{file}", self._files.upload),
        ]

    def add_to(self, app: web.Application, prefix: str = "/slack") -> None:
        """Serve from an application. `base_url` follows from where the bot asks for its connection."""
        app.add_routes(self.routes(prefix))
        app.on_shutdown.append(self._on_shutdown)

    def locate(self, url: str) -> None:
        """Learn where the routes are reached, with the prefix, before anyone asks for them."""
        self.base_url = url

    async def _on_shutdown(self, _app: web.Application) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End all connections and deliveries."""
        await self._socket.aclose()

    async def _handle_socket(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults.take("socket")
        if fault is None:
            return await self._socket.handle(request)
        if fault.drop and request.transport is not None:
            request.transport.abort()
        return spoil(fault)[1]

    async def _handle_response(self, request: web.Request) -> web.StreamResponse:
        try:
            args, _ = await read_call(request)
            self._responses.use(request.match_info["key"], args)
        except RefusedError as refusal:
            status = 404 if refusal.code in ("expired_url", "used_url") else 400
            return web.json_response(refuse(refusal)[0], status=status)
        return web.json_response({"ok": True})

    def _open_connection(self, request: web.Request) -> str:
        place = request.host + request.path.removesuffix("/api/apps.connections.open")
        self.base_url = f"http://{place}"
        return f"ws://{place}/socket?ticket={self._socket.issue_ticket()}"

    def _response_address(self, key: str) -> str:
        return f"{self.base_url}/response/{key}"

    def _publish(self, event: Json) -> None:
        self.feed.publish({"platform": "slack", **event})

    def _notify(self, event: Json) -> None:
        self._socket.send("events_api", events.callback(self.state, event))

    # The page's side: bots.playground.base.Simulation.

    def snapshot(self) -> Snapshot:
        """Describe all that can be seen now."""
        for message in list(self.state.messages.values()):
            self.workspace.expire(message)
        return snapshot(self.state, self._commands, self.connections() > 0)

    def dump(self) -> dict[str, Any]:
        """Give the state as JSON values: also response URLs, and events not yet acknowledged."""
        return {
            **self.state.dump(),
            "files": dump_files(self.state),
            "responses": self._responses.dump(),
            "undelivered": self._socket.undelivered(),
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """Take over a dumped state; its unacknowledged events go out when the bot connects.

        Raises ValueError when it is not one.
        """
        files = restore_files(data.get("files", ()))
        self.state.restore(data)
        self.state.files = files
        self._responses.restore(data.get("responses", {}))
        self._socket.backlog = list(data.get("undelivered", []))

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
        """Post as a person and send the bot its events. `reply_to` means nothing on Slack."""
        return self._people.say(person, channel, text, thread, files).ts

    async def forward(
        self, person: str, message: str, channel: str, text: str = "", *, thread: str = ""
    ) -> str:
        """Forward a message as a person, with a text of their own or without."""
        return self._people.forward(person, message, channel, text, thread).ts

    def read_file(self, id_: str) -> SentFile:
        """Give a file. Raises ValueError for an unknown one."""
        file = self.state.files.get(id_)
        if file is None or file.is_deleted:
            raise ValueError(f"there is no file {id_!r}")
        return file.sent

    async def edit(self, message: str, text: str) -> None:
        """Change a person's message. Raises ValueError when it is none."""
        self._people.edit(message, text)

    async def delete(self, message: str) -> None:
        """Delete a person's message. Raises ValueError when it is none."""
        self._people.delete(message)

    async def delete_file(self, file: str) -> None:
        """Delete a file, wherever it was shared. Raises ValueError for an unknown one."""
        self._people.delete_file(file)

    async def command(
        self, person: str, channel: str, name: str, text: str = "", *, thread: str = ""
    ) -> str:
        """Use a slash command; gives Slack's own words when it refuses or fails, or nothing."""
        return await self._people.command(person, channel, name, text, thread)

    async def complete(self, person: str, channel: str, name: str, text: str) -> list[str]:
        """Give nothing: Slack's commands complete no arguments."""
        return []

    async def act(self, person: str, message: str, action: str, value: str = "") -> None:
        """Press a button, or choose an option by its label or value, and wait for the bot's ack."""
        await self._people.act(person, message, action, value)

    async def shortcut(self, person: str, message: str, callback_id: str) -> None:
        """Choose a shortcut in a message's menu, and wait for the bot's ack."""
        await self._people.shortcut(person, message, callback_id)

    def connections(self) -> int:
        """Count the websockets that the bot holds."""
        return self._socket.connections

    def give_up(self) -> None:
        """Let what the bot has not acknowledged by now never come again."""
        self._socket.give_up()

    async def drop_connections(self) -> None:
        """Cut every websocket without a word."""
        await self._socket.drop_connections()

    async def request_refresh(self) -> None:
        """Tell the bot that its websockets must be renewed."""
        await self._socket.request_refresh()

    # What tests ask and do.

    def person(self, name: str) -> str:
        """Give a person's id by name. Raises ValueError."""
        return self._people.find_person(name).id

    def channel(self, name: str) -> str:
        """Give a channel's id by name. Raises ValueError."""
        return self._people.find_channel(name).id

    def dm(self, name: str) -> str:
        """Give the id of a person's DM with the bot. Raises ValueError."""
        channel = self.state.find_dm(self.person(name))
        if channel is None:
            raise ValueError(f"{name} has no DM with the bot")
        return channel.id

    def add_channel(self, name: str, *, is_private: bool = False, has_bot: bool = True) -> str:
        """Add a channel with all people in it, and give its id."""
        bot = self.state.identity.bot_user
        members = tuple(id_ for id_ in self.state.people if has_bot or id_ != bot)
        kind = "group" if is_private else "channel"
        return self.workspace.put_channel(Channel(self.state.next_id("C"), name, kind, members)).id

    def archive(self, channel: str) -> None:
        """Archive a channel."""
        place = self._people.find_channel(channel)
        self.workspace.put_channel(replace(place, is_archived=True))

    @property
    def calls(self) -> list[Call]:
        """The calls of the bot, oldest first."""
        return list(self._web_api.calls)

    def calls_to(self, pattern: str) -> list[Call]:
        """The calls whose method matches a pattern such as `chat.*`, oldest first."""
        return self._web_api.calls_to(pattern)

    @property
    def deliveries(self) -> list[Delivery]:
        """What was sent to the bot: events, commands, interactions, oldest first."""
        return list(self._socket.deliveries)

    @property
    def given_up(self) -> list[Delivery]:
        """What the bot never acknowledged."""
        return list(self._socket.given_up)

    def status(self, channel: str, thread: str) -> str:
        """What the bot is shown to be doing in a thread."""
        return self.workspace.status(channel, thread)

    def messages(self, channel: str, thread: str = "") -> list[MessageView]:
        """What stands in a channel at top level, or among a thread's replies, oldest first."""
        return [
            message_view(self.state, message)
            for message in self.state.messages.values()
            if message.channel == channel and message.thread_ts == thread
        ]

    async def redeliver(self, message: str, event: str = "*") -> list[Delivery]:
        """Send the events of a message again, in new envelopes, and wait for their acks.

        `event` is `message`, `app_mention` or a pattern. Raises ValueError when there is none.
        """
        again = [
            self._socket.send("events_api", delivery.payload, attempt=1)
            for delivery in self.deliveries
            if delivery.payload.get("event", {}).get("ts") == message
            and fnmatch.fnmatchcase(delivery.payload["event"]["type"], event)
        ]
        if not again:
            raise ValueError(f"no event {event!r} was sent for the message {message!r}")
        for delivery in again:
            await delivery.finished.wait()
        return again

    async def wait_for(self, find: Callable[[], T | None], timeout: timedelta = PATIENCE) -> T:
        """Wait until something is found, looking again after each thing that happens.

        Raises TimeoutError.
        """
        with self.feed.listen() as queue:
            async with asyncio.timeout(timeout.total_seconds()):
                while not (found := find()):
                    await queue.get()
                return found

    async def wait_for_reply(
        self,
        channel: str,
        thread: str = "",
        *,
        contains: str = "",
        after: str = "",
        timeout: timedelta = PATIENCE,
    ) -> MessageView:
        """Wait for a message of the bot that says something and no longer streams.

        `after` leaves out what was posted before a message. Raises TimeoutError.
        """
        bot, since = self.state.identity.bot_user, float(after or 0)

        def find() -> MessageView | None:
            found = (m for m in self.messages(channel, thread) if m["author"] == bot)
            ended = (m for m in found if float(m["id"]) > since and not m["is_streaming"])
            return next((m for m in ended if contains in m["text"]), None)

        return await self.wait_for(find, timeout)

    async def wait_for_call(
        self, pattern: str, *, times: int = 1, timeout: timedelta = PATIENCE
    ) -> Call:
        """Wait until a method was called so many times, and give that call. Raises TimeoutError."""

        def find() -> Call | None:
            calls = self.calls_to(pattern)
            return calls[times - 1] if len(calls) >= times else None

        return await self.wait_for(find, timeout)

    async def wait_until_connected(
        self, connections: int = 1, timeout: timedelta = PATIENCE
    ) -> None:
        """Wait until the bot holds so many websockets. Raises TimeoutError."""
        await self.wait_for(lambda: self.connections() >= connections or None, timeout)

    async def wait_until_delivered(self, timeout: timedelta = PATIENCE) -> None:
        """Wait until all that was sent is acknowledged or given up. Raises TimeoutError."""
        await self._socket.drain(timeout)
