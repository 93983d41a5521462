"""What the commands show: a text, and where something is to be chosen, a menu. Pure.

A menu's options carry all that a choice needs, so that any process can act on it later.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bots.slack.events import is_ts
from bots.slack.render import render_mrkdwn
from core.store.base import ConversationInfo

PICK_CONVERSATION = "skein_conversation"
PICK_MODEL = "skein_model"

# docs.slack.dev/reference/block-kit: option objects, select menus, section blocks.
_MAX_OPTIONS = 100
_MAX_LABEL = 75
_MAX_VALUE = 150
_MAX_SECTION = 3_000
_TOO_LONG = "That is too long to choose a conversation for. Inside the thread, write `!{name}` and the text."

Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What someone gets to see: Markdown, and perhaps a menu below it."""

    text: str
    menu: Block | None = None

    @property
    def mrkdwn(self) -> str:
        """The text as Slack shows it."""
        return render_mrkdwn(self.text)

    @property
    def blocks(self) -> list[Block]:
        """The text as a block with its menu. Empty without a menu: the text alone says it all."""
        if self.menu is None:
            return []
        text = {"type": "mrkdwn", "text": _shorten(self.mrkdwn, _MAX_SECTION)}
        return [{"type": "section", "text": text}, {"type": "actions", "elements": [self.menu]}]


@dataclass(frozen=True, slots=True)
class Choice:
    """What an option stands for: a command, its argument, and the thread it is about."""

    name: str
    argument: str
    thread: str


def offer_conversations(name: str, argument: str, found: Sequence[ConversationInfo]) -> Answer:
    """Let someone choose the conversation that a command is about."""
    offered = [(_describe(info), Choice(name, argument, info.key.thread)) for info in found]
    question = (
        "Which conversation shall I clear?"
        if name == "clear"
        else "Which conversation is it about?"
    )
    menu = _menu(PICK_CONVERSATION, "Choose a conversation", offered)
    return Answer(_TOO_LONG.format(name=name)) if menu is None else Answer(question, menu)


def offer_models(text: str, models: Sequence[str], thread: str) -> Answer:
    """Let someone choose the model that answers in a thread."""
    offered = [(model, Choice("model", model, thread)) for model in models]
    return Answer(text, _menu(PICK_MODEL, "Choose a model", offered))


def read_choice(value: str) -> Choice | None:
    """Read what an option stands for. None if it is none of ours, or too old to be understood."""
    if len(value) > _MAX_VALUE:
        return None
    try:
        name, argument, thread = json.loads(value)
    except (ValueError, TypeError):
        return None
    if not all(isinstance(part, str) for part in (name, argument, thread)):
        return None
    return Choice(name, argument, thread) if not thread or is_ts(thread) else None


def _menu(action_id: str, placeholder: str, offered: Sequence[tuple[str, Choice]]) -> Block | None:
    options = [
        {"text": _plain_text(label), "value": value}
        for label, choice in offered
        if len(value := _write_choice(choice)) <= _MAX_VALUE
    ][:_MAX_OPTIONS]
    if not options:
        return None
    return {
        "type": "static_select",
        "action_id": action_id,
        "placeholder": _plain_text(placeholder),
        "options": options,
    }


def _write_choice(choice: Choice) -> str:
    return json.dumps([choice.name, choice.argument, choice.thread], separators=(",", ":"))


def _describe(info: ConversationInfo) -> str:
    count = f"{info.message_count} message{'s' if info.message_count != 1 else ''}"
    topic = " ".join(info.first_text.split()) or "Nothing said yet"
    return f"{_shorten(topic, _MAX_LABEL - len(count) - 3)} · {count}"


def _plain_text(text: str) -> Block:
    return {"type": "plain_text", "text": _shorten(text, _MAX_LABEL), "emoji": False}


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
