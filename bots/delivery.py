"""Delivery of a reply, shared by all frontends: edits at the platform's pace, pages that fit, nothing lost.

`PagedReply` is the ReplySink over a platform's `Outlet`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from bots.leftovers import LeftOvers
from bots.outlet import FrozenError, Outlet, PageFullError, SlowDownError, TransientError
from bots.pace import BackOff, Insistence, Pace
from bots.split import Page, next_page
from core.conversation import ReplyMessage
from core.errors import DeliveryError, StoreError
from core.fences import close_fence, find_open_fence
from core.metrics import RetryReason
from core.sink import RecordReply

__all__ = [
    "NOTICE_MARK",
    "FrozenError",
    "Outlet",
    "Pace",
    "PageFullError",
    "PagedReply",
    "SlowDownError",
    "TransientError",
]

log = logging.getLogger("skein.delivery")

_LAST_CALL_SECONDS = 2.0  # a call cut off now may have made a message whose id is then lost
NOTICE_MARK = "⚠️"


@dataclass(slots=True)
class _Shown:
    """A message of this reply and the part of the text that it shows."""

    start: int
    fence: str
    reply: ReplyMessage | None = None
    recorded: ReplyMessage | None = None
    body: str = ""
    end: int = 0


class PagedReply:
    """A ReplySink that pages a text over an outlet's messages.

    `taken_over` are messages that an earlier attempt left: they are used before new ones are made,
    and removed where the reply is shorter now. `give_up_after` is how long a platform may take nothing;
    one that asks to slow down, of none of the replies. `check` is asked before each call, and raises
    where none may be made any more. `on_retry` hears of calls that have to be made again.
    """

    def __init__(
        self,
        outlet: Outlet,
        record: RecordReply,
        pace: Pace,
        *,
        taken_over: Sequence[ReplyMessage] = (),
        give_up_after: timedelta = timedelta(seconds=120),
        check: Callable[[], None] = lambda: None,
        on_retry: Callable[[RetryReason], None] = lambda _: None,
    ) -> None:
        self._outlet = outlet
        self._record = record
        self._pace = pace
        self._check = check
        self._on_retry = on_retry
        self._left_over = LeftOvers(outlet, record, taken_over)
        self._give_up_after = give_up_after.total_seconds()
        self._text = ""
        self._held = ""
        self._held_shown = ""
        self._unrecorded: ReplyMessage | None = None
        self._changed = asyncio.Event()
        self._closing = asyncio.Event()
        self._given_up = asyncio.Event()
        self._refusal: DeliveryError | None = None
        self._waits_for_end = False
        self._not_before = 0.0
        self._parts = 0
        self._open = _Shown(0, "")
        self._notice_task: asyncio.Task[None] | None = None
        self._pump_task: asyncio.Task[None] | None = None
        self._delivery_task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Show that the question was noticed, and begin to show updates."""
        self._pace.active += 1
        self._notice_task = asyncio.create_task(self._try_notice(is_working=True))
        self._pump_task = asyncio.create_task(self._pump())

    def update(self, text: str) -> None:
        """Show the text so far, soon."""
        self._text = text
        self._changed.set()

    def hold(self, notice: str) -> None:
        """Say, where the answer will stand, that it has to wait."""
        self._held = notice
        self._changed.set()

    async def finish(self, text: str) -> None:
        """Deliver the whole text. Raises DeliveryError."""
        await self._stop_pump()
        self._text = text
        self._delivery_task = asyncio.create_task(self._deliver())
        await asyncio.wait([self._delivery_task])  # cancelled here, `aclose` sees to the task
        await self._try_notice(is_working=False)
        self._delivery_task.result()

    async def fail(self, notice: str, text: str = "") -> None:
        """End with a notice, below the text so far. Raises DeliveryError."""
        marked = f"{NOTICE_MARK} {notice}"
        await self.finish(f"{close_fence(text.rstrip())}\n\n{marked}" if text.strip() else marked)

    async def aclose(self) -> None:
        """Stop, wherever the reply stands."""
        if self._pump_task is None:
            return
        self._pace.active -= 1
        self._given_up.set()
        self._closing.set()
        self._changed.set()
        calling = {task for task in (self._pump_task, self._delivery_task) if task}
        await asyncio.wait(calling, timeout=_LAST_CALL_SECONDS)
        tasks = calling | {self._notice_task} if self._notice_task else calling
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._pump_task = None

    async def _stop_pump(self) -> None:
        """Let the call under way end: cancelling it would lose the id of a message just made."""
        self._closing.set()
        self._changed.set()
        if self._pump_task is not None:
            await asyncio.wait([self._pump_task])

    async def _try_notice(self, *, is_working: bool) -> None:
        if not is_working and self._notice_task is not None:
            self._notice_task.cancel()
            await asyncio.wait([self._notice_task])
        try:
            await self._outlet.notice(is_working)
        except Exception:
            log.debug("a status call failed", exc_info=True)

    async def _pump(self) -> None:
        await self._left_over.look(self._closing)
        back_off = BackOff()
        while self._refusal is None and not self._waits_for_end and self._outlet.may_change:
            await self._changed.wait()
            if self._closing.is_set():
                return
            self._changed.clear()
            wait = self._pace.seconds
            try:
                await (self._show(is_final=False) if self._text else self._show_held())
                self._pace.ease()
                back_off.reset()
            except SlowDownError as error:
                self._note_retry(error)
                wait = max(error.retry_after.total_seconds(), self._pace.seconds)
                self._not_before = time.monotonic() + error.retry_after.total_seconds()
                self._changed.set()
            except DeliveryError as error:
                self._refusal = error
            except Exception as error:
                log.debug("an update of a reply failed; it will be tried again", exc_info=True)
                self._note_retry(error)
                wait = back_off.next(error)
                self._changed.set()
            with suppress(asyncio.TimeoutError):  # the end of the reply cuts the wait short
                async with asyncio.timeout(wait):
                    await self._closing.wait()

    async def _deliver(self) -> None:
        """Bring the whole text onto the platform, as long as it takes something within the time allowed."""
        await self._rest(min(self._not_before - time.monotonic(), self._give_up_after))
        insistence = Insistence(self._pace, self._give_up_after)
        while True:
            if self._refusal is not None:
                raise self._refusal
            before = self._progress
            try:
                await self._show(is_final=True)
                self._pace.ease()
                self._left_over.add_strays(self._parts + (self._open.reply is not None))
                return await self._left_over.remove_all(self._check_wanted)
            except (SlowDownError, TransientError, StoreError) as error:
                self._note_retry(error)
                if self._progress != before:
                    insistence.note_progress()
                wait = insistence.find_wait(error)
            await self._rest(wait)

    def _note_retry(self, error: Exception) -> None:
        """Take note that a call has to be made again."""
        if isinstance(error, SlowDownError):
            self._pace.slow()
            self._on_retry("slow_down")
        elif isinstance(error, TransientError):
            self._on_retry("failure")

    async def _rest(self, seconds: float) -> None:
        """Wait so long, unless the reply is given up."""
        with suppress(asyncio.TimeoutError):
            async with asyncio.timeout(seconds):
                await self._given_up.wait()

    @property
    def _progress(self) -> tuple[int, int, int]:
        return self._parts, self._open.end, -len(self._left_over)

    def _check_wanted(self) -> None:
        """Begin no further call once the reply was given up. Raises DeliveryError, and as `check`."""
        self._check()
        if self._given_up.is_set():
            raise DeliveryError("the reply was given up")

    async def _show(self, *, is_final: bool) -> None:
        """Bring the messages into step with the text, page by page."""
        await self._left_over.remove_leaving(self._check_wanted)
        await self._record_held()
        while True:
            self._check_wanted()
            shown, text = self._open, self._text
            page = next_page(
                text,
                shown.start,
                shown.fence,
                self._outlet.fits,
                shown=shown.end,
                is_final=is_final,
            )
            if not page.body.strip():
                return
            is_last_body = page.is_complete or is_final
            if is_last_body or not self._outlet.appends:
                page = replace(page, body=close_fence(page.body))
            try:
                await self._put(shown, page, is_last_body=is_last_body)
            except PageFullError as error:
                if shown.reply is None:
                    await self._remove_unusable(error)
                self._waits_for_end |= isinstance(error, FrozenError)
                self._go_on(shown.end, find_open_fence(text[shown.start : shown.end], shown.fence))
                if self._waits_for_end and not is_final:
                    return
                continue
            if not page.is_complete:
                return
            self._go_on(page.end, page.fence)

    async def _show_held(self) -> None:
        """Show the notice in a message in which the answer will then begin."""
        self._check_wanted()
        await self._record_held()
        if self._held == self._held_shown:
            return
        body, first = self._held, self._left_over.first
        if first is None:
            self._unrecorded = await self._outlet.hold(body)
            self._left_over.put(self._unrecorded)
        else:
            await self._outlet.edit(first, body)
        self._held_shown = body
        await self._record_held()

    async def _record_held(self) -> None:
        if self._unrecorded is not None:
            await self._record(self._unrecorded)
            self._unrecorded = None

    async def _put(self, shown: _Shown, page: Page, *, is_last_body: bool) -> None:
        """Show a page in its message, which is made, or taken over, if it is not there yet."""
        # Its part may have been another one, where messages before it were removed.
        first = self._left_over.first
        before = shown.reply or (first and replace(first, part=self._parts))
        if before is None:
            before = reply = await self._outlet.post(self._parts, page.body)
            shown.reply, shown.body, shown.end = reply, page.body, page.end
        await self._record_shown(shown)
        if is_last_body and (self._outlet.appends or page.body != shown.body):
            after = await self._outlet.seal(before, page.body)
        elif page.body != shown.body:
            after = await self._outlet.edit(before, page.body)
        else:
            return
        if shown.reply is None:
            shown.recorded = self._left_over.take()
        shown.reply, shown.body, shown.end = after, page.body, page.end
        await self._record_shown(shown)

    async def _record_shown(self, shown: _Shown) -> None:
        """Record what a message now is, also if the store failed when it was made."""
        if shown.reply is not None and shown.reply != shown.recorded:
            await self._record(shown.reply)
            shown.recorded = shown.reply
            self._left_over.note_use(shown.reply)

    def _go_on(self, start: int, fence: str) -> None:
        self._parts += self._open.reply is not None
        self._open = _Shown(start, fence, end=start)

    async def _remove_unusable(self, error: PageFullError) -> None:
        """Remove a message of an earlier attempt that does not take this text."""
        if self._left_over.first is None:
            raise DeliveryError(f"a new message takes no text: {error}") from error
        await self._left_over.remove_first()
