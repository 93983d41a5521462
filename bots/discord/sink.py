"""How one reply reaches Discord: messages are posted once, edited while they grow, and never ping."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence, Set
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import aiohttp
import discord
from discord.http import Route

from bots.answer_file import AnswerFile
from bots.delivery import FrozenError, PageFullError, SlowDownError, TransientError
from bots.discord.lost import Unconfirmed, find_strays, find_unconfirmed
from bots.discord.refusing import Refusing
from bots.discord.render import fits, render
from bots.outlet import NotYetError
from core.conversation import ReplyMessage, ThreadKey
from core.errors import DeliveryError

CALL_SECONDS = 30.0
"""The longest a call may take; discord.py waits for short rate limits by itself, within this."""

_TYPING_SECONDS = 8.0  # Discord shows it for 10
_LONGEST_TYPING_SECONDS = 600.0
_UNKNOWN_RETRY_SECONDS = 5.0
_MAX_NONCES = 4

_UNKNOWN_MESSAGE = 10008
_OLD_MESSAGE_EDITED_TOO_OFTEN = 30046
_INVALID_FORM = 50035
_MAY_NOT_REPLY = 160002  # for want of the permission to read what was said before
_MAY_PASS = (
    10003,
    50001,
    50013,
)  # no such channel, no access, no permission: of a place just opened
_MAX_DOUBTS = 3
_BAD_REQUEST = 400
_NO_EDITING = frozenset((_BAD_REQUEST, 403, 404, 405))


class _AllFrozenError(FrozenError):
    """No message can be changed in this place, and not just this one."""


class DiscordOutlet:
    """An Outlet for the reply to one message, known by ids alone, so that any process can go on."""

    appends = False

    def __init__(
        self,
        client: discord.Client,
        key: ThreadKey,
        message_id: str,
        *,
        is_resumed: bool = False,
        load_known: Callable[[], Awaitable[Set[str]]] | None = None,
        changes_refused: Refusing | None = None,
    ) -> None:
        self._client = client
        self._load_known = load_known if is_resumed else None
        """Gives the messages of all replies of the conversation."""
        self._message_id = message_id
        self._channel_id = key.thread or key.channel
        self._http = client.http
        self._changes_refused = changes_refused or Refusing()
        self._doubts = 0
        """How often a post was refused for what may pass."""
        self._is_shown = asyncio.Event()
        self._last = message_id
        """The last message known of the question and its reply."""
        self._used: set[str] = set()
        """Messages that show a part already, or were removed."""
        self._may_stand = is_resumed
        """Whether the next part may have been posted already, and that was not confirmed or recorded."""

    @property
    def may_change(self) -> bool:
        """Whether changes are not known to be refused here."""
        return not self._changes_refused.is_known(self._channel_id)

    def fits(self, body: str) -> bool:
        """Tell whether a body, rendered, is within a message's 2,000 units."""
        return fits(body)

    async def notice(self, is_working: bool) -> None:
        """Show that the bot is typing until the first message is there or this is cancelled.

        There is no call that takes it back: it ends by itself, or by a message.
        """
        deadline = time.monotonic() + _LONGEST_TYPING_SECONDS
        while is_working and not self._is_shown.is_set() and time.monotonic() < deadline:
            async with _translated():
                await self._http.send_typing(self._channel_id)
            with suppress(TimeoutError):
                async with asyncio.timeout(_TYPING_SECONDS):
                    await self._is_shown.wait()

    async def post(self, part: int, body: str) -> ReplyMessage:
        """Post a part; the first one as a reply to the question.

        A part that was posted already, though nobody heard of it, is not posted again: it is looked
        for, and within minutes Discord knows it by its nonce. It then shows what was posted first,
        and is brought up to date.
        """
        content = _render_content(body)
        try:
            async with _translated():
                message = await self._find(part, content) or await self._make(part, content)
                reply = ReplyMessage(part, _read_id(message))
                self._is_shown.set()
                if message.get("content", content) != content:
                    await self._change(reply, content)
        except NotYetError:
            raise
        except TransientError:
            self._may_stand = True
            raise
        self._last, self._may_stand = reply.message_id, False
        self._used.add(reply.message_id)
        return reply

    async def hold(self, body: str) -> ReplyMessage:
        """Post what the answer takes the place of."""
        return await self.post(0, body)

    async def edit(self, reply: ReplyMessage, body: str) -> ReplyMessage:
        """Show a body in a message."""
        self._is_shown.set()
        self._last = reply.message_id
        self._used.add(reply.message_id)
        try:
            async with _translated(), _full_pages_told():
                await self._change(reply, _render_content(body))
        except _AllFrozenError:
            self._changes_refused.note(self._channel_id)
            raise
        return reply

    async def seal(self, reply: ReplyMessage, body: str) -> ReplyMessage:
        """Show a message's last body: an edit like any other."""
        return await self.edit(reply, body)

    async def remove(self, reply: ReplyMessage) -> None:
        """Delete a message, unless somebody did."""
        self._used.add(reply.message_id)
        async with _translated():
            try:
                await self._http.delete_message(self._channel_id, reply.message_id)
            except discord.NotFound:
                return

    @property
    def may_attach(self) -> bool:
        """Whether files can be sent: a place that does not allow it says so when it is tried."""
        return True

    async def attach(self, reply: ReplyMessage, file: AnswerFile) -> None:
        """Give a message its file, in place of any that it has."""
        path = "/channels/{channel_id}/messages/{message_id}"
        ids = {"channel_id": self._channel_id, "message_id": reply.message_id}
        async with _translated():
            await self._http.request(Route("PATCH", path, **ids), form=_make_form(file))

    async def find_strays(self) -> Sequence[str]:
        """Look for further parts that a process which died may have posted."""
        if self._load_known is None:
            return ()
        known = await self._load_known()
        async with _translated():
            return await find_strays(
                self._client, self._channel_id, self._bot_id, self._message_id, known
            )

    async def _find(self, part: int, content: str) -> Mapping[str, Any] | None:
        if not self._may_stand:
            return None
        wanted = Unconfirmed(
            channel_id=self._channel_id,
            bot_id=self._bot_id,
            question_id=self._message_id,
            part=part,
            nonce=self._nonce(part),
            content=content,
            after=self._last,
        )
        found = await find_unconfirmed(self._client, wanted)
        return found if found and str(found.get("id")) not in self._used else None

    async def _make(self, part: int, content: str) -> Mapping[str, Any]:
        """Send a part, by the first nonce that belongs to no message which is another part by now."""
        for number in range(_MAX_NONCES):
            message = await self._send(part, content, self._nonce(part, number))
            if str(message.get("id")) not in self._used:
                return message
        raise DeliveryError("Discord takes a further message for one that is there")

    @property
    def _bot_id(self) -> str:
        return str(self._client.user.id if self._client.user else 0)

    def _nonce(self, part: int, number: int = 0) -> str:
        return f"{self._message_id}-{part}" + (f".{number}" if number else "")

    async def _send(self, part: int, content: str, nonce: str) -> Mapping[str, Any]:
        """Links are shown without previews: those would fetch whatever address a model wrote."""
        payload: dict[str, Any] = {
            "content": content,
            "nonce": nonce,
            "enforce_nonce": True,
            "flags": discord.MessageFlags(suppress_embeds=True).value,
            "allowed_mentions": {"parse": []},
        }
        if not part:  # a question that was deleted meanwhile does not hinder its answer
            payload["message_reference"] = {
                "message_id": self._message_id,
                "channel_id": self._channel_id,
                "fail_if_not_exists": False,
            }
        route = Route("POST", "/channels/{channel_id}/messages", channel_id=self._channel_id)
        try:
            return await self._http.request(route, json=payload)
        except discord.HTTPException as error:
            if payload.pop("message_reference", None) and _is_about_reference(error):
                return await self._http.request(route, json=payload)
            if error.code not in _MAY_PASS or self._doubts == _MAX_DOUBTS:
                raise
            self._doubts += 1
            raise NotYetError(error.text or str(error.code)) from error

    async def _change(self, reply: ReplyMessage, content: str) -> None:
        payload = {"content": content, "allowed_mentions": {"parse": []}}
        path = "/channels/{channel_id}/messages/{message_id}"
        ids = {"channel_id": self._channel_id, "message_id": reply.message_id}
        await self._http.request(Route("PATCH", path, **ids), json=payload)


