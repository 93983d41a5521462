"""Slash commands, choices, buttons and selects of a real discord.py bot in the simulated Discord."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import discord
import pytest
import pytest_asyncio
from discord import app_commands

from bots.playground.discord import ADA, GENERAL_CHANNEL, SimulatedDiscord
from tests.bots.playground.discord_kit import ADA_DM, RecordingBot, next_message, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Choice(discord.ui.View):
    """A button and a select; what is used is named in the message."""

    def __init__(self) -> None:
        super().__init__(timeout=None)

    @discord.ui.button(label="Again", custom_id="again")
    async def again(self, interaction: discord.Interaction, _: discord.ui.Button[Choice]) -> None:
        await interaction.response.edit_message(content="pressed")

    @discord.ui.select(
        custom_id="model",
        options=[discord.SelectOption(label="Small", value="s"), discord.SelectOption(label="Big")],
    )
    async def model(
        self, interaction: discord.Interaction, select: discord.ui.Select[Choice]
    ) -> None:
        await interaction.response.defer()
        await interaction.followup.send(f"chose {select.values[0]}", ephemeral=True)


def add_commands(bot: RecordingBot) -> None:
    """Give a bot one command for each way of answering."""

    @bot.tree.command(description="Answers at once")
    async def quick(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("quick answer")

    @bot.tree.command(description="Answers one person")
    async def secret(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("for you alone", ephemeral=True)

    @bot.tree.command(description="Answers later")
    async def slow(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        await interaction.edit_original_response(content="thought about it")
        await interaction.followup.send("and more")

    @bot.tree.command(description="Never answers")
    async def silent(_: discord.Interaction) -> None:
        return

    @bot.tree.command(description="Takes a model")
    @app_commands.describe(name="Which")
    async def model(interaction: discord.Interaction, name: str) -> None:
        await interaction.response.send_message(f"model is {name}")

    @model.autocomplete("name")
    async def models(_: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        names = ["small", "smart", "big"]
        return [app_commands.Choice(name=n, value=n) for n in names if n.startswith(typed)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_bot(shared_server: SimulatedDiscord) -> AsyncGenerator[RecordingBot]:
    bot = RecordingBot()
    add_commands(bot)
    async with running(shared_server, bot):
        await bot.tree.sync()
        bot.add_view(Choice())
        yield bot


class TestCommands:
    async def test_registered_commands_are_shown(
        self, server: SimulatedDiscord, bot: RecordingBot
    ) -> None:
        commands = {each["name"]: each for each in server.snapshot()["commands"]}
        assert commands["model"]["argument"] == "name"
        assert commands["quick"] == {
            "name": "quick",
            "description": "Answers at once",
            "argument": "",
        }

    @pytest.mark.parametrize("channel", [GENERAL_CHANNEL, ADA_DM])
    async def test_command_is_answered(
        self, server: SimulatedDiscord, bot: RecordingBot, channel: str
    ) -> None:
        assert await server.command("Ada", channel, "quick") == ""
        message = await next_message(bot, "quick answer")
        assert message.interaction_metadata is not None
        reply = await server.wait_for_reply(channel, "quick answer")
        assert reply["visible_to"] == ""

    async def test_command_in_a_thread_knows_its_place(
        self, server: SimulatedDiscord, bot: RecordingBot
    ) -> None:
        thread = await server.start_thread("Ada", GENERAL_CHANNEL, "with commands")
        assert await server.command("Ada", GENERAL_CHANNEL, "/quick", thread=thread) == ""
        interaction: discord.Interaction = await bot.next("interaction")
        assert isinstance(interaction.channel, discord.Thread)
        assert await server.wait_for_reply(thread, "quick answer")

    async def test_ephemeral_answer_is_for_one_and_not_in_the_channel(
        self, server: SimulatedDiscord, bot: RecordingBot
    ) -> None:
        assert await server.command("Ada", GENERAL_CHANNEL, "secret") == ""
        reply = await server.wait_for_reply(GENERAL_CHANNEL, "for you alone")
        assert reply["visible_to"] == ADA
        with pytest.raises(discord.NotFound):
            await bot.get_partial_messageable(int(GENERAL_CHANNEL)).fetch_message(int(reply["id"]))
        assert all(each["content"] != "for you alone" for each in server.dump()["posts"])

    async def test_deferred_answer_is_filled_in_and_followed_up(
        self, server: SimulatedDiscord, bot: RecordingBot
    ) -> None:
        with server.feed.listen() as queue:
            assert await server.command("Ada", GENERAL_CHANNEL, "slow") == ""
            more = await server.wait_for_reply(GENERAL_CHANNEL, "and more")
            events = [queue.get_nowait() for _ in range(queue.qsize())]
        answer = await server.wait_for_reply(GENERAL_CHANNEL, "thought about it")
        assert more["reply_to"] == answer["id"]
        shown = [
            (event["message"]["text"], event["message"]["is_streaming"])
            for event in events
            if event["type"] == "message"
        ]
        assert shown == [("", True), ("thought about it", False), ("and more", False)]

    async def test_silence_is_told_to_the_person_and_known_no_more(
        self, server: SimulatedDiscord, bot: RecordingBot
    ) -> None:
        said = await server.command("Ada", GENERAL_CHANNEL, "silent")
        assert said == "The application did not respond"
        interaction: discord.Interaction = await bot.next("interaction")
        with pytest.raises(discord.NotFound) as refused:
            await interaction.response.send_message("too late")
        assert refused.value.code == 10062

    async def test_second_answer_is_refused(
        self, server: SimulatedDiscord, bot: RecordingBot
    ) -> None:
        await server.command("Ada", GENERAL_CHANNEL, "quick")
        interaction: discord.Interaction = await bot.next("interaction")
        interaction.response._response_type = None  # pyright: ignore  # forgets that it answered
        with pytest.raises(discord.HTTPException) as refused:
            await interaction.response.send_message("again")
        assert refused.value.code == 40060

    async def test_unknown_command_and_missing_text_are_refused_with_words(
        self, server: SimulatedDiscord, bot: RecordingBot
    ) -> None:
        assert "no /nothing here" in await server.command("Ada", GENERAL_CHANNEL, "nothing")
        assert "required" in await server.command("Ada", GENERAL_CHANNEL, "model")

    async def test_choices_complete_what_is_typed_and_can_be_taken(
        self, server: SimulatedDiscord, bot: RecordingBot
    ) -> None:
        assert await server.complete("Ada", GENERAL_CHANNEL, "model", "sm") == ["small", "smart"]
        assert await server.complete("Ada", GENERAL_CHANNEL, "quick", "") == []
        assert await server.command("Ada", GENERAL_CHANNEL, "model", "smart") == ""
        assert await next_message(bot, "model is smart")


class TestComponents:
    async def test_button_changes_its_message(
        self, server: SimulatedDiscord, bot: RecordingBot
    ) -> None:
        sent = await bot.write(GENERAL_CHANNEL, "press", view=Choice())
        shown = await server.wait_for_reply(contains="press", after=str(sent.id - 1))
        assert shown["actions"] == [
            {"id": "again", "label": "Again", "options": []},
            {"id": "model", "label": "", "options": ["Small", "Big"]},
        ]
        await server.act("Ada", str(sent.id), "again")
        assert (await server.wait_for_reply(contains="pressed"))["id"] == str(sent.id)

    async def test_option_is_chosen_by_its_label(
        self, server: SimulatedDiscord, bot: RecordingBot
    ) -> None:
        sent = await bot.write(GENERAL_CHANNEL, "choose", view=Choice())
        await server.act("Ada", str(sent.id), "model", "Small")
        answer = await server.wait_for_reply(contains="chose s", after=str(sent.id))
        assert (answer["visible_to"], answer["reply_to"]) == (ADA, str(sent.id))

    async def test_unknown_action_is_an_error(
        self, server: SimulatedDiscord, bot: RecordingBot
    ) -> None:
        sent = await bot.write(GENERAL_CHANNEL, "nothing to press")
        with pytest.raises(ValueError, match="offers no action"):
            await server.act("Ada", str(sent.id), "again")
