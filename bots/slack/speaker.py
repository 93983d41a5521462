"""Words outside of a turn: for one person, or in a conversation as the answer to a typed command."""

from __future__ import annotations

import logging
from datetime import timedelta

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from bots.delivery import TransientError
from bots.slack.api import RefusedCallError, answer_of, insist
from bots.slack.blocks import Answer
from bots.slack.events import Asked
from bots.slack.lost import notice_metadata
from bots.slack.render import render_mrkdwn
from core.conversation import ThreadKey
from core.errors import DeliveryError

log = logging.getLogger("skein.slack")

_RESPONSE_TIMEOUT = aiohttp.ClientTimeout(total=timedelta(seconds=10).total_seconds())


class Speaker:
    """Says what is no reply of a model. Methods raise DeliveryError when Slack does not take it."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client

    async def say(self, key: ThreadKey, text: str) -> None:
        """Post Markdown in a conversation."""
        await insist(
            lambda: answer_of(
                self._client.chat_postMessage(
                    channel=key.channel,
                    thread_ts=key.thread or None,
                    text=render_mrkdwn(text),
                    metadata=notice_metadata(),
                    unfurl_links=False,
                )
            )
        )

    async def whisper(self, asked: Asked, answer: Answer, *, replaces: bool = False) -> None:
        """Show an answer to the one who asked, in place of the menu that was used if `replaces`.

        A `response_url` works where the bot is no member, too, but it does not reach into a thread:
        there `chat.postEphemeral` is tried first.
        """
        ways = [
            lambda: self._respond(asked, answer, replaces=replaces),
            lambda: self._post_ephemeral(asked, answer),
        ]
        first, second = reversed(ways) if asked.key.thread or not asked.response_url else ways
        try:
            await insist(first)
        except DeliveryError as error:
            log.info("Slack: an answer takes another way: %s", error)
            await insist(second)

    async def _respond(self, asked: Asked, answer: Answer, *, replaces: bool) -> None:
        session = self._client.session
        if session is None or not asked.response_url:
            raise DeliveryError("no response_url")
        body = {
            "response_type": "ephemeral",
            "replace_original": replaces,
            "text": answer.mrkdwn,
            "blocks": answer.blocks,
        }
        try:
            async with session.post(
                asked.response_url, json=body, timeout=_RESPONSE_TIMEOUT, proxy=self._client.proxy
            ) as response:
                status = response.status
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise TransientError(type(error).__name__) from error
        except ValueError as error:
            raise DeliveryError("the response_url is no address") from error
        if status == 429 or status >= 500:
            raise TransientError(f"http_{status}")
        if status != 200:
            raise RefusedCallError(f"http_{status}")

    async def _post_ephemeral(self, asked: Asked, answer: Answer) -> None:
        await answer_of(
            self._client.chat_postEphemeral(
                channel=asked.key.channel,
                user=asked.user_id,
                thread_ts=asked.key.thread or None,
                text=answer.mrkdwn,
                blocks=answer.blocks or None,
            )
        )