def _make_form(file: AnswerFile) -> list[dict[str, Any]]:
    """Make the parts of a form that gives a message one file, as discord.py's client wants them."""
    payload = {"attachments": [{"id": 0, "filename": file.name}]}
    return [
        {"name": "payload_json", "value": json.dumps(payload)},
        {
            "name": "files[0]",
            "value": file.text.encode("utf-8", "replace"),
            "filename": file.name,
            "content_type": "text/plain; charset=utf-8",
        },
    ]


def _read_id(message: Mapping[str, Any]) -> str:
    """Give the id of a message just made, all that is needed of it. Without one it cannot be edited."""
    try:
        return str(message["id"])
    except (KeyError, TypeError):
        raise DeliveryError("Discord did not say which message it made") from None


def _render_content(body: str) -> str:
    return render(body).strip() or "…"


@asynccontextmanager
async def _translated() -> AsyncGenerator[None]:
    """Bound a call in time, and put what goes wrong into delivery's words."""
    try:
        async with asyncio.timeout(CALL_SECONDS):
            yield
    except discord.RateLimited as error:
        raise SlowDownError(timedelta(seconds=error.retry_after)) from error
    except discord.HTTPException as error:
        raise _translate(error) from error
    except TimeoutError as error:
        raise TransientError(f"Discord did not answer within {CALL_SECONDS:.0f} s") from error
    except (OSError, aiohttp.ClientError) as error:
        raise TransientError(f"no connection to Discord: {error}") from error


