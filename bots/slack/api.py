"""Calls of Slack's Web API, each bounded in time, with its errors translated."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bots.delivery import SlowDownError, TransientError
from core.errors import DeliveryError, SkeinError

CALL_TIMEOUT = timedelta(seconds=10)
_ATTEMPTS = 3
_LONGEST_WAIT = timedelta(seconds=30)

_TRANSIENT = frozenset(
    ("fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org")
)
_SLOW_DOWN = frozenset(("ratelimited", "rate_limited"))
_DEFAULT_WAIT = timedelta(seconds=1)

T = TypeVar("T")


class RefusedCallError(DeliveryError):
    """Slack refuses a call. `code` is its word for why, or `http_404` and the like where it has none."""

    def __init__(self, code: str) -> None:
        super().__init__(f"Slack says {code}")
        self.code = code


async def answer_of(
    call: Awaitable[AsyncSlackResponse], limit: timedelta = CALL_TIMEOUT
) -> Mapping[str, Any]:
    """Wait for a call's answer.

    Raises SlowDownError, TransientError (what came of the call is then unknown) or RefusedCallError.
    """
    try:
        async with asyncio.timeout(limit.total_seconds()):
            response = await call
    except SlackApiError as error:
        raise _translate(error) from error
    except TimeoutError as error:
        raise TransientError(f"no answer within {limit.total_seconds():g} s") from error
    except (aiohttp.ClientError, OSError) as error:
        raise TransientError(type(error).__name__) from error
    except (AttributeError, ValueError) as error:  # the SDK over an answer that is no JSON object
        raise RefusedCallError("unreadable_answer") from error
    except SlackClientError as error:
        raise RefusedCallError(type(error).__name__) from error
    return response.data if isinstance(response.data, dict) else {}


def find_ts(answer: Mapping[str, Any]) -> str:
    """Give the id of a message that a call made, or nothing where the answer names none."""
    message: Any = answer.get("message")
    ts: Any = answer.get("ts") or (message.get("ts") if isinstance(message, dict) else None)
    return ts if isinstance(ts, str) else ""


async def insist(call: Callable[[], Awaitable[T]]) -> T:
    """Make a call that may be made twice, up to three times. Raises DeliveryError."""
    attempt = 0
    while True:
        attempt += 1
        try:
            return await call()
        except SlowDownError as error:
            wait, reason = error.retry_after, error
        except TransientError as error:
            wait, reason = back_off(attempt), error
        if attempt >= _ATTEMPTS or wait > _LONGEST_WAIT:
            raise DeliveryError(f"gave up: {reason}") from reason
        await asyncio.sleep(wait.total_seconds())


def back_off(attempt: int, longest: timedelta = timedelta(seconds=30)) -> timedelta:
    """Say how long to wait after so many failures: ever longer, up to a bound, and never in step."""
    bound = min(0.5 * 2 ** min(attempt - 1, 16), longest.total_seconds())
    return timedelta(seconds=random.uniform(bound / 2, bound))  # noqa: S311 -- no secret


def _translate(error: SlackApiError) -> SkeinError:
    response: Any = error.response  # the SDK's response, or aiohttp's where it could not be read
    status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0))
    data: Any = getattr(response, "data", None)
    code = str(data.get("error") or "") if isinstance(data, dict) else ""
    if status == 429 or code in _SLOW_DOWN:
        return SlowDownError(_retry_after(response.headers))
    if status >= 500 or code in _TRANSIENT:
        return TransientError(code or f"http_{status}")
    return RefusedCallError(code or ("unreadable_answer" if status == 200 else f"http_{status}"))


def _retry_after(headers: Mapping[str, str]) -> timedelta:
    try:
        seconds = float(headers.get("Retry-After", ""))
    except ValueError:
        return _DEFAULT_WAIT
    return timedelta(seconds=min(max(seconds, 0.0), 3600.0))
