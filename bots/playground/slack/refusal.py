"""How the simulated Web API says no: Slack's own error code, and its words about the arguments."""

from __future__ import annotations


class RefusedError(Exception):
    """A call is refused with one of Slack's error codes; `messages` explain wrong arguments."""

    def __init__(self, code: str, *messages: str) -> None:
        super().__init__(code)
        self.code = code
        self.messages = messages


class RateLimitedError(RefusedError):
    """A call came too early; Slack answers 429 and names the seconds to wait."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("ratelimited")
        self.retry_after = retry_after
