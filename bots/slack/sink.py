"""A turn's reply in Slack: a stream where Slack lets the bot stream, else a post and its updates."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bots.answer_file import AnswerFile
from bots.delivery import FrozenError, PageFullError, SlowDownError, TransientError
from bots.outlet import NotYetError
from bots.slack import codes
from bots.slack.api import CALL_TIMEOUT, RefusedCallError, answer_of, find_ts
from bots.slack.lost import find_unconfirmed, load_abandoned, reply_metadata
from bots.slack.render import render_mrkdwn, render_stream
from bots.slack.support import Feature, Support
from bots.slack.uploads import has_file, upload
from core.conversation import ReplyMessage, Turn
from core.fences import close_fence

log = logging.getLogger("skein.slack")

MAX_STREAM_BYTES = 9_000
"""A stream's whole text; what Slack takes is disputed, from 11 kB on."""
MAX_UPDATE_CHARACTERS = 3_500
"""A rendered text; `chat.update` answers `msg_too_long` from about 4,000 on."""
STREAM_LIFETIME = timedelta(minutes=4)
"""Slack ends a stream after about 5 minutes, even one in use."""

_MAX_LOOKS = 5
_STATUS_TIMEOUT = timedelta(seconds=3)
_STATUS = "is thinking..."
_NAMELESS = "nameless-"
"""Begins the id of a message that Slack did not name: it stands, and cannot be changed."""
_MAX_DOUBTS = 3


@dataclass(slots=True)
class _Stream:
    """A stream that this process opened: what Slack has of its text."""

    sent: str
    opened_at: float
    is_doubtful: bool = False
    """Whether an answer was lost, so that the text may be there or not."""


