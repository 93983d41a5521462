"""What a platform adds to delivery: how one message is made, changed and removed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from core.conversation import ReplyMessage
from core.errors import SkeinError


class SlowDownError(SkeinError):
    """The platform asks to wait before this call is made again."""

    def __init__(self, retry_after: timedelta) -> None:
        super().__init__(f"slow down for {retry_after.total_seconds():.1f} s")
        self.retry_after = retry_after


class TransientError(SkeinError):
    """The platform did not take a call, but may take it later (5xx, no connection)."""


class NotYetError(TransientError):
    """The platform refused a call, and so did nothing, for a reason that may be gone in a moment."""


class PageFullError(SkeinError):
    """The message takes no more text, whatever its length: go on in a new one."""


class FrozenError(PageFullError):
    """Messages cannot be changed here: what this one does not show goes in a new one, all at once."""


class Outlet(Protocol):
    """Where one turn's reply goes. A body is Markdown that fits one message; the outlet renders it.

    Every call raises SlowDownError, TransientError, or, where trying again is no use,
    core.errors.DeliveryError; `edit` and `seal` also PageFullError, having changed nothing.
    """

    @property
    def appends(self) -> bool:
        """Whether a message can only grow: an open page's code fence is then left open until its end."""
        ...

    @property
    def may_change(self) -> bool:
        """Whether messages may be changed here, as far as is known; else answers are shown once whole."""
        ...

    def fits(self, body: str) -> bool:
        """Tell whether a body, rendered, fits one message."""
        ...

    async def notice(self, is_working: bool) -> None:
        """Show, or take back, that an answer is on its way (typing, a status). May raise anything."""
        ...

    async def post(self, part: int, body: str) -> ReplyMessage:
        """Make the message of a part, counted from 0."""
        ...

    async def hold(self, body: str) -> ReplyMessage:
        """Make the message of the first part with a text that another one will take the place of."""
        ...

    async def edit(self, reply: ReplyMessage, body: str) -> ReplyMessage:
        """Show a body in a message that is there, growing it while it grows. Gives what it now is."""
        ...

    async def seal(self, reply: ReplyMessage, body: str) -> ReplyMessage:
        """Show a message's last body: nothing more will be added to it."""
        ...

    async def remove(self, reply: ReplyMessage) -> None:
        """Delete a message that the reply no longer needs. One that is gone already is no error."""
        ...

    async def find_strays(self) -> Sequence[str]:
        """Give messages that an earlier attempt at this turn may have made and nobody recorded, oldest first.

        Nothing where there was no earlier attempt, or where the platform does not let the bot look.
        """
        ...
