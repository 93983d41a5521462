"""`skein run` as an operator meets it: what it says, when it stops, and with which exit status."""

import asyncio
from pathlib import Path

import pytest

from core.store.postgres import open_postgres
from tests.core.providers.scripted_server import Answer
from tests.e2e.conftest import World
from tests.processes import SKEIN, clean_environment, run_program


async def run_to_end(folder: Path, **variables: str) -> tuple[int, str]:
    environment = clean_environment(**variables)
    async with run_program((*SKEIN, "run"), cwd=folder, environment=environment) as program:
        return await program.wait(), program.output


async def test_without_tokens_it_says_what_to_do(tmp_path: Path):
    status, output = await run_to_end(tmp_path)
    assert status == 2
    assert "SLACK_BOT_TOKEN" in output
    assert "DISCORD_BOT_TOKEN" in output
    assert "Traceback" not in output


async def test_half_of_slacks_tokens_is_named(tmp_path: Path):
    status, output = await run_to_end(tmp_path, SLACK_BOT_TOKEN="xoxb-something-secret")
    assert status == 2
    assert "SLACK_APP_TOKEN is not set" in output
    assert "something-secret" not in output


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"MODEL": "openai/gpt-4o"}, "OPENAI_API_KEY"),
        ({"MODEL": "claude-4-sonnet"}, "ANTHROPIC_API_KEY"),
        ({"MODEL": "gpt-4p", "OPENAI_API_KEY": "sk-x", "MODELS": "no such"}, "MODELS"),
        ({"DATABASE_URL": "mysql://here"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://skein@db:five/skein"}, "DATABASE_URL"),
        ({"DATABASE_URL": "sqlite:////nowhere/at/all/skein.db"}, "DATABASE_URL"),
        ({"RETENTION_DAYS": "soon"}, "RETENTION_DAYS"),
    ],
)
async def test_what_cannot_work_stops_with_2_and_one_line(
    tmp_path: Path, variables: dict[str, str], expected: str
):
    status, output = await run_to_end(
        tmp_path, DISCORD_BOT_TOKEN="x", DISCORD_API_URL="http://127.0.0.1:9/api/v10", **variables
    )
    assert status == 2
    [line] = [line for line in output.splitlines() if line.startswith("skein: ")]
    assert expected in line
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SLACK_BOT_TOKEN", "xoxb-wrong-secret"),
        ("SLACK_APP_TOKEN", "xapp-wrong-secret"),
        ("DISCORD_BOT_TOKEN", "wrong-secret-token"),
    ],
)
async def test_a_refused_token_stops_with_2_and_the_platforms_reason(
    world: World, variable: str, value: str
):
    environment = world.environment() | {variable: value}
    async with run_program((*SKEIN, "run"), cwd=world.folder, environment=environment) as program:
        assert await program.wait() == 2
    assert f"refuses {variable}: " in program.output
    assert value not in program.output
    assert "Traceback" not in program.output


async def test_it_says_which_platforms_run_and_why_another_is_off(world: World):
    async with world.skein("slack") as program:
        await program.wait_for_line("discord: off, because DISCORD_BOT_TOKEN is not set")


async def test_a_second_runner_on_the_same_file_is_refused(world: World):
    async with world.skein("slack"):
        environment = world.environment()
        async with run_program(
            (*SKEIN, "run"), cwd=world.folder, environment=environment
        ) as second:
            assert await second.wait() == 1
        assert "already uses" in second.output


async def test_it_answers_and_remembers_on_postgres(world: World, postgres_url: str):
    places = [world.place(platform) for platform in ("slack", "discord")]
    for question in ("hello", "hello again"):
        async with world.skein(DATABASE_URL=postgres_url) as program:
            for place in places:
                asked = await place.ask(question)
                await place.wait_for("Hello from the script.", after=asked)
            program.terminate()
            assert await program.wait() == 0
    async with open_postgres(postgres_url) as store:
        assert await store.load_unfinished() == []
        for platform in ("slack", "discord"):
            [conversation] = await store.load_recent(platform)
            assert (conversation.first_text, conversation.message_count) == ("hello", 4)


async def wait_until_done(url: str) -> None:
    async with open_postgres(url) as store, asyncio.timeout(20):
        while await store.load_unfinished():  # noqa: ASYNC110 -- another process does it
            await asyncio.sleep(0.02)


async def test_two_runners_share_a_postgres_database_and_the_second_takes_over_discords_gateway(
    world: World, postgres_url: str
):
    place = world.place("discord")
    async with (
        world.skein("discord", DATABASE_URL=postgres_url) as first,
        world.skein("discord", DATABASE_URL=postgres_url) as second,
    ):
        await first.wait_for_line("/shard/0: this process has it")
        assert "this process has it" not in second.output.replace("scheduler: this", "")
        asked = await place.ask("hello")
        await place.wait_for("Hello from the script.", after=asked)
        await wait_until_done(postgres_url)  # else the next question waits for the dead one's lease
        first.kill()
        await first.wait()
        asked = await place.ask("hello again")
        await second.wait_for_line("/shard/0: this process has it")
        await place.wait_for("Hello from the script.", after=asked)
        second.terminate()
        assert await second.wait() == 0
    assert len(place.replies()) == 2


async def test_sigterm_hands_the_gateway_and_turns_over(world: World, postgres_url: str):
    place = world.place("discord")
    gate = asyncio.Event()
    world.model.play(Answer("Hello ", gate, "there."), Answer("Hello there, after all."))
    settings = {"DATABASE_URL": postgres_url, "SHUTDOWN_SECONDS": "0.2"}
    async with world.skein("discord", **settings) as first:
        asked = await place.ask("hello")
        await place.wait_for_torso("Hello")
        async with world.skein("discord", **settings) as second:
            first.terminate()
            assert await first.wait() == 0
            await place.wait_for("Hello there, after all.", after=asked)
            await second.wait_for_line("/shard/0: this process has it")
            second.terminate()
            assert await second.wait() == 0
    assert len(place.replies()) == 1


async def test_both_platforms_run_in_one_process(world: World):
    async with world.skein():
        for platform in ("slack", "discord"):
            place = world.place(platform)
            await place.ask("hello")
            await place.wait_for("Hello from the script.")


async def test_a_platform_out_of_reach_does_not_keep_the_other_from_answering(world: World):
    async with world.skein(
        "slack", DISCORD_BOT_TOKEN="x", DISCORD_API_URL="http://127.0.0.1:9/api/v10"
    ):
        place = world.place("slack")
        await place.ask("hello")
        await place.wait_for("Hello from the script.")


async def test_json_logs_are_json(world: World):
    import json

    environment = world.environment(["slack"], LOG_FORMAT="json")
    async with run_program((*SKEIN, "run"), cwd=world.folder, environment=environment) as program:
        await program.wait_for_line("connected as")
        program.terminate()
        assert await program.wait() == 0
    for line in program.output.splitlines():
        assert {"at", "level", "logger", "message"} <= set(json.loads(line))
