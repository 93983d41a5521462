"""An outlet that remembers what a platform would show, and a reply over it."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from bots.delivery import (
    Outlet,
    Pace,
    PagedReply,
)
from core.conversation import ReplyMessage
from core.errors import LeaseLostError, StoreError

LIMIT = 100
AT_ONCE = timedelta(milliseconds=1)


class RecordingOutlet:
    """A platform in memory. `failures` are raised by the next calls, in order."""

    def __init__(self, *, appends: bool = False) -> None:
        self.appends = appends
        self.may_change = True
        self.shown: dict[str, str] = {}
        self.sealed: set[str] = set()
        self.calls: list[str] = []
        self.failures: list[Exception | None] = []
        self.working: list[bool] = []
        self.changed = asyncio.Event()
        self.strays: list[str] = []
        self.look_failures: list[Exception] = []
        self.looks = 0
        self.on_call: Callable[[], object] = lambda: None
        self.on_refusal: Callable[[], object] = lambda: None
        self.may_post = asyncio.Event()
        self.may_post.set()

    def fits(self, body: str) -> bool:
        return len(body) <= LIMIT

    async def notice(self, is_working: bool) -> None:
        self.working.append(is_working)

    async def post(self, part: int, body: str) -> ReplyMessage:
        self._call("post")
        self.changed.set()
        await self.may_post.wait()
        name = f"m{len(self.shown)}"
        self.shown[name] = body
        self.changed.set()
        return ReplyMessage(part, name, "stream" if self.appends else "message")

    async def hold(self, body: str) -> ReplyMessage:
        self.appends = False
        return await self.post(0, body)

    async def edit(self, reply: ReplyMessage, body: str) -> ReplyMessage:
        self._call("edit")
        self._show(reply, body)
        return reply

    async def seal(self, reply: ReplyMessage, body: str) -> ReplyMessage:
        self._call("seal")
        self._show(reply, body)
        self.sealed.add(reply.message_id)
        return ReplyMessage(reply.part, reply.message_id)

    async def remove(self, reply: ReplyMessage) -> None:
        self._call("remove")
        self.shown.pop(reply.message_id, None)

    async def find_strays(self) -> list[str]:
        self.looks += 1
        if self.look_failures:
            raise self.look_failures.pop(0)
        return self.strays

    def _show(self, reply: ReplyMessage, body: str) -> None:
        if self.appends and reply.kind == "stream":
            assert body.startswith(self.shown[reply.message_id]), "a stream can only grow"
        self.shown[reply.message_id] = body
        self.changed.set()

    def _call(self, name: str) -> None:
        self.calls.append(name)
        self.on_call()
        failure = self.failures.pop(0) if self.failures else None
        if failure:
            self.changed.set()
            self.on_refusal()
            raise failure

    async def wait_until(self, is_met: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not is_met():
                self.changed.clear()
                await self.changed.wait()


class Reply:
    """A PagedReply with its outlet and what it recorded."""

    def __init__(self, outlet: RecordingOutlet, **options: object) -> None:
        self.outlet = outlet
        self.recorded: list[ReplyMessage] = []
        self.gone: list[ReplyMessage] = []
        self.store_failures = 0
        self.removal_failures = 0
        self.is_fenced_off = False
        kind: Outlet = outlet
        self.pace = Pace(AT_ONCE, 10_000_000)
        self.sink = PagedReply(kind, self.record, self.pace, **options)  # type: ignore[arg-type]

    async def record(self, reply: ReplyMessage, /, *, is_gone: bool = False) -> None:
        if self.is_fenced_off and reply.kind == "leaving":
            raise LeaseLostError("turn 1")
        if self.store_failures:
            self.store_failures -= 1
            raise StoreError("disk full")
        if is_gone and self.removal_failures:
            self.removal_failures -= 1
            raise StoreError("disk full")
        (self.gone if is_gone else self.recorded).append(reply)

    @property
    def text(self) -> list[str]:
        return list(self.outlet.shown.values())
