"""What the core needs of a frontend to show a reply: the `ReplySink` protocol; and what it gives for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from core.conversation import ReplyMessage, Turn


class RecordReply(Protocol):
    """Commits the id of a platform message that belongs to the reply, as soon as the platform gave it."""

    async def __call__(self, reply: ReplyMessage, /, *, is_gone: bool = False) -> None:
        """Note a message that was made or changed, or (`is_gone`) that it was removed.

        Raises StoreError, and LeaseLostError once another process took over.
        """
        ...


class Hold(Protocol):
    """This process's hold on the turn of a reply: what is said of it is said under this."""

    def check(self) -> None:
        """Raise LeaseLostError or LeaseDoubtfulError if another process may run the turn by now.

        To be asked right before each call to a platform: it costs no more than a look at the clock.
        """
        ...

    async def record(self, reply: ReplyMessage, /, *, is_gone: bool = False) -> None:
        """Commit a message of the reply, see RecordReply."""
        ...


class ReplySink(Protocol):
    """Shows one turn's reply on its platform.

    A sink is built from a stored turn alone, so that any process can finish any turn: messages in
    `turn.replies` are taken over, never posted beside.
    """

    async def start(self) -> None:
        """Let the person see that the question was noticed. Never raises: a side call may fail."""
        ...

    def update(self, text: str) -> None:
        """Show the text so far, at the platform's pace. Returns at once and never raises.

        `text` always begins with what the last call had, and so does what `finish` and `fail` get.
        """
        ...

    def hold(self, notice: str) -> None:
        """Say, where the answer will stand, that it has to wait. Returns at once and never raises.

        It may be said again with another notice; the answer, or the end, takes its place.
        """
        ...

    async def finish(self, text: str) -> None:
        """Deliver the whole text. Returns when the platform has all of it.

        Raises DeliveryError when the platform will not take it.
        """
        ...

    async def fail(self, notice: str, text: str = "") -> None:
        """End the reply with a notice, below the text so far, if any. Raises as `finish` does."""
        ...

    async def aclose(self) -> None:
        """Give up whatever is still under way, without a further call to the platform."""
        ...


OpenSink = Callable[[Turn, Hold], ReplySink]
"""Builds the sink for a turn that is held; each frontend has one."""
