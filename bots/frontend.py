"""What a chat platform must offer: the `Frontend` protocol. Sinks show replies, see core/sink.py."""

from __future__ import annotations

from typing import Protocol

from bots.link import Link
from core.conversation import Turn
from core.intake import FileSource
from core.signs import Sign
from core.sink import Hold, ReplySink

__all__ = ["Frontend", "Hold", "ReplySink"]


class Frontend(Protocol):
    """A chat platform. It turns events into `Incoming` and turns into sinks; it decides nothing."""

    name: str
    """The platform's name, as in ThreadKey.platform."""

    link: Link
    """Whether events come; the frontend tells it."""

    async def connect(self) -> str:
        """Log in and say as whom, in words for the log. Nothing is received yet.

        Raises TokenRefusedError when the platform refuses a token for good; everything that may
        pass (no network, 5xx) is tried again with back-off until it works or this is cancelled.
        """
        ...

    async def run(self) -> None:
        """Receive events until `stop`, taking up lost connections again with back-off.

        Raises TokenRefusedError when a token is revoked meanwhile.
        """
        ...

    async def stop(self) -> None:
        """Receive nothing more; `run` returns. Replies under way can still be delivered."""
        ...

    @property
    def files(self) -> FileSource | None:
        """Where the platform has its files. None where people cannot send any."""
        ...

    @property
    def sign(self) -> Sign | None:
        """How a message that waits is shown to be noticed. None where it is not."""
        ...

    def open_sink(self, turn: Turn, hold: Hold) -> ReplySink:
        """Build the sink that shows this turn's reply.

        `hold` is asked before each call, and told of each message made.
        """
        ...

    async def aclose(self) -> None:
        """Release the connections. Nothing can be delivered afterwards."""
        ...