class SlackOutlet:
    """The messages of one reply. A direct message's top level cannot be streamed into: it is no thread."""

    def __init__(
        self,
        client: AsyncWebClient,
        turn: Turn,
        bot_user_id: str,
        support: Support,
        on_token_refused: Callable[[], None],
        load_known: Callable[[], Awaitable[Set[str]]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._turn = turn
        self._key = turn.key
        self._bot_user_id = bot_user_id
        self._support = support
        self._on_token_refused = on_token_refused
        self._load_known = load_known
        self._clock = clock
        self._streams: dict[str, _Stream] = {}
        self._updated: dict[str, str] = {}
        self._made = {reply.message_id for reply in turn.replies}
        self._unconfirmed: str | None = None
        """What a message shows that may have been made or not: Slack's answer was lost."""
        self._found: str | None = None
        self._looks = 0
        self._must_look_back = turn.attempts > 1
        """Whether a process that died may have made a message without recording it."""
        self._abandoned: deque[str] = deque()
        """What it may have made, oldest first."""
        self._file_id = ""
        self._doubts = 0
        """How often a post was refused for what may pass."""
        self._may_stream = bool(turn.key.thread) and support.may_work(Feature.STREAM, turn.key)

    @property
    def appends(self) -> bool:
        """Whether messages are streams, which can only grow."""
        return self._may_stream

    @property
    def may_change(self) -> bool:
        """Whether Slack is not known to refuse updates here; a stream needs none."""
        return self._may_stream or self._support.may_work(Feature.UPDATE, self._key)

    def fits(self, body: str) -> bool:
        """Tell whether a body fits. Until streaming is known to work here, it must fit both ways."""
        if self._may_stream:
            if len(render_stream(body).encode(errors="replace")) > MAX_STREAM_BYTES:
                return False
            if self._support.is_known_to_work(Feature.STREAM, self._key):
                return True
        return len(render_mrkdwn(body)) <= MAX_UPDATE_CHARACTERS

    async def notice(self, is_working: bool) -> None:
        """Set the thread's status, or clear it: one that is left standing looks hung."""
        if not self._key.thread or not self._support.may_work(Feature.STATUS, self._key):
            return
        call = self._client.assistant_threads_setStatus(
            channel_id=self._key.channel,
            thread_ts=self._key.thread,
            status=_STATUS if is_working else "",
        )
        try:
            await self._call(call, _STATUS_TIMEOUT)
        except RefusedCallError as error:
            self._support.note_refusal(Feature.STATUS, self._key, error.code)

    async def post(self, part: int, body: str) -> ReplyMessage:
        """Make a message, unless an earlier attempt turns out to have made it."""
        if not self._found and (self._must_look_back or self._unconfirmed):
            self._found = await self._find(self._unconfirmed)
        if not self._found and self._abandoned:
            self._found = self._abandoned.popleft()
        try:
            if self._found:
                reply = await self._replace(ReplyMessage(part, self._found, "stream"), body)
            else:
                reply = await self._make(part, body)
        except NotYetError:
            raise
        except TransientError:
            self._unconfirmed = self._unconfirmed if self._found else body
            raise
        self._unconfirmed, self._found, self._looks = None, None, 0
        self._made.add(reply.message_id)
        return reply

    async def hold(self, body: str) -> ReplyMessage:
        """Make a message that will show something else: no stream, which can only grow."""
        self._may_stream = False
        return await self.post(0, body)

    async def edit(self, reply: ReplyMessage, body: str) -> ReplyMessage:
        """Append what is new to a stream, or update the message."""
        stream = self._find_stream(reply, body)
        if stream is None:
            return await self._replace(reply, body)
        if self._clock() - stream.opened_at >= STREAM_LIFETIME.total_seconds():
            await self._stop(reply)
            raise PageFullError("the stream is about to end")
        text = render_stream(body)
        if text != stream.sent:
            await self._append(reply, stream, text)
        return reply

    async def seal(self, reply: ReplyMessage, body: str) -> ReplyMessage:
        """Stop a stream with the rest of its text, or update the message."""
        stream = self._find_stream(reply, body)
        if stream is None:
            return await self._replace(reply, body)
        rest = render_stream(body)[len(stream.sent) :]
        try:
            await self._call(
                self._client.chat_stopStream(
                    channel=self._key.channel, ts=reply.message_id, markdown_text=rest or None
                )
            )
        except RefusedCallError as error:
            log.info("Slack: a stream was not stopped (%s), its message is updated", error.code)
            return await self._replace(reply, body)
        except TransientError:
            stream.is_doubtful = True
            raise
        del self._streams[reply.message_id]
        self._updated[reply.message_id] = body
        return replace(reply, kind="message")

    async def remove(self, reply: ReplyMessage) -> None:
        """Delete a message. One that is gone already, or must stay, is let be."""
        if reply.message_id.startswith(_NAMELESS):
            return
        await self._stop_if_stream(reply)
        try:
            await self._call(
                self._client.chat_delete(channel=self._key.channel, ts=reply.message_id)
            )
        except RefusedCallError as error:
            if error.code != codes.DELETED and error.code not in codes.MUST_STAY:
                raise

    async def find_strays(self) -> Sequence[str]:
        """Look for what a process that died may have made; `post` takes it over, or it is removed."""
        if not self._must_look_back:
            return ()
        known = self._made | await self._load_known()
        found = await load_abandoned(self._client, self._turn, self._bot_user_id, known)
        self._must_look_back = False
        self._abandoned.extend(abandoned.ts for abandoned in found)
        return [abandoned.ts for abandoned in found if abandoned.is_removable]

    @property
    def may_attach(self) -> bool:
        """Whether Slack is not known to refuse files here."""
        return self._support.may_work(Feature.FILE, self._key)

    async def attach(self, reply: ReplyMessage, file: AnswerFile) -> None:
        """Attach a file, uploaded once, to a message that stands already."""
        ts = reply.message_id
        if self._turn.attempts > 1 and await has_file(self._client, self._turn, ts, file):
            return
        try:
            self._file_id = self._file_id or await upload(self._client, file)
            await self._update(ts, self._updated[ts], self._file_id)
        except RefusedCallError as error:
            self._support.note_refusal(Feature.FILE, self._key, error.code)
            raise

    async def _find(self, body: str | None) -> str | None:
        """Look for a message that may have been made; after some looks in vain, think it was not.

        `body` is what it shows, where this process called for it.
        """
        self._looks += 1
        try:
            if body is not None:
                client, turn, me = self._client, self._turn, self._bot_user_id
                return await find_unconfirmed(client, turn, body, me, self._made)
            await self.find_strays()
        except (SlowDownError, TransientError):
            if self._looks < _MAX_LOOKS:
                raise
            self._must_look_back = False
        return None

    async def _make(self, part: int, body: str) -> ReplyMessage:
        """Open a stream, or post where streaming is refused."""
        if self._may_stream:
            reply = await self._start_stream(part, body)
            if reply is not None:
                return reply
            self._may_stream = False
        ts = find_ts(await self._post(body)) or f"{_NAMELESS}{part}"
        self._updated[ts] = body
        return ReplyMessage(part, ts)

    async def _post(self, body: str) -> Mapping[str, Any]:
        """Post. A channel from which the question came is not believed to be closed at the first word."""
        call = self._client.chat_postMessage(
            channel=self._key.channel,
            thread_ts=self._key.thread or None,
            text=render_mrkdwn(body),
            metadata=reply_metadata(self._turn),
            unfurl_links=False,
            unfurl_media=False,
        )
        try:
            return await self._call_surely(call)
        except RefusedCallError as error:
            if error.code not in codes.MAY_PASS or self._doubts == _MAX_DOUBTS:
                raise
            self._doubts += 1
            raise NotYetError(error.code) from error

    async def _start_stream(self, part: int, body: str) -> ReplyMessage | None:
        """Open a stream. None where Slack refuses, or has opened enough: 20 a minute, docs.slack.dev says."""
        text = render_stream(body)
        call = self._client.chat_startStream(
            channel=self._key.channel,
            thread_ts=self._key.thread,
            recipient_user_id=self._turn.author.id,
            recipient_team_id=self._key.workspace,
            markdown_text=text,
        )
        try:
            ts = find_ts(await self._call(call))
        except RefusedCallError as error:
            self._support.note_refusal(Feature.STREAM, self._key, error.code)
            return None
        except SlowDownError:
            return None
        except TransientError:
            self._may_stream = False  # should it not be there, a post is the surer way
            raise
        if not ts:
            self._support.note_refusal(Feature.STREAM, self._key, "no_ts")
            return None
        self._support.note_success(Feature.STREAM, self._key)
        self._streams[ts] = _Stream(text, self._clock())
        return ReplyMessage(part, ts, "stream")

    def _find_stream(self, reply: ReplyMessage, body: str) -> _Stream | None:
        """Give the message's stream if it can grow into the body. Else it has to be replaced."""
        stream = self._streams.get(reply.message_id)
        if stream is None or stream.is_doubtful or not render_stream(body).startswith(stream.sent):
            return None
        return stream

    async def _append(self, reply: ReplyMessage, stream: _Stream, text: str) -> None:
        call = self._client.chat_appendStream(
            channel=self._key.channel,
            ts=reply.message_id,
            markdown_text=text[len(stream.sent) :],
        )
        try:
            await self._call(call)
        except RefusedCallError as error:
            if error.code in codes.TOO_LONG:
                await self._stop(reply)
            elif error.code not in codes.STREAM_OVER:
                raise
            self._streams.pop(reply.message_id, None)
            raise PageFullError(error.code) from error
        except TransientError:
            stream.is_doubtful = True
            raise
        stream.sent = text

    async def _stop(self, reply: ReplyMessage) -> None:
        """Stop a stream as it stands, but for an open code fence, which is closed."""
        stream = self._streams.get(reply.message_id)
        sent = stream.sent if stream and not stream.is_doubtful else ""
        tail = close_fence(sent)[len(sent.rstrip()) :].rstrip()
        try:
            await self._call(
                self._client.chat_stopStream(
                    channel=self._key.channel, ts=reply.message_id, markdown_text=tail or None
                )
            )
        except RefusedCallError as error:
            log.debug("Slack: a stream was not stopped: %s", error.code)
        self._streams.pop(reply.message_id, None)

    async def _stop_if_stream(self, reply: ReplyMessage) -> None:
        if reply.message_id in self._streams or reply.kind in ("stream", "leaving"):
            await self._stop(reply)

    async def _replace(self, reply: ReplyMessage, body: str) -> ReplyMessage:
        """Show a body in place of whatever the message shows.

        Where Slack refuses, the rest waits for the reply's end. One that a person deleted stays deleted.
        """
        if reply.message_id.startswith(_NAMELESS) and self._updated.get(reply.message_id) != body:
            raise FrozenError("Slack did not say which message it made")
        await self._stop_if_stream(reply)
        if self._updated.get(reply.message_id) != body:
            try:
                await self._update(reply.message_id, body)
            except RefusedCallError as error:
                if error.code in codes.TOO_LONG:
                    raise PageFullError(error.code) from error
                if error.code == codes.DELETED or error.code in codes.TOKEN_GONE:
                    raise
                self._support.note_refusal(Feature.UPDATE, self._key, error.code)
                raise FrozenError(error.code) from error
            self._updated[reply.message_id] = body
        return replace(reply, kind="message")

    async def _update(self, ts: str, body: str, file_id: str = "") -> None:
        """Update with mrkdwn, or with Markdown where a page of a stream is too long for that."""
        channel, file_ids = self._key.channel, file_id or None
        update = partial(self._client.chat_update, channel=channel, ts=ts, file_ids=file_ids)
        text = render_mrkdwn(body)
        if len(text) > MAX_UPDATE_CHARACTERS:
            try:
                await self._call_surely(update(markdown_text=render_stream(body)))
            except RefusedCallError as error:
                if error.code not in codes.NO_MARKDOWN:
                    raise
            else:
                return
        await self._call_surely(update(text=text))

    async def _call(
        self, call: Awaitable[AsyncSlackResponse], limit: timedelta = CALL_TIMEOUT
    ) -> Mapping[str, Any]:
        try:
            return await answer_of(call, limit)
        except RefusedCallError as error:
            if error.code in codes.TOKEN_GONE:
                self._on_token_refused()
            raise

    async def _call_surely(self, call: Awaitable[AsyncSlackResponse]) -> Mapping[str, Any]:
        """Make a call that every Slack knows: an answer that none can read says nothing for good."""
        try:
            return await self._call(call)
        except RefusedCallError as error:
            if error.code == "unreadable_answer":
                raise TransientError(error.code) from error
            raise
