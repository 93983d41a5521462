"""Whom a message mentions: people write `@name`, Discord stores `<@id>`, bots may hold back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from bots.playground.discord.state import Person

_USER = re.compile(r"<@!?(\d+)>")
_EVERYONE = re.compile(r"@(?:everyone|here)\b")


def write_mentions(text: str, people: Iterable[Person]) -> str:
    """Turn `@Ada` into Discord's own form, for everyone known."""
    names = {person.name.lower(): person.id for person in people}
    longest_first = sorted(map(re.escape, names), key=len, reverse=True)
    pattern = re.compile(rf"(?<![\w<@])@({'|'.join(longest_first)})(?!\w)", re.IGNORECASE)
    return pattern.sub(lambda match: f"<@{names[match[1].lower()]}>", text)


def mentioned_users(text: str) -> list[str]:
    """List the ids of the users that a text mentions, each once."""
    return list(dict.fromkeys(_USER.findall(text)))


def mentions_everyone(text: str) -> bool:
    """Tell whether a text calls the whole channel."""
    return bool(_EVERYONE.search(text))


def allowed_users(text: str, allowed: Mapping[str, Any] | None, replied_to: str = "") -> list[str]:
    """List whom a bot's message mentions, given its `allowed_mentions`. None allows all."""
    users = mentioned_users(text)
    if allowed is None:
        return list(dict.fromkeys([*users, replied_to] if replied_to else users))
    if "users" not in allowed.get("parse", ()):
        named = set(map(str, allowed.get("users", ())))
        users = [user for user in users if user in named]
    if replied_to and allowed.get("replied_user"):
        users.append(replied_to)
    return list(dict.fromkeys(users))


def allows_everyone(text: str, allowed: Mapping[str, Any] | None) -> bool:
    """Tell whether a bot's message calls the whole channel."""
    return mentions_everyone(text) and (allowed is None or "everyone" in allowed.get("parse", ()))
