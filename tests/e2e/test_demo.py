"""`skein demo` as a newcomer meets it: a page, both platforms answered, and memory across a restart."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.processes import SKEIN, Program, clean_environment, run_program

Json = dict[str, Any]
PATIENCE_SECONDS = 20


class Visitor:
    """Someone at the playground's page, without the browser."""

    def __init__(self, session: aiohttp.ClientSession, url: str, program: Program) -> None:
        self._session = session
        self.url = url
        self.program = program

    async def state(self) -> dict[str, Json]:
        """Read all that the page shows, by platform."""
        async with self._session.get(f"{self.url}/api/state") as response:
            return {each["platform"]: each for each in (await response.json())["platforms"]}

    async def wait_until_connected(self) -> None:
        """Wait until the page shows that the bot holds both its connections."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._events() as events:
            connected: set[str] = set()
            async for data in events:
                shown = data.get("platforms") or [data]
                connected |= {each["platform"] for each in shown if each.get("is_connected")}
                if len(connected) == 2:
                    return

    async def say(self, platform: str, text: str, thread: str = "") -> str:
        """Say something in #general as the first person."""
        shown = (await self.state())[platform]
        channel = next(each["id"] for each in shown["channels"] if each["name"] == "general")
        fields = {"person": shown["people"][0]["id"], "channel": channel, "text": text}
        fields |= {"thread": thread} if thread else {}
        url = f"{self.url}/api/{platform}/messages"
        async with self._session.post(url, json=fields) as response:
            assert response.status == 200, await response.text()
            return (await response.json())["id"]

    async def wait_for(self, platform: str, contains: str) -> Json:
        """Wait until the page shows a message of the bot with a text."""
        bot = (await self.state())[platform]["bot"]["id"]
        async with asyncio.timeout(PATIENCE_SECONDS), self._events() as events:
            async for data in events:
                shown = [each for each in data.get("platforms", ()) if each["platform"] == platform]
                messages = shown[0]["messages"] if shown else [data.get("message") or {}]
                for message in messages:
                    if message.get("author") == bot and contains in message["text"]:
                        return message
        raise AssertionError("the event stream ended")

    @asynccontextmanager
    async def _events(self) -> AsyncGenerator[AsyncIterator[Json]]:
        async with self._session.get(f"{self.url}/api/events") as response:
            lines = response.content
            yield (json.loads(line[6:]) async for line in lines if line.startswith(b"data: "))


@asynccontextmanager
async def demo(folder: Path, *arguments: str, **variables: str) -> AsyncGenerator[Visitor]:
    command = (*SKEIN, "demo", "--port", "0", *arguments)
    environment = clean_environment(**variables)
    async with run_program(command, cwd=folder, environment=environment) as program:
        line = await program.wait_for_line(r"http://127\.0\.0\.1:\d+")
        url = re.findall(r"http://127\.0\.0\.1:\d+", line)[0]
        await program.wait_for_line("answers")
        async with aiohttp.ClientSession(read_bufsize=2**22) as session:
            visitor = Visitor(session, url, program)
            await visitor.wait_until_connected()
            yield visitor


async def test_both_platforms_answer_and_remember_after_a_restart(tmp_path: Path):
    roots: dict[str, str] = {}
    async with demo(tmp_path) as visitor:
        for platform in ("slack", "discord"):
            roots[platform] = await visitor.say(platform, f"@skein I like {platform} and figs")
            await visitor.wait_for(platform, "figs")
        visitor.program.process.send_signal(signal.SIGINT)
        assert await visitor.program.wait() == 0
    async with demo(tmp_path) as visitor:
        await visitor.say("slack", "what did I say first?", thread=roots["slack"])
        await visitor.say("discord", "@skein what did I say first?")
        for platform in ("slack", "discord"):
            reply = await visitor.wait_for(platform, "Earlier in this thread you said")
            assert platform in (await visitor.wait_for(platform, "figs"))["text"]
            assert reply["thread"] == (roots["slack"] if platform == "slack" else "")


async def test_it_heeds_no_setting_around_it(tmp_path: Path):
    """Nothing here may reach a real platform or model, or the installation's own database."""
    surroundings = {
        "SLACK_BOT_TOKEN": "xoxb-real-and-secret",
        "DISCORD_BOT_TOKEN": "real-and-secret",
        "OPENAI_API_KEY": "sk-real-and-secret",
        "OPENAI_BASE_URL": "http://127.0.0.1:9",
        "DATABASE_URL": "sqlite:///real.db",
        "MODEL": "openai/gpt-4o",
        "LOG_LEVEL": "nonsense",
    }
    async with demo(tmp_path, **surroundings) as visitor:
        await visitor.say("slack", "@skein hello")
        await visitor.wait_for("slack", "demo model")
        assert "real-and-secret" not in visitor.program.output
    assert not (tmp_path / "real.db").exists()


async def test_with_a_model_named_limits_around_it_hold(tmp_path: Path):
    limits = {"LIMIT_USER_MESSAGES_PER_DAY": "0"}
    async with demo(tmp_path, "--model", "demo/echo", **limits) as visitor:
        await visitor.say("slack", "@skein hello")
        await visitor.wait_for("slack", "Questions are not allowed here")


async def test_a_port_in_use_is_named_with_the_mend(tmp_path: Path):
    async with demo(tmp_path) as visitor:
        port = visitor.url.rpartition(":")[2]
        command = (*SKEIN, "demo", "--port", port, "--data", "elsewhere")
        async with run_program(command, cwd=tmp_path) as second:
            assert await second.wait() == 1
        assert f"port {port}" in second.output
        assert "--port" in second.output
        assert "Traceback" not in second.output
