"""The metrics as Prometheus reads them from `skein run`."""

from dataclasses import replace
from datetime import timedelta

import aiohttp
import pytest

from bots.playground.base import Fault
from core.providers.asking.breaker import BreakerPolicy
from tests.core.providers.scripted_server import Answer, Refuse
from tests.e2e.conftest import World
from tests.metrics import MetricsReader

MODEL = "openai/gpt-4o-mini"
PRICES = f"""
[models."{MODEL}"]
input_price_per_million = 1000
output_price_per_million = 1000
"""
DOWN = (Refuse(503, "Down."),) * BreakerPolicy().max_failures


async def test_turns_show_and_a_breaker_opens_and_closes_again(world: World):
    (world.folder / "skein.toml").write_text(PRICES)
    slack, discord = world.place("slack"), world.place("discord")
    async with world.skein(HTTP_PORT="0") as program, aiohttp.ClientSession() as client:
        line = await program.wait_for_line("http: listening on")
        metrics = MetricsReader(line.split()[-1], client)
        world.model.play(Answer("Hello there."))
        await slack.ask("a secret question")
        await slack.wait_for("Hello there.")
        await metrics.wait_for(1, "skein_turns_total", platform="slack", state="done")
        assert await metrics.get("skein_model_requests_total", model=MODEL, outcome="answered") == 1
        assert await metrics.get("skein_model_tokens_total", model=MODEL, kind="output") == 7
        assert await metrics.get("skein_model_cost_dollars_total", model=MODEL) == 0.018
        assert await metrics.get("skein_breaker_state", model=MODEL, state="closed") == 1
        assert await metrics.get("skein_connected", part="discord") == 1

        world.model.play(*DOWN, Answer("Back again."))
        await slack.ask("are you there?")
        await discord.ask("and here?")
        await program.wait_for_line("breaker open")
        assert await metrics.get("skein_breaker_opened_total", model=MODEL) == 1
        assert await metrics.get("skein_breaker_state", model=MODEL, state="open") == 1
        failures = await metrics.get(
            "skein_model_requests_total", model=MODEL, outcome="overloaded"
        )
        assert failures == len(DOWN)

        await program.wait_for_line("breaker closed")
        await metrics.wait_for(1, "skein_breaker_state", model=MODEL, state="closed")
        async with client.get(f"{line.split()[-1]}/metrics") as response:
            page = await response.text()
    for said in ("secret", "Hello", "Ada", "general"):
        assert said not in page


SLOW_DOWN = Fault("chat.stopStream", status=429, retry_after=timedelta(seconds=1))
FAILURE = Fault("POST /channels/*/messages", status=503)


@pytest.mark.parametrize(
    ("platform", "fault", "reason"),
    [("slack", SLOW_DOWN, "slow_down"), ("discord", FAILURE, "failure")],
)
async def test_calls_that_a_platform_does_not_take_are_counted(
    world: World, platform: str, fault: Fault, reason: str
):
    server = world.slack if platform == "slack" else world.discord
    server.faults.add(replace(fault))
    place = world.place(platform)
    async with world.skein(platform, HTTP_PORT="0") as program, aiohttp.ClientSession() as client:
        line = await program.wait_for_line("http: listening on")
        await place.ask("hello")
        await place.wait_for("Hello from the script.")
        metrics = MetricsReader(line.split()[-1], client)
        labels = {"platform": platform, "reason": reason}
        assert await metrics.get("skein_delivery_retries_total", **labels) == 1
