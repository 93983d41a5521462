"""The simulated Discord server: what the page and the tests use, and its network side for the bot."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from aiohttp import web

from bots.playground.base import Faults, Feed, SentFile, Snapshot
from bots.playground.discord import people
from bots.playground.discord.commands import Commands, command_view
from bots.playground.discord.files import serve_file
from bots.playground.discord.gateway import Gateway
from bots.playground.discord.limits import Limits
from bots.playground.discord.posting import (
    react,
    remove_channel,
    remove_post,
    remove_posts,
    start_thread,
)
from bots.playground.discord.rest import API_PATH, Rest
from bots.playground.discord.seed import BOT_TOKEN, seed
from bots.playground.discord.sessions import Sessions
from bots.playground.discord.snowflakes import Clock, Snowflakes
from bots.playground.discord.state import Channel, Post
from bots.playground.discord.views import channel_view, is_shown, message_view, person_view
from bots.playground.discord.watcher import Watcher
from bots.playground.discord.world import PLATFORM, World

MAX_BYTES = 50_000_000


class SimulatedDiscord(Watcher):
    """A Discord server with one guild, for one bot. People are named by id or by name."""

    platform = PLATFORM

    def __init__(
        self,
        *,
        bot_name: str = "skein",
        grants_message_content: bool = True,
        rate_limits: float = 1,
        interaction_timeout: timedelta = timedelta(seconds=3),
        heartbeat_interval: timedelta = timedelta(seconds=41.25),
        now: Clock = time.time,
    ) -> None:
        """Open the guild. `rate_limits` scales every window: 0 lifts all limits."""
        self.feed, self.faults = Feed(), Faults()
        state, snowflakes = seed(bot_name), Snowflakes(now)
        state.now = now
        self.world = World(
            state=state,
            token=BOT_TOKEN,
            now=now,
            snowflakes=snowflakes,
            sessions=Sessions(state.guild_id, now),
            limits=Limits(now, rate_limits),
            commands=Commands(state.bot.id, snowflakes),
            feed=self.feed,
            grants_message_content=grants_message_content,
            interaction_seconds=interaction_timeout.total_seconds(),
        )
        self._rest = Rest(self.world, self.faults)
        super().__init__(self.world, self._rest.calls)
        self._gateway = Gateway(self.world, heartbeat_interval)

    # The network side, for the bot

    def add_to(self, app: web.Application, prefix: str = "/discord") -> None:
        """Serve `<prefix>/api/v10` and `<prefix>/gateway` from an application."""
        self._rest.add_to(app, prefix)
        self._gateway.add_to(app, prefix)
        app.router.add_get(prefix + "/attachments/{path:.*}", self._serve_file)

    def locate(self, url: str) -> None:
        """Learn the address at which it is served, with its path and without a slash at the end.

        The gateway's address and those of files are made from it.
        """
        self.world.origin = self.world.state.origin = url

    async def _serve_file(self, request: web.Request) -> web.Response:
        return serve_file(self.world.state, request)

    @property
    def bot_token(self) -> str:
        """The one token that is accepted."""
        return self.world.token

    @property
    def api_url(self) -> str:
        """The REST API's address, for DISCORD_API_URL. Known once it is located."""
        return self.world.origin + API_PATH

    @property
    def gateway_url(self) -> str:
        """The gateway's websocket address. Known once it is located."""
        return self.world.gateway_url

    @property
    def grants_message_content(self) -> bool:
        """Whether the application may ask for the Message Content intent."""
        return self.world.grants_message_content

    @grants_message_content.setter
    def grants_message_content(self, value: bool) -> None:
        self.world.grants_message_content = value

    # What can be seen

    def snapshot(self) -> Snapshot:
        """Describe all that can be seen now."""
        state = self.world.state
        return {
            "platform": PLATFORM,
            "workspace": state.guild_id,
            "workspace_name": state.guild_name,
            "bot": person_view(state.bot),
            "people": [person_view(person) for person in state.people.values()],
            "channels": [channel_view(channel) for channel in state.channels.values()],
            "messages": [message_view(state, post) for post in state.all_posts() if is_shown(post)],
            "commands": [
                command_view(each) for each in self.world.commands.usable(state.guild_id).values()
            ],
            "is_connected": self.connections() > 0,
        }

    def dump(self) -> dict[str, Any]:
        """Give channels, threads and messages as JSON values; registered commands are not kept."""
        return self.world.state.dump()

    def restore(self, data: Mapping[str, Any]) -> None:
        """Take over a dumped state. Raises ValueError when it is not one."""
        self.world.state.restore(data)
        for snowflake in (
            *self.world.state.channels,
            *(each.id for each in self.world.state.all_posts()),
        ):
            self.world.snowflakes.pass_by(snowflake)

    # What people do

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
        """Post as a person; a thread is a channel of its own. Raises ValueError for unknown ones."""
        author = people.get_person(self.world, person)
        place = people.get_place(self.world, author, channel, thread)
        return people.write(self.world, author, place, text, reply_to, files).id

    async def forward(
        self, person: str, message: str, channel: str, text: str = "", *, thread: str = ""
    ) -> str:
        """Forward a message as a person; a text of one's own follows as a message, as from Discord's app."""
        author = people.get_person(self.world, person)
        place = people.get_place(self.world, author, channel, thread)
        forwarded = people.forward(self.world, author, self._post(message), place)
        if text.strip():
            people.write(self.world, author, place, text)
        return forwarded.id

    async def send_sticker(self, person: str, channel: str, name: str, text: str = "") -> str:
        """Post a sticker as a person, alone or with a text."""
        author = people.get_person(self.world, person)
        place = people.get_place(self.world, author, channel)
        return people.send_sticker(self.world, author, place, name, text).id

    def read_file(self, id_: str) -> SentFile:
        """Give a file. Raises ValueError for an unknown one."""
        file = self.world.state.files.get(id_)
        if file is None:
            raise ValueError(f"there is no file {id_!r}")
        return file

    async def command(
        self, person: str, channel: str, name: str, text: str = "", *, thread: str = ""
    ) -> str:
        """Use a slash command; gives what Discord itself says, empty when the bot answered."""
        author = people.get_person(self.world, person)
        place = people.get_place(self.world, author, channel, thread)
        return await people.use_command(self.world, author, place, name, text)

    async def complete(self, person: str, channel: str, name: str, text: str) -> list[str]:
        """Ask for the choices of a command's argument, as the person types."""
        author = people.get_person(self.world, person)
        place = people.get_place(self.world, author, channel)
        return await people.ask_choices(self.world, author, place, name, text)

    async def act(self, person: str, message: str, action: str, value: str = "") -> None:
        """Press a button (by its custom id), or choose an option (by its value or label)."""
        author, post = people.get_person(self.world, person), self._post(message)
        failure = await people.use_component(self.world, author, post, action, value)
        if failure:
            self.world.show_status(post.channel, failure)

    async def edit(self, message: str, text: str) -> None:
        """Let the author of a message change it."""
        post = self._post(message)
        people.set_text(self.world, post, text)
        post.edited_at = self.world.now()
        self.world.announce_post("MESSAGE_UPDATE", post)

    async def delete(self, message: str) -> None:
        """Let the author of a message, or a moderator, delete it."""
        remove_post(self.world, self._post(message))

    async def purge(self, channel: str, messages: Sequence[str]) -> None:
        """Delete several messages at once, as a moderator's tool does."""
        remove_posts(self.world, self._channel(channel), [self._post(each) for each in messages])

    async def delete_channel(self, channel: str) -> None:
        """Delete a channel or a thread with all that was said in it."""
        remove_channel(self.world, self._channel(channel))

    async def start_thread(self, person: str, channel: str, name: str, *, message: str = "") -> str:
        """Start a thread as a person, from a message or without; gives its channel's id."""
        owner = people.get_person(self.world, person)
        parent = people.get_place(self.world, owner, channel)
        starter = self._post(message) if message else None
        return start_thread(self.world, parent, name, owner.id, starter=starter).id

    async def archive_thread(self, thread: str, *, locks: bool = False) -> None:
        """Archive a thread, as time or a moderator does; `locks` keeps people from reopening it."""
        channel = self._channel(thread)
        channel.is_archived, channel.is_locked = True, locks
        channel.archived_at = self.world.now()
        self.world.announce_channel("THREAD_UPDATE", channel)

    async def react(self, person: str, message: str, emoji: str, *, adds: bool = True) -> None:
        """React to a message as a person, or take it back."""
        author = people.get_person(self.world, person)
        react(self.world, self._post(message), author.id, emoji, adds=adds)

    # What goes wrong

    async def redeliver(self, message: str = "") -> int:
        """Send a message (the last one of a person unless told) once more; gives how many were sent."""
        posts = [post for post in self.world.state.all_posts() if self._is_persons(post)]
        if message:
            posts = [self._post(message)]
        if not posts:
            return 0
        last = max(posts, key=lambda post: int(post.id))
        self.world.send_post("MESSAGE_CREATE", last, attempt=2)
        return 1

    def _is_persons(self, post: Post) -> bool:
        return post.author in self.world.state.people and is_shown(post)

    async def unfurl(self, message: str) -> None:
        """Add a link's preview to a message: it comes again as an update, though nobody edited it."""
        post = self._post(message)
        post.embeds = [
            *post.embeds,
            {"type": "link", "title": "A page", "url": "http://127.0.0.1/"},
        ]
        self.world.announce_post("MESSAGE_UPDATE", post)

    def deny(self, channel: str, permission: int) -> None:
        """Take a permission (see permissions.py) from the bot in a place; 0 gives all back."""
        place = self._channel(channel)
        place.denied = place.denied | permission if permission else 0
        if place.is_thread or place.is_dm:
            return
        self.world.announce_channel("CHANNEL_UPDATE", place)

    async def drop_connections(self, *, resumable: bool = True) -> None:
        """Cut every gateway connection; without `resumable`, Discord also forgets the sessions."""
        if not resumable:
            for session in self.world.sessions:
                self.world.sessions.forget(session)
        self._gateway.drop()

    async def request_reconnect(self) -> None:
        """Ask the bot to connect anew and resume, as Discord does before maintenance."""
        self._gateway.request_reconnect()

    def _post(self, message: str) -> Post:
        return people.get_written(self.world, message)

    def _channel(self, channel: str) -> Channel:
        for each in self.world.state.channels.values():
            if channel in (each.id, each.name):
                return each
        raise ValueError(f"there is no channel {channel!r}")


@asynccontextmanager
async def serve_discord(
    simulation: SimulatedDiscord | None = None, *, port: int = 0, prefix: str = "/discord"
) -> AsyncGenerator[SimulatedDiscord]:
    """Serve a simulated Discord on 127.0.0.1, on a port that the system chooses unless told."""
    server = simulation or SimulatedDiscord()
    app = web.Application(client_max_size=MAX_BYTES)
    server.add_to(app, prefix)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        host, bound = runner.addresses[0][:2]
        server.locate(f"http://{host}:{bound}{prefix}")
        yield server
    finally:
        await runner.cleanup()
