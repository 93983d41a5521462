"""Eyes on a message that waits, where the bot may react and where it may not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bots.discord.client import BotClient, log_in
from bots.discord.refusing import Refusing
from bots.discord.sign import DiscordSign
from bots.playground.base import Fault
from bots.playground.discord import GENERAL_CHANNEL, SimulatedDiscord
from core.errors import DeliveryError
from tests.bots.discord.kit import key

KEY = key(GENERAL_CHANNEL)
REACT = f"PUT /channels/{GENERAL_CHANNEL}/messages/*"


@pytest.fixture
async def client(server: SimulatedDiscord) -> AsyncIterator[BotClient]:
    client = await log_in(server.bot_token, server.api_url)
    yield client
    await client.close()


def count_reactions(server: SimulatedDiscord) -> int:
    return sum("/reactions/" in call.path for call in server.calls)


async def test_a_place_where_the_bot_may_not_react_is_left_alone_for_a_while(
    client: BotClient, server: SimulatedDiscord
) -> None:
    now = 0.0
    sign = DiscordSign(lambda: client, Refusing(timedelta(minutes=10), lambda: now))
    said = await server.say("Ada", GENERAL_CHANNEL, "hello")
    server.faults.add(Fault(f"{REACT}/reactions/*", status=403, error="50013"))
    with pytest.raises(DeliveryError):
        await sign.show(KEY, said)
    await sign.show(KEY, said)
    assert count_reactions(server) == 1
    now = 601.0
    await sign.show(KEY, said)
    assert count_reactions(server) == 2
