"""Files in Discord: fetched from its own hosts, and asked for again once their address expired."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bots.discord.client import log_in
from bots.discord.files import DiscordFiles, find_hosts
from bots.playground.base import SentFile
from bots.playground.discord import GENERAL_CHANNEL, SimulatedDiscord, serve_discord
from bots.playground.discord.files import attachment_object
from core.conversation import ThreadKey
from core.errors import FileError
from core.files.download import open_downloader
from core.files.values import Attachment, FileLimits
from core.intake import Intake
from core.store.base import WantedFile
from core.store.sqlite import open_sqlite
from tests.core.store.values import ask, start

NOTES = SentFile("notes.txt", "text/plain", b"swordfish")


class Clock:
    """The server's clock, which a test sets ahead."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead


def tell(server: SimulatedDiscord, message: str) -> Attachment:
    """Give what the bot is told of a message's file now."""
    post = server.world.state.find_post(message)
    assert post
    told = attachment_object(server.world.state, post.attachments[0])
    return Attachment(told["id"], told["filename"], told["url"], told["content_type"], told["size"])


async def test_expired_address_is_renewed(tmp_path: Path) -> None:
    clock = Clock()
    server = SimulatedDiscord(rate_limits=0, now=clock.now)
    async with (
        serve_discord(server),
        open_sqlite(f"sqlite:///{tmp_path}/skein.db") as store,
        open_downloader(FileLimits()) as downloader,
    ):
        client = await log_in(server.bot_token, server.api_url)
        try:
            message = await server.say("Ada", GENERAL_CHANNEL, "look", files=[NOTES])
            told = tell(server, message)
            clock.ahead = timedelta(days=2).total_seconds()
            key = ThreadKey("discord", "G", GENERAL_CHANNEL)
            incoming = ask(1, key=key, message_id=message)
            turn = await start(store, replace(incoming, attachments=(told,)))
            intake = Intake(store, downloader)
            intake.attach("discord", DiscordFiles(lambda: client, server.api_url))
            await intake.take(turn)
            [said] = (await store.load(key)).messages
            sha256 = said.attachments[0].sha256
            assert sha256
            file = await store.find_file(sha256)
            assert file
            assert file.text == "swordfish"
        finally:
            await client.close()


async def test_file_of_a_deleted_message_is_told() -> None:
    async with serve_discord(SimulatedDiscord(rate_limits=0)) as server:
        client = await log_in(server.bot_token, server.api_url)
        try:
            files = DiscordFiles(lambda: client, server.api_url)
            message = await server.say("Ada", GENERAL_CHANNEL, "look", files=[NOTES])
            key = ThreadKey("discord", "G", GENERAL_CHANNEL)
            wanted = WantedFile(1, 0, key, message, tell(server, message))
            assert (await files.renew(wanted)).id == wanted.attachment.id
            await server.delete(message)
            with pytest.raises(FileError, match="its message was deleted"):
                await files.renew(wanted)
        finally:
            await client.close()


def test_hosts_follow_from_the_api() -> None:
    assert find_hosts("https://discord.com/api/v10") == (
        "https://cdn.discordapp.com",
        "https://media.discordapp.net",
    )
    assert find_hosts("https://canary.discord.com/api/v10") == find_hosts(
        "https://discord.com/api/v10"
    )
    assert find_hosts("http://127.0.0.1:8080/api/v10") == ("http://127.0.0.1:8080",)
    assert find_hosts("https://evildiscord.com/api") == ("https://evildiscord.com",)


def test_other_hosts_are_not_asked() -> None:
    files = DiscordFiles(lambda: None, "https://discord.com/api/v10")  # pyright: ignore[reportArgumentType]
    for url in ("https://evil.test/a", "http://cdn.discordapp.com/a", "http://169.254.169.254/"):
        with pytest.raises(FileError, match="outside of Discord"):
            files.locate(Attachment("1", "a", url))
