"""The SDK, set up: no retries of its own, no secrets in its log, no calls before an acknowledgement."""

from __future__ import annotations

import logging
from collections.abc import Callable
from urllib.parse import urlsplit
from urllib.request import proxy_bypass

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from bots.slack.events import Identity

_THIS_MACHINE = frozenset(("localhost", "127.0.0.1", "::1"))


def make_client(base_url: str, token: str | None = None) -> AsyncWebClient:
    """Make a client that never tries again by itself: a post whose answer was lost would be made twice.

    The SDK takes a proxy from the environment, even for this machine, and knows no NO_PROXY.
    """
    client = AsyncWebClient(token, base_url=base_url, logger=_make_logger(), retry_handlers=[])
    if _needs_no_proxy(urlsplit(base_url).hostname or ""):
        client.proxy = None
    return client


def make_app(client: AsyncWebClient, who: Callable[[], Identity]) -> AsyncApp:
    """Make an app in which a listener that raises means that Slack gets no acknowledgement.

    `who` spares the `auth.test` that Bolt would call before the first one.
    """

    async def authorize() -> AuthorizeResult:
        me = who()
        return AuthorizeResult(
            enterprise_id=None,
            team_id=me.workspace,
            bot_user_id=me.user_id,
            bot_id=me.bot_id,
            bot_token=client.token,
        )

    logger = _make_logger()
    return AsyncApp(
        name=f"{logger.name}.app",
        logger=logger,
        client=make_client(client.base_url),
        authorize=authorize,
        process_before_response=True,
        attaching_conversation_kwargs_enabled=False,
    )


def _needs_no_proxy(host: str) -> bool:
    return host in _THIS_MACHINE or bool(proxy_bypass(host))


def _make_logger() -> logging.Logger:
    """The SDK logs whole answers, among them addresses that hold tickets: only its errors are kept."""
    logger = logging.getLogger("skein.slack.sdk")
    logger.setLevel(logging.ERROR)
    return logger
