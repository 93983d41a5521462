"""The slash commands that the bot registered, globally and for the guild."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bots.playground.base import CommandView
from bots.playground.discord.errors import ApiError, invalid_form, missing, unknown, wrong_length
from bots.playground.discord.snowflakes import Snowflakes
from bots.playground.discord.state import Json

GLOBAL = ""
CHAT_INPUT = 1
STRING, INTEGER, BOOLEAN, NUMBER = 3, 4, 5, 10
IN_GUILD, IN_BOT_DM = 0, 1

_NAME = re.compile(r"[-_'\w]{1,32}")
_MOST_COMMANDS = 100
_MOST_OPTIONS = 25


class Commands:
    """Commands by scope (the guild's id, or GLOBAL) and id."""

    def __init__(self, application_id: str, snowflakes: Snowflakes) -> None:
        self._application_id = application_id
        self._snowflakes = snowflakes
        self._scopes: dict[str, dict[str, Json]] = {}

    def all(self, scope: str) -> list[Json]:
        """List a scope's commands."""
        return list(self._scopes.get(scope, {}).values())

    def get(self, scope: str, command_id: str) -> Json:
        """Give one command. Raises ApiError (10063)."""
        try:
            return self._scopes[scope][command_id]
        except KeyError:
            raise unknown(10063) from None

    def overwrite(self, scope: str, forms: Sequence[Json]) -> list[Json]:
        """Replace a scope's commands. Those that keep their names keep their ids."""
        if len(forms) > _MOST_COMMANDS:
            raise ApiError(
                400, 30032, f"Maximum number of application commands reached ({_MOST_COMMANDS})."
            )
        for index, form in enumerate(forms):
            _check(form, f"{index}.")
        made = [self._make(scope, form) for form in forms]
        self._scopes[scope] = {command["id"]: command for command in made}
        return made

    def upsert(self, scope: str, form: Json) -> tuple[Json, bool]:
        """Register one command; gives it, and whether it is new."""
        _check(form, "")
        is_new = self._find(scope, str(form["name"]), form.get("type", CHAT_INPUT)) is None
        command = self._make(scope, form)
        self._scopes.setdefault(scope, {})[command["id"]] = command
        return command, is_new

    def edit(self, scope: str, command_id: str, form: Json) -> Json:
        """Change one command. Raises ApiError (10063)."""
        merged = {**self.get(scope, command_id), **form}
        _check(merged, "")
        command = self._make(scope, merged) | {"id": command_id}
        self._scopes[scope][command_id] = command
        return command

    def delete(self, scope: str, command_id: str) -> None:
        """Take one command back. Raises ApiError (10063)."""
        self.get(scope, command_id)
        del self._scopes[scope][command_id]

    def usable(self, guild_id: str) -> dict[str, Json]:
        """Give the commands that can be used in a guild, or (with no guild) in a DM, by name."""
        place = IN_GUILD if guild_id else IN_BOT_DM
        everywhere = [each for each in self.all(GLOBAL) if place in (each["contexts"] or (0, 1))]
        here = self.all(guild_id) if guild_id else []
        return {each["name"]: each for each in everywhere + here if each["type"] == CHAT_INPUT}

    def _find(self, scope: str, name: str, kind: int) -> Json | None:
        same = (each for each in self.all(scope) if each["name"] == name and each["type"] == kind)
        return next(same, None)

    def _make(self, scope: str, form: Json) -> Json:
        known = self._find(scope, form["name"], form.get("type", CHAT_INPUT))
        command: Json = {
            "id": known["id"] if known else self._snowflakes.next(),
            "application_id": self._application_id,
            "version": self._snowflakes.next(),
            "type": form.get("type", CHAT_INPUT),
            "name": form["name"],
            "description": form.get("description", ""),
            "options": form.get("options", []),
            "default_member_permissions": form.get("default_member_permissions"),
            "dm_permission": form.get("dm_permission", True),
            "contexts": form.get("contexts"),
            "integration_types": form.get("integration_types", [0]),
            "nsfw": form.get("nsfw", False),
            "name_localizations": form.get("name_localizations"),
            "description_localizations": form.get("description_localizations"),
        }
        if command["contexts"] is None and not command["dm_permission"]:
            command["contexts"] = [IN_GUILD]
        return command | ({"guild_id": scope} if scope else {})


def _check(form: Json, where: str) -> None:
    if "name" not in form:
        raise missing(f"{where}name")
    kind, name = form.get("type", CHAT_INPUT), str(form["name"])
    if kind == CHAT_INPUT:
        if not _NAME.fullmatch(name) or name != name.lower():
            text = "Command name is invalid"
            raise invalid_form(f"{where}name", "APPLICATION_COMMAND_INVALID_NAME", text)
        if not 1 <= len(str(form.get("description", ""))) <= 100:
            raise wrong_length(f"{where}description", 1, 100)
    if len(form.get("options", ())) > _MOST_OPTIONS:
        raise wrong_length(f"{where}options", 0, _MOST_OPTIONS)
    for index, option in enumerate(form.get("options", ())):
        _check(option | {"type": CHAT_INPUT}, f"{where}options.{index}.")


def argument_of(command: Json) -> Json | None:
    """Find the option that takes the text after a command's name."""
    return next((option for option in command["options"] if option["type"] in _PARSERS), None)


def command_view(command: Json) -> CommandView:
    """Show a command."""
    option = argument_of(command)
    return {
        "name": command["name"],
        "description": command["description"],
        "argument": option["name"] if option else "",
    }


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


_PARSERS = {STRING: str, INTEGER: int, BOOLEAN: _boolean, NUMBER: float}


def fill_in(command: Json, text: str) -> list[Json]:
    """Turn the text after a command's name into options. Raises ValueError in Discord's words."""
    option = argument_of(command)
    if option is None:
        if text:
            raise ValueError(f"/{command['name']} takes no text.")
        return []
    if not text:
        if option.get("required"):
            raise ValueError("This option is required. Specify a value.")
        return []
    choices = option.get("choices") or []
    for choice in choices:
        if text in (choice["name"], str(choice["value"])):
            return [{"name": option["name"], "type": option["type"], "value": choice["value"]}]
    if choices:
        raise ValueError("Choose one of the choices offered.")
    try:
        value = _PARSERS[option["type"]](text)
    except ValueError:
        raise ValueError(f"{text!r} is no value for this option.") from None
    return [{"name": option["name"], "type": option["type"], "value": value}]
