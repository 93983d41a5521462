"""Logging in: tokens are checked with calls that need nothing else, again until Slack says yes or no."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bots.delivery import SlowDownError, TransientError
from bots.slack.api import RefusedCallError, answer_of, back_off
from bots.slack.events import Identity
from core.errors import TokenRefusedError

log = logging.getLogger("skein.slack")

PLATFORM_NAME = "Slack"
BOT_TOKEN, APP_TOKEN = "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"

# What auth.test and apps.connections.open answer for good, from their pages on docs.slack.dev.
_REFUSALS = {
    "access_denied": "access is denied",
    "account_inactive": "the app was removed, or its account deactivated",
    "app_uninstalled": "the app was removed from the workspace",
    "ekm_access_denied": "the organisation's administrators suspended the workspace",
    "enterprise_is_restricted": "the organisation does not allow this method",
    "invalid_auth": "it is no valid token",
    "missing_scope": "it lacks a scope",
    "no_permission": "it lacks a permission",
    "not_allowed_token_type": "it is a token of another kind; a bot's begins with xoxb-, an app's with xapp-",
    "not_authed": "it is empty",
    "org_login_required": "the workspace is moving to an organisation",
    "team_access_not_granted": "the app has no access to the workspace",
    "token_expired": "it has expired",
    "token_revoked": "it was revoked",
}


def is_token_refusal(code: str) -> bool:
    """Tell whether a code of Slack's says that a token is refused for good."""
    return code in _REFUSALS


async def check_token(call: Awaitable[AsyncSlackResponse], variable: str) -> Mapping[str, Any]:
    """Make a call that a good token is always allowed.

    Raises TokenRefusedError, or what `answer_of` raises when the call says nothing about the token.
    """
    try:
        return await answer_of(call)
    except RefusedCallError as error:
        if not is_token_refusal(error.code):
            raise
        reason = f"{_REFUSALS[error.code]} ({error.code})"
        raise TokenRefusedError(PLATFORM_NAME, variable, reason) from error


async def ask_until_answered(
    ask: Callable[[], Awaitable[AsyncSlackResponse]], variable: str
) -> Mapping[str, Any]:
    """Make such a call again, with back-off, until there is an answer. Raises TokenRefusedError."""
    attempt = 0
    while True:
        attempt += 1
        wait = back_off(attempt)
        try:
            return await check_token(ask(), variable)
        except SlowDownError as error:
            wait, reason = max(wait, error.retry_after), error
        except (TransientError, RefusedCallError) as error:
            reason = error
        log.warning("Slack does not answer (%s); again in %.1f s", reason, wait.total_seconds())
        await asyncio.sleep(wait.total_seconds())


async def log_in(client: AsyncWebClient) -> Identity:
    """Find out who the bot is. Raises TokenRefusedError."""
    answer = await ask_until_answered(client.auth_test, BOT_TOKEN)
    return Identity(
        user_id=str(answer.get("user_id") or ""),
        bot_id=str(answer.get("bot_id") or ""),
        user_name=str(answer.get("user") or ""),
        workspace=str(answer.get("team_id") or ""),
        workspace_name=str(answer.get("team") or ""),
    )
