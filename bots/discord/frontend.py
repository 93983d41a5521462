"""Skein on Discord: the handlers, and the frontend's life. What a message means is in events.py."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from weakref import WeakValueDictionary

import aiohttp
import discord

from bots.commands import Command, Commands
from bots.delivery import Pace, PagedReply
from bots.discord.catch_up import MAX_PLACES, CatchUp
from bots.discord.client import TOKEN_VARIABLE, BotClient, iterate_back_off, log_in
from bots.discord.events import (
    PLATFORM,
    Heard,
    Manner,
    Place,
    is_from_person,
    parse_message,
    parse_open_channels,
    parse_place,
)
from bots.discord.files import DiscordFiles
from bots.discord.follow import follow_session
from bots.discord.refusing import Refusing
from bots.discord.sign import DiscordSign
from bots.discord.sink import DiscordOutlet
from bots.discord.slash import answer_interaction, build_tree, sync_commands
from bots.filed import FiledReply
from bots.link import Link
from bots.patience import MAX_WAITING, Patience
from core.beside import beside
from core.conversation import Incoming, ReplyMessage, ThreadKey, Turn
from core.errors import DeliveryError, SettingsError, StoreError, render_for_people
from core.metrics import DeliveryRetried, RetryReason
from core.settings import Settings
from core.sink import Hold, RecordReply, ReplySink
from core.threads import Threads
from core.turns import Turns

log = logging.getLogger("skein.discord")

SHORTEST_BETWEEN_EDITS = timedelta(seconds=1.2)
EDITS_PER_MINUTE = 50
"""A channel takes about 5 edits in 5 s, from all replies in it together."""

_HANDLERS_SECONDS = 5.0
_LOOK_UP_SECONDS = 10.0


class DiscordFrontend:
    """The Frontend over discord.py. Log in with `connect`, then `run`; see bots/frontend.py."""

    name = PLATFORM

    def __init__(
        self,
        settings: Settings,
        turns: Turns,
        threads: Threads,
        commands: Commands,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._turns = turns
        self._threads = threads
        self._commands = commands
        self._now = now
        self.link = Link()
        self.files = DiscordFiles(lambda: self._client, settings.discord_api_url)
        is_shown = settings.waiting_sign == "eyes"
        self.sign = DiscordSign(lambda: self._client) if is_shown else None
        self._open_channels = parse_open_channels(settings.discord_channels)
        self._connected: BotClient | None = None
        self._is_receiving = False
        self._paces = WeakValueDictionary[str, Pace]()
        self._handling: set[asyncio.Task[object]] = set()
        self._patience = Patience(timedelta(seconds=settings.store_patience_seconds))
        self._catch_up = CatchUp(self._hear, self._begin_of_interest)
        self._changes_refused = Refusing()
        self._told = deque[int](maxlen=MAX_WAITING)

    async def connect(self) -> str:
        """Log in and say as whom. Raises TokenRefusedError, and SettingsError without a token."""
        token = self._settings.discord_bot_token
        if token is None:
            raise SettingsError(TOKEN_VARIABLE, "is not set", "Set it to the bot's token.")
        api_url = self._settings.discord_api_url
        self._connected = await log_in(token.get_secret_value().strip(), api_url)
        return f"{self._bot} ({self._bot.id})"

    async def run(self) -> None:
        """Receive events until `stop`. Raises TokenRefusedError when the token is revoked."""
        client = self._client
        client.event(self.on_message)
        client.event(self.on_ready)
        follow_session(client, self.link, self._catch_up.begin)
        tree = build_tree(client, self._commands, self.on_command)

        async def receive() -> None:
            self._is_receiving = True
            self.link.lose()
            try:
                async with beside(sync_commands(tree)):
                    await client.hold_gateway()
            finally:
                self._is_receiving = False
                self.link.stand_by()

        # The other processes stand by; each can deliver any reply, for that takes no gateway.
        self.link.stand_by()
        receiving = asyncio.create_task(
            self._turns.run_alone(f"discord/{self._bot.id}/shard/0", receive)
        )
        try:
            await client.wait_until_left(receiving)
            if self._is_receiving or receiving.done():
                await receiving
        finally:
            receiving.cancel()
            await asyncio.wait({receiving})

    async def stop(self) -> None:
        """Leave the gateway, and let what was received be recorded."""
        if self._connected is None:
            return
        await self._connected.leave()
        if self._handling:
            await asyncio.wait(self._handling, timeout=_HANDLERS_SECONDS)

    def open_sink(self, turn: Turn, hold: Hold) -> ReplySink:
        """Build the sink for a turn's reply."""
        is_resumed = turn.attempts > 1
        outlet = DiscordOutlet(
            self._client,
            turn.key,
            turn.message_id,
            is_resumed=is_resumed,
            load_known=partial(self._threads.known_replies, turn.key),
            changes_refused=self._changes_refused,
        )
        channel = turn.key.thread or turn.key.channel

        def open_pages(record: RecordReply) -> PagedReply:
            return self._page_reply(outlet, record, channel, turn.replies, hold.check)

        longest = self._settings.answer_file_characters
        return FiledReply(turn, outlet, hold.record, open_pages, longest, hold.check)

    async def aclose(self) -> None:
        """End what is under way and close all connections. A second call does nothing."""
        if self._connected is None:
            return
        client, self._connected = self._connected, None
        await client.leave()
        handling = set(self._handling)
        for task in handling:
            task.cancel()
        await asyncio.gather(*handling, return_exceptions=True)
        await client.close()

    async def on_ready(self) -> None:
        """Catch up: a new session brings nothing of what was said before it."""
        with self._owned():
            try:
                await self._client.wait_for_guilds()
                count = await self._catch_up.run(self._client, await self._load_known())
            finally:
                self._catch_up.end()
            log.info("Discord: ready, after a look at %d messages", count)

    def _begin_of_interest(self) -> datetime:
        return self._now() - self._settings.max_question_age

    async def _load_known(self) -> list[ThreadKey]:
        """Read which conversations were used last, however long the store is away."""
        back_off = iterate_back_off()
        while not self._client.is_closed():
            try:
                recent = await self._threads.recent(PLATFORM, limit=MAX_PLACES)
            except StoreError as error:
                log.warning("Discord: cannot catch up yet: %s", error)
                await self._client.pause(next(back_off))
            else:
                return [info.key for info in recent]
        return []

    async def on_message(self, message: discord.Message) -> None:
        """Hand on what is said now, once what was said before is: each conversation is in order."""
        if is_from_person(message, self._bot):
            with self._owned():
                await self._catch_up.wait(message)
                await self._hear(message)

    async def _hear(self, message: discord.Message) -> None:
        """Hand on what is meant for the bot. Where the store stays away, the person is told."""
        if not is_from_person(message, self._bot) or message.id in self._told:
            return
        channel = await self._find_channel(message.channel)
        heard = parse_message(message, channel, self._bot, self._open_channels)
        name = f"Discord: message {message.id}"
        try:
            await self._patience.keep_trying(
                self._find_queue(heard), name, partial(self._take_if_meant, heard)
            )
        except StoreError as error:
            log.error("%s was not recorded: %s", name, error)  # noqa: TRY400 -- no bug
            if heard.manner in (Manner.ADDRESSED, Manner.OPEN):
                self._told.append(message.id)
                await self._answer(heard.incoming, render_for_people(error))

    def _find_queue(self, heard: Heard) -> str:
        """Name what a message waits in for those before it. Nobody waits for a command that asks a model."""
        key = heard.incoming.key
        command = self._commands.read(heard.incoming)
        is_slow = command is not None and command.is_slow
        return f"{key}: {command.name}" if command and is_slow else str(key)

    async def on_command(self, interaction: discord.Interaction, command: Command) -> None:
        """Run a slash command."""
        with self._owned():
            await answer_interaction(self._commands, interaction, command, self._find_place)

    async def _is_for_bot(self, heard: Heard) -> bool:
        """A message without text or file (a sticker) is for the bot only if it mentions it."""
        has_content = bool(heard.incoming.text or heard.incoming.attachments)
        match heard.manner:
            case Manner.ADDRESSED:
                return True
            case Manner.OPEN:
                return has_content
            case Manner.FOLLOW_UP:
                incoming = heard.incoming
                return has_content and await self._threads.takes_part(
                    incoming.key, incoming.sent_at
                )
            case Manner.ASIDE:
                return False

    async def _take_if_meant(self, heard: Heard) -> None:
        """Submit a question, or do a command. Raises StoreError."""
        if not await self._is_for_bot(heard):
            return
        incoming = heard.incoming
        command = self._commands.read(incoming)
        if command is None:
            await self._turns.submit(incoming)
            return
        command = replace(command, about=heard.replies_to)
        answer = await self._commands.run_once(command, incoming)
        if answer is not None:
            await self._answer(incoming, answer)

    async def _answer(self, incoming: Incoming, text: str) -> None:
        """Reply to a message outside of any turn."""
        key = incoming.key
        outlet = DiscordOutlet(self._client, key, incoming.message_id)
        reply = self._page_reply(outlet, _forget, key.thread or key.channel)
        try:
            await reply.finish(text)
        except DeliveryError as error:
            log.warning("Discord: no answer to message %s: %s", incoming.message_id, error)

    def _page_reply(
        self,
        outlet: DiscordOutlet,
        record: RecordReply,
        channel: str,
        taken_over: tuple[ReplyMessage, ...] = (),
        check: Callable[[], None] = lambda: None,
    ) -> PagedReply:
        return PagedReply(
            outlet,
            record,
            self._paces.setdefault(channel, Pace(SHORTEST_BETWEEN_EDITS, EDITS_PER_MINUTE)),
            taken_over=taken_over,
            give_up_after=timedelta(seconds=self._settings.delivery_timeout_seconds),
            check=check,
            on_retry=self._note_retry,
        )

    def _note_retry(self, reason: RetryReason) -> None:
        self._turns.metrics.note(DeliveryRetried(self.name, reason))

    async def _find_place(self, interaction: discord.Interaction) -> Place:
        """Say where a command was given. Its channel comes along, or at least its id."""
        guild_id, channel = interaction.guild_id, interaction.channel
        if channel is None:
            channel_id = int((interaction.data or {}).get("channel_id", 0))
            channel = self._client.get_partial_messageable(channel_id, guild_id=guild_id)
        return parse_place(await self._find_channel(channel), guild_id)

    async def _find_channel(self, channel: object) -> object:
        """Give a channel; one that discord.py does not know is looked up: it may be a thread."""
        if not isinstance(channel, discord.PartialMessageable):
            return channel
        try:
            async with asyncio.timeout(_LOOK_UP_SECONDS):
                return await self._client.fetch_channel(channel.id)
        except (
            discord.DiscordException,
            OSError,
            aiohttp.ClientError,
            LookupError,
            TypeError,
        ) as why:
            log.warning("Discord: channel %s cannot be looked up: %r", channel.id, why)
            return channel

    @property
    def _client(self) -> BotClient:
        if self._connected is None:
            raise RuntimeError("the Discord frontend is not connected")
        return self._connected

    @property
    def _bot(self) -> discord.ClientUser:
        user = self._client.user
        if user is None:
            raise RuntimeError("the Discord frontend is not logged in")
        return user

    @contextmanager
    def _owned(self) -> Generator[None]:
        """Know the task that handles an event, which discord.py started, so that its end is awaited."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("events are handled in tasks")
        self._handling.add(task)
        try:
            yield
        finally:
            self._handling.discard(task)


async def _forget(reply: ReplyMessage, /, *, is_gone: bool = False) -> None:
    """A command's answer is never resumed."""
