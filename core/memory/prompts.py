"""The system prompt: layers, from the installation's to the conversation's, and what is filled in. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.conversation import Author, ThreadKey
from core.store.rooms.memories import PlacePrompts

MAX_PROMPT_CHARACTERS = 4_000
"""How long a conversation's own prompt may be."""
_MAX_VALUE_CHARACTERS = 80
_PLACEHOLDER = re.compile(r"\{(date|user|channel)\}")


@dataclass(frozen=True, slots=True)
class Layer:
    """A part of the system prompt, and for what it was set."""

    name: str
    text: str


class Prompts(Protocol):
    """Knows the prompts that an operator configured for places."""

    def find_prompts(self, key: ThreadKey) -> PlacePrompts:
        """Give those of a conversation's workspace and channel."""
        ...


@dataclass(frozen=True, slots=True)
class ConfiguredPrompts:
    """Prompts by the ids of workspaces (or servers) and of channels."""

    workspaces: Mapping[str, str]
    channels: Mapping[str, str]

    def find_prompts(self, key: ThreadKey) -> PlacePrompts:
        """Give those of a conversation's workspace and channel."""
        return PlacePrompts(
            self.workspaces.get(key.workspace, ""), self.channels.get(key.channel, "")
        )


class LivePrompts:
    """Prompts that may change at any time: they are asked for anew for each question."""

    def __init__(self, load: Callable[[], Prompts]) -> None:
        self._load = load

    def find_prompts(self, key: ThreadKey) -> PlacePrompts:
        """Give those of a conversation's workspace and channel."""
        return self._load().find_prompts(key)


NO_PROMPTS = ConfiguredPrompts({}, {})


def stack_layers(
    installation: str, places: Sequence[PlacePrompts], conversation: str | None
) -> tuple[Layer, ...]:
    """Put the layers in order, the most general first: what changes least stays in providers' caches."""
    layers = (
        Layer("installation", installation),
        *(Layer("workspace", place.workspace) for place in places),
        *(Layer("channel", place.channel) for place in places),
        Layer("conversation", conversation or ""),
    )
    return tuple(layer for layer in layers if layer.text.strip())


def render_prompt(
    layers: Sequence[Layer], key: ThreadKey, author: Author | None, now: datetime
) -> str:
    """Join the layers and fill in `{date}`, `{user}` and `{channel}`; other braces stay.

    The date has no time of day, so that the prompt stays the same all day.
    """
    values = {
        "date": now.date().isoformat(),
        "user": _clean(author.name or author.id) if author else "",
        "channel": _clean(key.channel),
    }
    text = "\n\n".join(layer.text.strip() for layer in layers)
    # One pass: a name that looks like a placeholder stays a name.
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


def _clean(value: str) -> str:
    return " ".join(value.split())[:_MAX_VALUE_CHARACTERS]
