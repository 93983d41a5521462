"""The Slack frontend: Bolt's listeners, and the connection's life. Listeners translate, the core decides."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import aiohttp
from pydantic import SecretStr
from slack_bolt.context.ack.async_ack import AsyncAck

from bots.commands import Command
from bots.delivery import Pace, PagedReply
from bots.filed import FiledReply
from bots.link import Link
from bots.slack.blocks import Answer
from bots.slack.bolt import make_app, make_client
from bots.slack.catch_up import CatchUp
from bots.slack.desk import SHORTCUTS, Desk
from bots.slack.events import (
    PLATFORM,
    Asked,
    Heard,
    Identity,
    is_about_ephemeral,
    parse_action,
    parse_command,
    parse_message,
    parse_shortcut,
)
from bots.slack.files import SlackFiles
from bots.slack.lanes import Lanes
from bots.slack.login import APP_TOKEN, BOT_TOKEN, check_token, log_in
from bots.slack.names import Names
from bots.slack.ports import Commands, Threads, Turns
from bots.slack.receiver import Receiver
from bots.slack.sign import SlackSign
from bots.slack.sink import SlackOutlet
from bots.slack.speaker import Speaker
from bots.slack.support import Support
from bots.slack.tasks import Tasks
from core.beside import beside
from core.conversation import Incoming, Turn
from core.errors import (
    DeliveryError,
    SettingsError,
    SkeinError,
    StoreError,
    TokenRefusedError,
    render_for_people,
)
from core.metrics import DeliveryRetried, RetryReason
from core.settings import Settings
from core.sink import Hold, RecordReply, ReplySink

log = logging.getLogger("skein.slack")

_ANY = re.compile("")
_TOKEN_EVENTS = frozenset(("tokens_revoked", "app_uninstalled"))
_LAST_WORDS = timedelta(seconds=2)
_STOP_TIMEOUT = timedelta(seconds=8)

# chat.appendStream allows 100 calls a minute, chat.update 50; both leave a few to spare.
_STREAM_PACE = (timedelta(milliseconds=700), 90)
_UPDATE_PACE = (timedelta(milliseconds=1200), 45)


class SlackFrontend:
    """Slack over Socket Mode. See bots/frontend.py for what each method promises."""

    name = PLATFORM

    def __init__(
        self, settings: Settings, turns: Turns, threads: Threads, commands: Commands
    ) -> None:
        app_token = _require(settings.slack_app_token, APP_TOKEN)
        bot_token = _require(settings.slack_bot_token, BOT_TOKEN)
        self._client = make_client(settings.slack_api_url, bot_token)
        self.files = SlackFiles(self._client, settings.slack_api_url)
        self.sign = SlackSign(self._client) if settings.waiting_sign == "eyes" else None
        self._turns = turns
        self._threads = threads
        self._commands = commands
        self._answer_file_characters = settings.answer_file_characters
        self._delivery_timeout = timedelta(seconds=settings.delivery_timeout_seconds)
        self._desk = Desk(threads, commands)
        self._names = Names(self._client)
        self._speaker = Speaker(self._client)
        self._support = Support()
        self._lanes = Lanes()
        self._tasks = Tasks()
        self._stream_pace = Pace(*_STREAM_PACE)
        self._update_pace = Pace(*_UPDATE_PACE)
        self._identity: Identity | None = None
        self._bolt = make_app(self._client, lambda: self._me)
        self._register_listeners()
        self.link = Link()
        self._catch_up = CatchUp(
            self._client,
            threads,
            read=lambda body: parse_message(body, self._me),
            hear=self._hear,
            max_age=settings.max_question_age,
        )
        self._receiver = Receiver(
            self._bolt, self._client, app_token, self.link, self._catch_up.note_connection
        )

    async def connect(self) -> str:
        """Check both tokens. Raises TokenRefusedError; anything else is tried again."""
        self._client.session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        self._bolt.client.session = self._client.session
        self._identity = me = await log_in(self._client)
        await self._receiver.prepare()
        return f"@{me.user_name} in {me.workspace_name}"

    async def run(self) -> None:
        """Receive until `stop`. Raises TokenRefusedError."""
        async with beside(self._catch_up.run()):
            await self._receiver.run()

    async def stop(self) -> None:
        """Close the connection, once what came in is acknowledged. The Web API stays usable."""
        self._receiver.end()
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_TIMEOUT.total_seconds()):
                await self._receiver.wait_until_over()

    def open_sink(self, turn: Turn, hold: Hold) -> ReplySink:
        """Build the sink of a turn."""
        outlet = SlackOutlet(
            self._client,
            turn,
            self._me.user_id,
            self._support,
            self._suspect_token,
            partial(self._threads.known_replies, turn.key),
        )

        def open_pages(record: RecordReply) -> PagedReply:
            return PagedReply(
                outlet,
                record,
                self._stream_pace if outlet.appends else self._update_pace,
                taken_over=turn.replies,
                give_up_after=self._delivery_timeout,
                check=hold.check,
                on_retry=self._note_retry,
            )

        longest = self._answer_file_characters
        return FiledReply(turn, outlet, hold.record, open_pages, longest, hold.check)

    def _note_retry(self, reason: RetryReason) -> None:
        self._turns.metrics.note(DeliveryRetried(self.name, reason))

    async def aclose(self) -> None:
        """Release everything. Answers to commands get a moment to go out."""
        await self.stop()
        await self._tasks.aclose(_LAST_WORDS)
        await self._names.aclose()
        if self._client.session is not None:
            await self._client.session.close()

    # Listeners. Bolt acknowledges when they return, and does not when they raise.

    async def _on_message(self, body: dict[str, Any]) -> None:
        heard = parse_message(body, self._me)
        if heard is None:
            return
        try:
            await self._hear(heard)
        except StoreError:
            self._catch_up.note_failure()
            raise

    async def _hear(self, heard: Heard) -> None:
        async with self._lanes.enter(heard.key):
            if heard.is_addressed or await self._threads.takes_part(heard.key, heard.sent_at):
                await self._take(heard)

    async def _take(self, heard: Heard) -> None:
        incoming = heard.to_incoming(await self._names.find(heard.user_ids))
        command = self._commands.read(incoming)
        if command is None:
            if await self._turns.submit(incoming):
                self._catch_up.note_recorded(heard)
            return
        if command.is_slow:  # Slack waits three seconds for its acknowledgement
            self._tasks.start(self._do_slowly(command, incoming))
            return
        answer = await self._commands.run_once(command, incoming)
        if answer is not None:
            self._tasks.start(self._say(incoming, answer))

    async def _on_command(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        asked = parse_command(body, self._me)
        self._tasks.start(self._answer(asked, partial(self._desk.answer_command, asked)))

    async def _on_shortcut(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        name = SHORTCUTS.get(str(body.get("callback_id")), "")
        asked = parse_shortcut(body, name, self._me)
        if asked is not None:
            self._tasks.start(self._answer(asked, partial(self._desk.answer_shortcut, asked)))

    async def _on_action(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        asked, value = parse_action(body, self._me)
        answering = partial(self._desk.answer_choice, asked, value)
        self._tasks.start(self._answer(asked, answering, replaces=is_about_ephemeral(body)))

    async def _on_other(self, body: dict[str, Any]) -> None:
        """Acknowledge what is subscribed but not needed, lest it come again and again."""
        if body["event"]["type"] in _TOKEN_EVENTS:
            self._suspect_token()

    async def _on_error(self, error: Exception, body: dict[str, Any]) -> None:
        kind = body.get("event", {}).get("type") or body.get("type")
        is_expected = isinstance(error, SkeinError)
        log.error("Slack: %s not taken: %s", kind, error, exc_info=None if is_expected else error)

    # What goes on after the acknowledgement.

    async def _do_slowly(self, command: Command, incoming: Incoming) -> None:
        try:
            answer = await self._commands.run_once(command, incoming)
        except StoreError as error:
            log.warning("Slack: %s in %s failed: %s", command.name, incoming.key, error)
            answer = render_for_people(error)
        if answer is not None:
            await self._say(incoming, answer)

    async def _say(self, incoming: Incoming, answer: str) -> None:
        try:
            await self._speaker.say(incoming.key, answer)
        except DeliveryError as error:
            log.warning(
                "Slack: the answer to a command in %s was not taken: %s", incoming.key, error
            )

    async def _answer(
        self, asked: Asked, answering: Callable[[], Awaitable[Answer]], *, replaces: bool = False
    ) -> None:
        try:
            answer = await answering()
        except SkeinError as error:
            log.warning("Slack: %s in %s failed: %s", asked.name, asked.key, error)
            answer = Answer(render_for_people(error))
        try:
            await self._speaker.whisper(asked, answer, replaces=replaces)
        except DeliveryError as error:
            log.warning("Slack: an answer to %s was not taken: %s", asked.user_id, error)

    def _suspect_token(self) -> None:
        """Look into a sign that the bot's token is good no more."""
        self._tasks.start(self._check_token())

    async def _check_token(self) -> None:
        try:
            await check_token(self._client.auth_test(), BOT_TOKEN)
        except TokenRefusedError as error:
            self._receiver.end(error)
        except SkeinError as error:
            log.info("Slack: the token could not be checked: %s", error)

    @property
    def _me(self) -> Identity:
        if self._identity is None:
            raise RuntimeError("connect first")
        return self._identity

    def _register_listeners(self) -> None:
        self._bolt.error(self._on_error)
        for event in ("message", "app_mention"):
            self._bolt.event(event)(self._on_message)
        self._bolt.event(_ANY)(self._on_other)
        self._bolt.command(_ANY)(self._on_command)
        self._bolt.shortcut(_ANY)(self._on_shortcut)
        self._bolt.action(_ANY)(self._on_action)


def _require(token: SecretStr | None, variable: str) -> str:
    if token is None:
        raise SettingsError(variable, "is missing", "Slack needs both its tokens.")
    return token.get_secret_value()
