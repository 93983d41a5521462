"""Discord's slash commands about memory: `/history`, `/compact`, `/pin`, `/pins`, `/unpin`, `/prompt`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import discord
from discord import app_commands

from bots.commands import Command
from core.conversation import Author

Answer = Callable[[discord.Interaction, Command], Awaitable[None]]


def add_memory_commands(tree: app_commands.CommandTree[discord.Client], answer: Answer) -> None:
    """Declare them; `answer` runs one and shows what came of it."""
    for name, description in (
        ("history", "See what the next question would send, and what was left out"),
        ("compact", "Sum up all but the newest question and its answer"),
        ("pins", "List what I keep in mind here"),
    ):
        tree.add_command(_make_plain(name, description, answer))

    @tree.command(name="pin", description="Keep the last message in mind, or a text")
    @app_commands.describe(text="What to keep in mind; leave it out to pin the last message")
    async def pin(interaction: discord.Interaction, text: str | None = None) -> None:
        await answer(interaction, make_command(interaction, "pin", text))

    @tree.command(name="unpin", description="Let go of what is pinned")
    @app_commands.describe(number="Its number, as /pins lists it, or all")
    async def unpin(interaction: discord.Interaction, number: str) -> None:
        await answer(interaction, make_command(interaction, "unpin", number))

    @tree.command(name="prompt", description="See or set how I am told to behave here")
    @app_commands.describe(text="What to tell me for this conversation, or default")
    async def prompt(interaction: discord.Interaction, text: str | None = None) -> None:
        await answer(interaction, make_command(interaction, "prompt", text))

    _ = pin, unpin, prompt


def _make_plain(
    name: str, description: str, answer: Answer
) -> app_commands.Command[Any, ..., None]:
    async def run(interaction: discord.Interaction) -> None:
        await answer(interaction, Command(name))

    return app_commands.Command(name=name, description=description, callback=run)


def make_command(interaction: discord.Interaction, name: str, text: str | None = None) -> Command:
    """Give the command with who gave it."""
    user = interaction.user
    author = Author(str(user.id), user.display_name)
    return Command(name, (text or "").strip(), author=author)
