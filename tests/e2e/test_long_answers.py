"""Answers that are too long for a chat come as a file, and stay one reply."""

from __future__ import annotations

import pytest

from bots.playground.base import Fault, MessageView
from bots.playground.discord.permissions import ATTACH_FILES
from tests.core.providers.scripted_server import Answer
from tests.e2e.conftest import World

pytestmark = pytest.mark.parametrize("platform", ["slack", "discord"])

LINES = [f"print({number})" for number in range(400)]
CODE = "\n".join(LINES)
ANSWER = Answer("Here:\n\n```python\n", *(f"{line}\n" for line in LINES), "```\n\nThat is all.")
SETTINGS = {"ANSWER_FILE_CHARACTERS": "1500"}


def sent_files(world: World, platform: str, view: MessageView) -> list[tuple[str, str]]:
    simulation = world.slack if platform == "slack" else world.discord
    files = [simulation.read_file(file["id"]) for file in view["files"]]
    return [(file.name, file.content.decode()) for file in files]


def attaching(platform: str) -> str:
    return "chat.update" if platform == "slack" else "PATCH /channels/*/messages/*"


async def test_code_comes_as_a_file_below_its_beginning(world: World, platform: str):
    world.model.default = lambda _: ANSWER
    async with world.skein(platform, **SETTINGS):
        place = world.place(platform)
        await place.ask("write it")
        view = await place.wait_for_file()
        assert sent_files(world, platform, view) == [("main.py", f"{CODE}\n")]
        [reply] = place.replies()
        assert "That is all." in reply["text"]
        assert "print(399)" not in reply["text"]


async def test_file_whose_answer_was_lost_is_sent_once(world: World, platform: str):
    world.model.default = lambda _: ANSWER
    simulation = world.slack if platform == "slack" else world.discord
    async with world.skein(platform, **SETTINGS):
        place = world.place(platform)
        await place.ask("write it")
        await place.wait_for_torso("print(1)")
        fault = Fault(attaching(platform), drop=True, after=True, times=3)
        simulation.faults.add(fault)
        view = await place.wait_for_file()
        await place.wait_for("That is all.")
        assert len(view["files"]) == 1
        assert len(place.replies()) == 1


async def test_whole_answer_is_shown_where_no_file_can_be(world: World, platform: str):
    world.model.default = lambda _: ANSWER
    world.slack.state.denied_scopes.add("files:write")
    world.discord.deny("general", ATTACH_FILES)
    async with world.skein(platform, **SETTINGS):
        place = world.place(platform)
        await place.ask("write it")
        await place.wait_for("print(399)")
        said = "\n".join(view["text"] for view in place.replies())
        assert all(line in said for line in LINES)
        assert not any(view["files"] for view in place.replies())


async def test_reply_cut_off_by_a_kill_has_its_file_once(world: World, platform: str):
    world.model.default = lambda _: ANSWER
    place = world.place(platform)
    async with world.skein(platform, **SETTINGS) as program:
        await place.ask("write it")
        await place.wait_for_file()
        program.kill()
        await program.wait()
    async with world.skein(platform, **SETTINGS):
        await place.wait_for("That is all.")
        await place.ask("thanks")
        await place.wait_for("Here:", after=place.replies()[0]["id"])
        assert len(place.replies()[0]["files"]) == 1
