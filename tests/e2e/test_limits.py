"""People's limits and the wait for a provider's, the whole way on both platforms."""

from __future__ import annotations

import json

import pytest

from tests.core.providers.scripted_server import Answer, Refuse
from tests.e2e.conftest import World
from tests.processes import SKEIN, run_program

pytestmark = pytest.mark.parametrize("platform", ["slack", "discord"])


async def test_question_over_the_limit_is_refused_with_a_word_and_shown_to_the_operator(
    world: World, platform: str
) -> None:
    world.model.default = lambda _: Answer("Here ", "you are.")
    async with world.skein(platform, LIMIT_USER_MESSAGES_PER_DAY="1") as _:
        place = world.place(platform)
        await place.ask("first")
        await place.wait_for("Here you are.")
        await place.ask("second")
        await place.wait_for("You have used your 1 message for today. You can go on at 00:00 UTC")
        await place.ask("!usage")
        await place.wait_for("You may use 1 message a day: 0 messages left")
        arguments = (*SKEIN, "usage", "--format", "json", "--by", "user")
        environment = world.environment((platform,))
        async with run_program(arguments, cwd=world.folder, environment=environment) as program:
            assert await program.wait() == 0
            told = json.loads(program.output)
    [line] = told["lines"]
    assert (line["user_name"], line["questions"], line["refused"]) == ("Ada", 1, 1)
    assert (line["cost_usd"], line["unknown_costs"]) == (None, 1)
    assert len(world.model.requests) == 1


async def test_who_waits_for_the_provider_is_told_and_the_notice_becomes_the_answer(
    world: World, platform: str
) -> None:
    world.model.play(Refuse(429, headers={"retry-after": "3"}))
    world.model.default = lambda payload: Answer(f"Answer to {payload['messages'][-1]['content']}")
    first, second = world.place(platform), world.place(platform, "random")
    async with world.skein(platform, QUEUE_NOTICE_SECONDS="0.2"):
        await first.ask("one")
        await world.model.wait_for_requests(1)
        await second.ask("two")
        await second.wait_for_torso("Queued, you are next.")
        await second.wait_for("Answer to two")
        await first.wait_for("Answer to one")
        assert len(second.replies()) == 1
