# ruff: noqa: ASYNC240 -- a test may wait for its own small file

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bots.playground.keep import keep_simulations
from tests.bots.playground.fake_simulation import FakeSimulation

SOON = timedelta(milliseconds=10)
NEVER = timedelta(hours=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deeper" / "platforms.json"


def texts(simulation: FakeSimulation) -> list[str]:
    return [message["text"] for message in simulation.messages.values()]


async def wait_for_text(path: Path, text: str) -> None:
    """Wait until a file has a text in it: nothing tells when the keeper has written."""
    async with asyncio.timeout(10):
        while not path.exists() or text not in path.read_text():  # noqa: ASYNC110 -- the file is all there is to see
            await asyncio.sleep(0.01)


async def test_what_was_said_outlives_a_restart(path: Path) -> None:
    slack, discord = FakeSimulation("slack"), FakeSimulation("discord")
    async with keep_simulations((slack, discord), path, NEVER):
        slack.post("C1", "in Slack")
        discord.post("C1", "in Discord 🧶")
    slack, discord = FakeSimulation("slack"), FakeSimulation("discord")
    async with keep_simulations((slack, discord), path, NEVER):
        assert (texts(slack), texts(discord)) == (["in Slack"], ["in Discord 🧶"])


async def test_changes_are_written_without_waiting_for_the_end(path: Path) -> None:
    slack = FakeSimulation("slack")
    async with keep_simulations((slack,), path, SOON):
        slack.post("C1", "first")
        await wait_for_text(path, "first")
        slack.post("C1", "second")
        await wait_for_text(path, "second")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b'{"format": 99}',
        b'{"format": 1}',
        b'{"format": 1, "simulations": []}',
    ],
)
async def test_damaged_file_is_set_aside(
    path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    slack = FakeSimulation("slack")
    async with keep_simulations((slack,), path, NEVER):
        assert not path.exists()
        (aside,) = path.parent.glob("platforms.json.damaged-*")
        assert aside.read_bytes() == content
        assert "is damaged" in caplog.text
    assert json.loads(path.read_bytes())["format"] == 1


async def test_one_damaged_platform_does_not_take_the_other_along(path: Path) -> None:
    slack, discord = FakeSimulation("slack"), FakeSimulation("discord")
    async with keep_simulations((slack, discord), path, NEVER):
        discord.post("C1", "kept")
    kept: dict[str, Any] = json.loads(path.read_bytes())
    kept["simulations"]["slack"] = {"messages": "none"}
    path.write_text(json.dumps(kept))
    discord = FakeSimulation("discord")
    async with keep_simulations((FakeSimulation("slack"), discord), path, NEVER):
        assert texts(discord) == ["kept"]
        assert len(list(path.parent.glob("*.damaged-*"))) == 1


async def test_disk_that_refuses_is_logged_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    slack = FakeSimulation("slack")
    async with keep_simulations((slack,), tmp_path / "file" / "platforms.json", NEVER):
        slack.post("C1", "lost")
    assert "could not keep" in caplog.text


async def test_nothing_but_the_file_is_left_behind(path: Path) -> None:
    slack = FakeSimulation("slack")
    async with keep_simulations((slack,), path, SOON):
        for number in range(20):
            slack.post("C1", f"message {number}")
            await asyncio.sleep(0.002)
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert len(json.loads(path.read_bytes())["simulations"]["slack"]["messages"]) == 20
