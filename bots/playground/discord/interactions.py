"""Interactions: a slash command, a request for choices, or a pressed button, and its lifetime."""

from __future__ import annotations

import asyncio
import base64
import secrets
from dataclasses import dataclass, field
from typing import Any

from bots.playground.discord.state import Json

TOKEN_SECONDS = 15 * 60
"""How long an interaction's token can be used to answer further."""


class InteractionType:
    """What a person did, by Discord's numbers."""

    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4


class Callback:
    """How a bot may answer, by Discord's numbers."""

    PONG = 1
    MESSAGE = 4
    DEFERRED_MESSAGE = 5
    DEFERRED_UPDATE = 6
    UPDATE = 7
    CHOICES = 8
    MODAL = 9


@dataclass(slots=True)
class Interaction:
    """One interaction, from what a person did to the end of its token."""

    id: str
    type: int
    person: str
    channel: str
    began_at: float
    name: str = ""
    """The command's name."""
    message: str = ""
    """The message whose component was used."""
    token: str = field(default="")
    original: str = ""
    """The message that `@original` names."""
    choices: list[Json] = field(default_factory=list[Json])
    is_answered: bool = False
    has_failed: bool = False
    """Whether it was given up unanswered: Discord then knows it no more."""
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Make a token in the form that Discord's have."""
        if not self.token:
            text = f"interaction:{self.id}:{secrets.token_urlsafe(60)}"
            self.token = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def is_over(self, now: float) -> bool:
        """Tell whether its token has run out."""
        return now > self.began_at + TOKEN_SECONDS

    def metadata(self, user: Json) -> Json:
        """Give what a message that answers it says about it."""
        data: dict[str, Any] = {
            "id": self.id,
            "type": self.type,
            "user": user,
            "authorizing_integration_owners": {},
        }
        if self.name:
            data["name"] = self.name
        if self.message:
            data["interacted_message_id"] = self.message
        return data
