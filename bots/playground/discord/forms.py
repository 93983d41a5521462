"""Checks the messages that a bot sends, as strictly as Discord, and reads them into values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bots.playground.base import SentFile
from bots.playground.discord.errors import ApiError, bad, invalid_form, too_long, wrong_length
from bots.playground.discord.state import Json, MessageFlags
from bots.playground.discord.views import find_components

MAX_CONTENT = 2000
MAX_EMBEDS = 10
MAX_EMBED_TOTAL = 6000
MAX_NONCE = 25
_EMBED_LIMITS = {"title": 256, "description": 4096}
_MAX_ROWS = 5

_BUTTON, _SELECT = 2, 3


@dataclass(frozen=True, slots=True)
class MessageForm:
    """A message as sent. None stands for a field that was not sent."""

    content: str | None = None
    embeds: list[Json] | None = None
    components: list[Json] | None = None
    attachments: list[Json] | None = None
    flags: int = 0
    allowed_mentions: Mapping[str, Any] | None = None
    reference: Mapping[str, Any] | None = None
    nonce: str = ""
    enforces_nonce: bool = False
    uploads: tuple[SentFile, ...] = ()

    def require_something(self) -> None:
        """Raise ApiError (50006) when a new message shows nothing."""
        if not any((self.content, self.embeds, self.components, self.uploads)):
            raise bad(50006)


def read_message(
    body: Mapping[str, Any], uploads: Sequence[SentFile], where: str = ""
) -> MessageForm:
    """Read and check a form. `where` is the path to it, with a dot: `data.`. Raises ApiError."""
    flags = body.get("flags") or 0
    if not isinstance(flags, int):
        raise invalid_form(f"{where}flags", "NUMBER_TYPE_COERCE", f'Value "{flags}" is not int.')
    content = _content(body, where)
    embeds = _list(body, "embeds", where)
    components = _list(body, "components", where)
    _check_embeds(embeds or [], where)
    _check_components(components or [], flags, where)
    nonce = str(body["nonce"]) if body.get("nonce") is not None else ""
    if len(nonce) > MAX_NONCE:
        raise too_long(f"{where}nonce", MAX_NONCE)
    if len(uploads) > 10:
        raise wrong_length(f"{where}attachments", 0, 10)
    return MessageForm(
        content=content,
        embeds=[{"type": "rich", **embed} for embed in embeds] if embeds is not None else None,
        components=components,
        attachments=_list(body, "attachments", where),
        flags=flags,
        allowed_mentions=_allowed_mentions(body, where),
        reference=_object(body, "message_reference", where),
        nonce=nonce,
        enforces_nonce=bool(body.get("enforce_nonce")),
        uploads=tuple(uploads),
    )


def _content(body: Mapping[str, Any], where: str) -> str | None:
    """Read the text. Discord cuts white space off its ends and counts characters."""
    if "content" not in body:
        return None
    content = body["content"]
    if isinstance(content, list | dict):
        raise invalid_form(f"{where}content", "STRING_TYPE_CONVERT", "Could not convert to string.")
    text = "" if content is None else str(content).strip()
    if len(text) > MAX_CONTENT:
        raise too_long(f"{where}content", MAX_CONTENT)
    return text


def _list(body: Mapping[str, Any], name: str, where: str) -> list[Json] | None:
    if name not in body:
        return None
    value = body[name] or []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise invalid_form(f"{where}{name}", "LIST_TYPE_CONVERT", "Only iterables may be used.")
    return value


def _object(body: Mapping[str, Any], name: str, where: str) -> Json | None:
    value = body.get(name)
    if value is not None and not isinstance(value, dict):
        text = "Only dictionaries may be used in a DictType"
        raise invalid_form(f"{where}{name}", "DICT_TYPE_CONVERT", text)
    return value


def _check_embeds(embeds: Sequence[Json], where: str) -> None:
    if len(embeds) > MAX_EMBEDS:
        raise wrong_length(f"{where}embeds", 0, MAX_EMBEDS)
    for index, embed in enumerate(embeds):
        for name, limit in _EMBED_LIMITS.items():
            if len(embed.get(name) or "") > limit:
                raise too_long(f"{where}embeds.{index}.{name}", limit)
        if len(embed.get("fields") or ()) > 25:
            raise wrong_length(f"{where}embeds.{index}.fields", 0, 25)
    if sum(map(_embed_length, embeds)) > MAX_EMBED_TOTAL:
        text = f"Embed size exceeds maximum size of {MAX_EMBED_TOTAL}"
        raise invalid_form(f"{where}embeds", "MAX_EMBED_SIZE_EXCEEDED", text)


def _embed_length(embed: Json) -> int:
    texts: list[Any] = [embed.get("title"), embed.get("description")]
    texts += [(embed.get("footer") or {}).get("text"), (embed.get("author") or {}).get("name")]
    for each in embed.get("fields") or ():
        texts += [each.get("name"), each.get("value")]
    return sum(len(text or "") for text in texts)


def _check_components(components: Sequence[Json], flags: int, where: str) -> None:
    if len(components) > _MAX_ROWS and not flags & MessageFlags.IS_COMPONENTS_V2:
        raise wrong_length(f"{where}components", 1, _MAX_ROWS)
    active = list(find_components(components, _BUTTON, _SELECT))
    for component in active:
        _check_component(component, where)
    ids = [component["custom_id"] for component in active if component.get("custom_id")]
    if len(set(ids)) < len(ids):
        text = "Component custom id cannot be duplicated"
        raise invalid_form(f"{where}components", "COMPONENT_CUSTOM_ID_DUPLICATED", text)


def _check_component(component: Json, where: str) -> None:
    needs_id = component["type"] == _SELECT or component.get("style") not in (5, 6)
    length = len(component.get("custom_id") or "")
    if needs_id and not 1 <= length <= 100:
        raise wrong_length(f"{where}components.custom_id", 1, 100)
    if len(component.get("label") or "") > 80:
        raise too_long(f"{where}components.label", 80)
    if component["type"] == _SELECT:
        _check_options(component.get("options") or (), where)


def _check_options(options: Iterable[Json], where: str) -> None:
    listed = list(options)
    if not 1 <= len(listed) <= 25:
        raise wrong_length(f"{where}components.options", 1, 25)
    for option in listed:
        for name in ("label", "value"):
            if not 1 <= len(str(option.get(name) or "")) <= 100:
                raise wrong_length(f"{where}components.options.{name}", 1, 100)


def _allowed_mentions(body: Mapping[str, Any], where: str) -> Mapping[str, Any] | None:
    allowed = _object(body, "allowed_mentions", where)
    if allowed is None:
        return None
    for kind in ("users", "roles"):
        if kind in allowed.get("parse", ()) and allowed.get(kind):
            text = f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.'
            code = "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE"
            raise invalid_form(f"{where}allowed_mentions", code, text)
    return allowed


def read_choices(body: Mapping[str, Any]) -> list[Json]:
    """Read and check the choices of an autocomplete answer. Raises ApiError."""
    choices = _list(body.get("data") or {}, "choices", "data.") or []
    if len(choices) > 25:
        raise wrong_length("data.choices", 0, 25)
    for index, choice in enumerate(choices):
        for name in ("name", "value"):
            if not 1 <= len(str(choice.get(name, ""))) <= 100:
                raise wrong_length(f"data.choices.{index}.{name}", 1, 100)
    return choices


def as_object(body: object) -> Json:
    """Take a request's body as a JSON object. Raises ApiError (50109)."""
    if not isinstance(body, dict):
        raise ApiError(400, 50109, "The request body contains invalid JSON.")
    return body