@asynccontextmanager
async def _full_pages_told() -> AsyncGenerator[None]:
    """Send a reply on to a new message where the old one takes no more.

    30046: it is older than an hour and was edited too often. 50035: it is too long after all. Where
    it may not be edited for another reason (50083: its thread was archived), the rest waits for the
    reply's end. One that a person deleted stays deleted.
    """
    try:
        yield
    except discord.HTTPException as error:
        is_too_long = error.code == _INVALID_FORM and "content" in error.text
        if is_too_long or error.code == _OLD_MESSAGE_EDITED_TOO_OFTEN:
            raise PageFullError(error.text) from error
        if error.status in _NO_EDITING and error.code != _UNKNOWN_MESSAGE:
            kind = FrozenError if error.status == _BAD_REQUEST else _AllFrozenError
            raise kind(error.text or str(error.status)) from error
        raise


def _is_about_reference(error: discord.HTTPException) -> bool:
    """Tell whether a message is refused only because it refers to another one."""
    if error.code == _INVALID_FORM:
        return "message_reference" in error.text
    return error.code in (_MAY_NOT_REPLY, _UNKNOWN_MESSAGE)


def _translate(error: discord.HTTPException) -> Exception:
    if error.status == 429:
        return SlowDownError(timedelta(seconds=_read_retry_after(error)))
    if error.status >= 500:
        return TransientError(f"Discord answers {error.status}")
    if error.code == _UNKNOWN_MESSAGE:
        return DeliveryError("the reply was deleted")
    return DeliveryError(f"Discord refuses: {error.text or error.status} ({error.code})")


def _read_retry_after(error: discord.HTTPException) -> float:
    try:
        return max(float(error.response.headers["Retry-After"]), 0.0)
    except (KeyError, ValueError):
        return _UNKNOWN_RETRY_SECONDS
