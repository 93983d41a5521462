"""Discord's slash commands: `/clear`, `/model` with its choices, `/help`; more are in memory_slash.py."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import discord
from discord import app_commands
from discord.http import Route

from bots.commands import Command, Commands
from bots.discord.events import PLATFORM, Place
from bots.discord.memory_slash import Answer, add_memory_commands, make_command
from bots.discord.render import render, split_pages
from core.errors import render_for_people
from core.words import find_words

log = logging.getLogger("skein.discord")

MAX_CHOICES = 25
MAX_CHOICE_CHARS = 100
_SYNC_SECONDS = 120.0
_CALL_SECONDS = 30.0
_NO_SUCH_ROUTE = (404, 405)
_DEFERRED = discord.InteractionResponseType.deferred_channel_message.value
_ORIGINAL = "/webhooks/{application_id}/{token}/messages/@original"

FindPlace = Callable[[discord.Interaction], Awaitable[Place]]


def build_tree(
    client: discord.Client, commands: Commands, answer: Answer
) -> app_commands.CommandTree[discord.Client]:
    """Declare the commands; `answer` runs one and shows what came of it."""
    tree = app_commands.CommandTree(
        client,
        allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True),
        allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
    )

    @tree.command(name="clear", description="Start this conversation afresh")
    async def clear(interaction: discord.Interaction) -> None:
        await answer(interaction, Command("clear"))

    @tree.command(name="model", description="See or choose the model that answers here")
    @app_commands.describe(model="The model to choose; leave it out to see which one answers")
    async def choose_model(interaction: discord.Interaction, model: str | None = None) -> None:
        await answer(interaction, Command("model", (model or "").strip()))

    @choose_model.autocomplete("model")
    async def complete_model(  # pyright: ignore[reportUnusedFunction]
        _: discord.Interaction, current: str
    ) -> list[app_commands.Choice[str]]:
        names = (n for n in commands.choices("model", current) if len(n) <= MAX_CHOICE_CHARS)
        return [app_commands.Choice(name=n, value=n) for n in names][:MAX_CHOICES]

    @tree.command(name="usage", description="See what you used, and what is left of your limits")
    async def tell_usage(interaction: discord.Interaction) -> None:
        await answer(interaction, make_command(interaction, "usage"))

    @tree.command(name="help", description="What I can do")
    async def tell_help(interaction: discord.Interaction) -> None:
        await answer(interaction, Command("help"))

    _ = clear, tell_usage, tell_help
    add_memory_commands(tree, answer)
    return tree


async def answer_interaction(
    commands: Commands, interaction: discord.Interaction, command: Command, find_place: FindPlace
) -> None:
    """Acknowledge a command at once, run it, and show its answer.

    Clearing and choosing concern everyone in the channel and are shown to all; a look is not.
    """
    is_private = command.is_look
    shown = _Shown(interaction)
    try:
        await shown.defer(is_private=is_private)
    except discord.NotFound as error:  # Discord waits for three seconds, and has told them by then
        log.warning("Discord: /%s came to nothing, acknowledged too late: %s", command.name, error)
        return
    try:
        place = await find_place(interaction)
        text = await commands.run(command, place.key, interaction.created_at)
        first, *others = split_pages(text)
        await shown.answer(render(first))
        for page in others:
            await shown.add(render(page), is_private=is_private)
    except Exception as error:
        await _tell_failure(shown, error)
        raise


async def _tell_failure(shown: _Shown, error: Exception) -> None:
    """Tell the one who asked, alone; the note that the bot is thinking goes."""
    try:
        await shown.remove()
        await shown.add(render_for_people(error, find_words(PLATFORM).sign), is_private=True)
    except (discord.DiscordException, OSError, aiohttp.ClientError):
        log.debug("a failed command could not be told", exc_info=True)


class _Shown:
    """What people see of an interaction, by ids alone: nothing that Discord gives back is read."""

    def __init__(self, interaction: discord.Interaction) -> None:
        self._http = interaction.client.http
        self._token = interaction.token
        self._interaction_id = interaction.id
        self._application_id = interaction.application_id

    async def defer(self, *, is_private: bool) -> None:
        """Show that the bot is thinking."""
        body = {"type": _DEFERRED, "data": _make_data(is_private=is_private)}
        await self._call("POST", "/interactions/{interaction_id}/{token}/callback", body)

    async def answer(self, content: str) -> None:
        """Show a text instead."""
        await self._call("PATCH", _ORIGINAL, _make_data(content))

    async def add(self, content: str, *, is_private: bool) -> None:
        """Show a further message."""
        body = _make_data(content, is_private=is_private)
        await self._call("POST", "/webhooks/{application_id}/{token}", body)

    async def remove(self) -> None:
        """Take back what was shown first."""
        await self._call("DELETE", _ORIGINAL)

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        route = Route(
            method,
            path,
            interaction_id=self._interaction_id,
            application_id=self._application_id,
            token=self._token,
        )
        async with asyncio.timeout(_CALL_SECONDS):
            if body is None:
                await self._http.request(route)
            else:
                await self._http.request(route, json=body)


def _make_data(content: str | None = None, *, is_private: bool = False) -> dict[str, Any]:
    data: dict[str, Any] = {"allowed_mentions": {"parse": []}} if content is not None else {}
    if content is not None:
        data["content"] = content
    if is_private:
        data["flags"] = discord.MessageFlags(ephemeral=True).value
    return data


async def sync_commands(tree: app_commands.CommandTree[discord.Client]) -> None:
    """Register the commands if Discord has others. Never raises: typed commands work without."""
    try:
        async with asyncio.timeout(_SYNC_SECONDS):
            registered = await _load_registered(tree.client)
            wanted = [command.to_dict(tree) for command in tree.get_commands()]
            if _sorted(registered) != _sorted(wanted):
                await _register(tree.client, wanted)
                log.info("Discord: registered the slash commands")
    except (discord.DiscordException, OSError, aiohttp.ClientError) as error:
        log.warning("Discord: the slash commands are not registered: %s", error or "no answer")
    except Exception:
        log.exception("Discord: the slash commands are not registered")


async def _register(client: discord.Client, commands: list[Any]) -> None:
    """Register commands. What Discord answers is not read: it only repeats them."""
    if client.application_id is None:
        raise discord.MissingApplicationID
    await client.http.bulk_upsert_global_commands(client.application_id, payload=commands)


async def _load_registered(client: discord.Client) -> list[Any]:
    """Ask which commands there are, as Discord has them: discord.py's own objects misread `contexts`."""
    if client.application_id is None:
        raise discord.MissingApplicationID
    try:
        return list(await client.http.get_global_commands(client.application_id))
    except discord.HTTPException as error:
        if error.status not in _NO_SUCH_ROUTE:
            raise
        return []


def _sorted(commands: list[Any]) -> list[tuple[object, ...]]:
    return sorted((_fingerprint(command) for command in commands), key=repr)


def _fingerprint(command: Mapping[str, Any]) -> tuple[object, ...]:
    """What people would see differ. Discord adds fields, and leaves out those that are false."""
    options = tuple(
        (
            option["name"],
            option.get("description", ""),
            int(option.get("type", 0)),
            bool(option.get("required")),
            bool(option.get("autocomplete")),
        )
        for option in command.get("options") or ()
    )
    contexts = tuple(sorted(command.get("contexts") or ()))
    installs = tuple(sorted(command.get("integration_types") or ()))
    kind = int(command.get("type") or 1)
    return command["name"], command.get("description", ""), kind, options, contexts, installs
