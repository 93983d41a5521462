"""What a process that died left of a reply on Discord, and nobody recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bots.discord.client import BotClient, log_in
from bots.discord.sink import DiscordOutlet
from bots.playground.discord import GENERAL_CHANNEL, SimulatedDiscord
from core.conversation import ReplyMessage
from tests.bots.discord.kit import key

KEY = key(GENERAL_CHANNEL)


@pytest.fixture
async def client(server: SimulatedDiscord) -> AsyncIterator[BotClient]:
    client = await log_in(server.bot_token, server.api_url)
    yield client
    await client.close()


@pytest.fixture
async def question(server: SimulatedDiscord) -> str:
    return await server.say("Ada", GENERAL_CHANNEL, "@skein hello")


async def find_strays(client: BotClient, question: str, *known: ReplyMessage) -> list[str]:
    """Look as the next attempt at the reply does."""

    async def load_known() -> frozenset[str]:
        return frozenset(reply.message_id for reply in known)

    outlet = DiscordOutlet(client, KEY, question, is_resumed=True, load_known=load_known)
    return list(await outlet.find_strays())


async def answer_command(client: BotClient, server: SimulatedDiscord, *parts: str) -> None:
    """Answer what somebody else asks for meanwhile."""
    command = await server.say("Grace", GENERAL_CHANNEL, "@skein !history")
    outlet = DiscordOutlet(client, KEY, command)
    for number, part in enumerate(parts):
        await outlet.post(number, part)


async def leave(client: BotClient, server: SimulatedDiscord, question: str, part: int) -> str:
    """Post a part, and die before it is recorded; Discord tells no nonce by the time."""
    left = await DiscordOutlet(client, KEY, question).post(part, "a part")
    for message in server.world.state.in_channel(GENERAL_CHANNEL).values():
        message.nonce = ""
    return left.message_id


async def test_a_further_part_that_nobody_recorded_is_found(
    client: BotClient, server: SimulatedDiscord, question: str
):
    first = await DiscordOutlet(client, KEY, question).post(0, "the first part")
    left = await leave(client, server, question, 1)
    assert await find_strays(client, question, first) == [left]


async def test_a_further_part_is_found_behind_the_answer_to_a_command(
    client: BotClient, server: SimulatedDiscord, question: str
):
    first = await DiscordOutlet(client, KEY, question).post(0, "the first part")
    await answer_command(client, server, "Forgotten.")
    left = await leave(client, server, question, 1)
    assert await find_strays(client, question, first) == [left]


async def test_what_may_go_on_from_the_answer_to_a_command_is_left_alone(
    client: BotClient, server: SimulatedDiscord, question: str
):
    first = await DiscordOutlet(client, KEY, question).post(0, "the first part")
    await answer_command(client, server, "A long history. " * 120, "And its end.")
    await leave(client, server, question, 1)
    assert await find_strays(client, question, first) == []
