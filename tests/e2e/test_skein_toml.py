"""What `skein.toml` says of people's limits and of prompts counts, and again when it changes."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal

from tests.core.providers.scripted_server import Answer
from tests.e2e.conftest import World
from tests.processes import SKEIN, run_program

LIMITED = """
[limits.user]
messages_per_day = 1

[prompts.channel]
{channel} = "Speak as a pirate."
"""


async def test_limits_and_prompts_hold_from_the_file_and_change_with_it(world: World):
    slack, channel = world.slack, world.slack.channel("general")
    path = world.folder / "skein.toml"
    await asyncio.to_thread(path.write_text, LIMITED.format(channel=channel))
    async with world.skein("slack") as program:
        first = await slack.say("Ada", channel, "@skein one")
        await slack.wait_for_reply(channel, first)
        second = await slack.say("Ada", channel, "@skein two")
        refusal = await slack.wait_for_reply(channel, second)
        assert "1 message" in refusal["text"]
        await asyncio.to_thread(path.write_text, "[limits.user]\nmessages_per_day = 2\n")
        await program.wait_for_line("skein.toml: read again")
        third = await slack.say("Ada", channel, "@skein three")
        await slack.wait_for_reply(channel, third)
    systems = [request.payload["messages"][0]["content"] for request in world.model.requests]
    assert ["pirate" in text for text in systems] == [True, False]


async def test_a_wrong_limit_stops_the_start_and_names_its_line(world: World):
    path = world.folder / "skein.toml"
    await asyncio.to_thread(path.write_text, "[limits.user]\n\nmessages_per_day = -1\n")
    environment = world.environment(("slack",))
    async with run_program((*SKEIN, "run"), cwd=world.folder, environment=environment) as program:
        assert await program.wait() == 2
    assert "line 3: limits.user.messages_per_day" in program.output


PRICED = """
[models.gpt-4o-mini]
input_price_per_million = 100_000
output_price_per_million = 0

[limits.user]
cost_per_day = 1
"""


async def test_a_price_from_the_file_counts_in_limits_and_for_the_operator(world: World):
    slack, channel = world.slack, world.slack.channel("general")
    path = world.folder / "skein.toml"
    await asyncio.to_thread(path.write_text, PRICED)
    world.model.default = Answer("Here you are.", usage=(11, 7))
    async with world.skein("slack"):
        first = await slack.say("Ada", channel, "@skein one")
        await slack.wait_for_reply(channel, first)
        second = await slack.say("Ada", channel, "@skein two")
        refusal = await slack.wait_for_reply(channel, second)
        assert "You have used your $1" in refusal["text"]
        arguments = (*SKEIN, "usage", "--format", "json", "--by", "model")
        environment = world.environment(("slack",))
        async with run_program(arguments, cwd=world.folder, environment=environment) as program:
            assert await program.wait() == 0
            told = json.loads(program.output)
    assert sum(Decimal(line["cost_usd"]) for line in told["lines"]) == Decimal("1.1")


async def test_a_mistake_made_while_it_runs_is_told_once_and_stops_nothing(world: World):
    slack, channel = world.slack, world.slack.channel("general")
    path = world.folder / "skein.toml"
    async with world.skein("slack") as program:
        wrong = "[models.gpt-4o-mini]\n\nfallback = ['nobody/x', 'claud']\n"
        await asyncio.to_thread(path.write_text, wrong)
        await program.wait_for_line(
            "skein.toml: line 3: models.gpt-4o-mini.fallback.0: 'nobody/x' is no model"
        )
        question = await slack.say("Ada", channel, "@skein one")
        await slack.wait_for_reply(channel, question)
        await asyncio.to_thread(path.write_text, "")
        await program.wait_for_line("skein.toml: read again")
    assert program.output.count("The settings from before stay.") == 1
