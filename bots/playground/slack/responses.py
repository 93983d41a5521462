"""`response_url`: what an app answers to a command or an interaction, for half an hour, five times.

docs.slack.dev/interactivity/handling-user-interaction, "Message responses"
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

from bots.playground.slack.arguments import Arguments
from bots.playground.slack.methods.chat import read_thread
from bots.playground.slack.methods.content import read_content
from bots.playground.slack.refusal import RefusedError
from bots.playground.slack.state import Json, Message
from bots.playground.slack.workspace import Workspace

MAX_USES = 5
LIFETIME = timedelta(minutes=30)
MAX_REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class ResponseUrl:
    """Where an answer goes: the person asked, the place, and the message that was acted on, if any."""

    person: str
    channel: str
    made_at: float
    source: str = ""
    uses: int = 0


class Responses:
    """The response URLs that are in use, by their secret part."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._urls: dict[str, ResponseUrl] = {}

    def make(self, person: str, channel: str, source: str = "") -> str:
        """Make the secret part of a new URL."""
        key = secrets.token_urlsafe(16)
        self._urls[key] = ResponseUrl(person, channel, self._workspace.state.clock(), source)
        if len(self._urls) > MAX_REMEMBERED:
            del self._urls[next(iter(self._urls))]
        return key

    def use(self, key: str, args: Arguments) -> None:
        """Take an answer. Raises RefusedError `expired_url`, `used_url`, or what posting raises."""
        url = self._urls.get(key)
        now = self._workspace.state.clock()
        if url is None or now - url.made_at >= LIFETIME.total_seconds():
            raise RefusedError("expired_url")
        if url.uses >= MAX_USES:
            raise RefusedError("used_url")
        self._urls[key] = replace(url, uses=url.uses + 1)
        self.respond(url.person, url.channel, args, source=url.source)

    def respond(self, person: str, channel: str, args: Arguments, *, source: str = "") -> None:
        """Show an answer: in place of the source message, or as a new one, ephemeral unless said else."""
        original = self._workspace.state.messages.get(source)
        if args.flag("delete_original") and original:
            self._workspace.remove(original)
        elif args.flag("replace_original") and original:
            self._replace(original, args)
        else:
            self._post(person, channel, args)

    def _replace(self, original: Message, args: Arguments) -> None:
        content = read_content(args, self._workspace.sizes)
        edited_ts = "" if original.visible_to else self._workspace.state.next_ts()
        message = replace(
            original,
            text=content.text,
            is_markdown=content.is_markdown,
            blocks=content.blocks,
            edited_ts=edited_ts,
        )
        self._workspace.change(message, original)

    def _post(self, person: str, channel_id: str, args: Arguments) -> None:
        channel = self._workspace.get_channel(channel_id)
        content = read_content(args, self._workspace.sizes)
        state = self._workspace.state
        message = Message(
            ts=state.next_ts(),
            channel=channel.id,
            user=state.identity.bot_user,
            text=content.text,
            thread_ts=read_thread(self._workspace, args, channel),
            is_markdown=content.is_markdown,
            blocks=content.blocks,
            visible_to="" if args.text("response_type") == "in_channel" else person,
        )
        self._workspace.post(message)

    def dump(self) -> Json:
        """Give the URLs as JSON values."""
        return {key: asdict(url) for key, url in self._urls.items()}

    def restore(self, data: Mapping[str, Any]) -> None:
        """Take over dumped URLs."""
        self._urls = {key: ResponseUrl(**entry) for key, entry in data.items()}
