"""What a message means: who wrote it, where, to whom, in which words. Pure, on discord.py's own objects."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import discord
import pytest

from bots.discord.client import BotClient
from bots.discord.events import (
    Manner,
    is_from_person,
    parse_message,
    parse_open_channels,
    parse_place,
)
from core.conversation import Author, ThreadKey

GUILD, CHANNEL, THREAD, DM = 10, 20, 30, 40
BOT: Any = {"id": "50", "username": "skein", "discriminator": "0", "avatar": None, "bot": True}
ADA = {"id": "60", "username": "ada", "global_name": "Ada", "discriminator": "0", "avatar": None}
BOT_ROLE, TEAM_ROLE = 70, 80
MESSAGE = 1_574_000_000_000_000_000


def role(number: int, name: str, **more: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "name": name,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "position": 1,
        "permissions": "0",
        "managed": False,
        "mentionable": True,
        "flags": 0,
        **more,
    }


class World:
    """A guild as discord.py knows it, without any connection."""

    def __init__(self) -> None:
        self.client = BotClient()
        self.state: Any = self.client._connection  # pyright: ignore[reportPrivateUsage]
        self.bot = self.state.user = discord.ClientUser(state=self.state, data=BOT)
        self.guild = self.state._add_guild_from_data(
            {
                "id": str(GUILD),
                "name": "Acme",
                "roles": [
                    role(GUILD, "@everyone"),
                    role(BOT_ROLE, "skein", managed=True, tags={"bot_id": BOT["id"]}),
                    role(TEAM_ROLE, "team"),
                ],
                "channels": [
                    {"id": str(CHANNEL), "type": 0, "name": "General", "position": 0},
                ],
                "threads": [
                    {
                        "id": str(THREAD),
                        "parent_id": str(CHANNEL),
                        "owner_id": ADA["id"],
                        "type": 11,
                        "name": "plans",
                        "message_count": 1,
                        "member_count": 1,
                        "rate_limit_per_user": 0,
                        "thread_metadata": {
                            "archived": False,
                            "auto_archive_duration": 60,
                            "archive_timestamp": "2026-01-01T00:00:00+00:00",
                        },
                    }
                ],
                "members": [],
                "emojis": [],
                "stickers": [],
                "features": [],
            }
        )

    def message(
        self, content: str, channel: int = CHANNEL, mentions: tuple[Any, ...] = (), **more: Any
    ) -> discord.Message:
        payload: Any = {
            "id": str(MESSAGE),
            "channel_id": str(channel),
            "author": ADA,
            "content": content,
            "type": 0,
            "timestamp": "2026-01-02T03:04:05+00:00",
            "edited_timestamp": None,
            "mentions": list(mentions),
            "mention_roles": [],
            "mention_everyone": False,
            "attachments": [],
            "embeds": [],
            "pinned": False,
            "tts": False,
            **({} if channel == DM else {"guild_id": str(GUILD)}),
            **more,
        }
        place, _ = self.state._get_guild_channel(payload)
        return discord.Message(state=self.state, channel=place, data=payload)

    def hear(self, content: str, *args: Any, names: tuple[str, ...] = (), **more: Any):
        message = self.message(content, *args, **more)
        return parse_message(message, message.channel, self.bot, parse_open_channels(names))

    def read(self, content: str, **more: Any) -> str:
        return self.hear(content, **more).incoming.text


@pytest.fixture
async def world() -> World:
    return World()


async def test_a_message_is_put_into_the_cores_words(world: World) -> None:
    incoming = world.hear("hello").incoming
    assert incoming.key == ThreadKey("discord", str(GUILD), str(CHANNEL))
    assert incoming.message_id == str(MESSAGE)
    assert incoming.author == Author("60", "Ada")
    assert incoming.sent_at == discord.utils.snowflake_time(MESSAGE)
    assert incoming.sent_at > datetime(2020, 1, 1, tzinfo=UTC)


async def test_a_threads_key_has_its_channel(world: World) -> None:
    assert world.hear("hi", THREAD).incoming.key == ThreadKey(
        "discord", str(GUILD), str(CHANNEL), str(THREAD)
    )


async def test_a_direct_message_belongs_to_no_server(world: World) -> None:
    heard = world.hear("hi", DM)
    assert heard.incoming.key == ThreadKey("discord", "@me", str(DM))
    assert heard.manner is Manner.ADDRESSED


@pytest.mark.parametrize(
    ("fields", "manner"),
    [
        ({"content": "hi"}, Manner.ASIDE),
        ({"content": "hi", "channel": THREAD}, Manner.FOLLOW_UP),
        ({"content": "<@50> hi", "mentions": (BOT,)}, Manner.ADDRESSED),
        ({"content": "<@50> hi"}, Manner.ADDRESSED),
        ({"content": "so, <@!50>?"}, Manner.ADDRESSED),
        ({"content": "write `<@50>` or ```\n<@50>\n```"}, Manner.ASIDE),
        ({"content": "a reply", "mentions": (BOT,), "type": 19}, Manner.ADDRESSED),
        ({"content": "a reply without a ping", "type": 19}, Manner.ASIDE),
        ({"content": "<@&70> hi", "mention_roles": ["70"]}, Manner.ADDRESSED),
        ({"content": "<@&80> hi", "mention_roles": ["80"]}, Manner.ASIDE),
        ({"content": "@everyone", "mention_everyone": True}, Manner.ASIDE),
        ({"content": "hi", "names": ("#general",)}, Manner.OPEN),
        ({"content": "hi", "names": ("GENERAL",)}, Manner.OPEN),
        ({"content": "hi", "names": ("20",)}, Manner.OPEN),
        ({"content": "hi", "names": ("other", "2")}, Manner.ASIDE),
        ({"content": "hi", "channel": THREAD, "names": ("general",)}, Manner.OPEN),
        ({"content": "<@50> hi", "mentions": (BOT,), "names": ("20",)}, Manner.ADDRESSED),
    ],
)
async def test_how_a_message_is_meant(world: World, fields: dict[str, Any], manner: Manner) -> None:
    assert world.hear(**fields).manner is manner


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("<@50> hello", "hello"),
        ("<@!50>, hello", "hello"),
        ("<@&70>: hello <@50>", "hello"),
        ("hello <@50>", "hello"),
        ("ask <@50> about it", "ask @skein about it"),
        ("<@50>", ""),
        ("<@50> <@60> is here", "@Ada is here"),
        ("<@50> ask <@999>", "ask <@999>"),
        ("<@50> tell <@&80> in <#20>", "tell @team in #General"),
        ("<#30> <#999>", "#plans <#999>"),
        ("nice <:smile:123> <a:dance:456>", "nice :smile: :dance:"),
        ("try </model:123> or </a b:1>", "try /model or /a b"),
        ("<@50>\n```\n  code\n```", "```\n  code\n```"),
        ("1 < 2 and <b>", "1 < 2 and <b>"),
        ("<@50> !clear", "!clear"),
    ],
)
async def test_the_text_is_what_people_see(world: World, content: str, text: str) -> None:
    assert world.read(content, mentions=(BOT, ADA)) == text


@pytest.mark.parametrize(
    ("fields", "is_person"),
    [
        ({}, True),
        ({"type": 19}, True),
        ({"author": BOT}, False),
        ({"author": {**ADA, "bot": True}}, False),
        ({"author": {**ADA, "id": BOT["id"]}}, False),
        ({"webhook_id": "90"}, False),
        ({"type": 6}, False),
        ({"type": 7}, False),
        ({"type": 18}, False),
        ({"type": 21}, False),
    ],
)
async def test_only_people_are_heard(world: World, fields: dict[str, Any], is_person: bool) -> None:
    assert is_from_person(world.message("hi", **fields), world.bot) is is_person


FORWARDED = {
    "message": {
        "type": 0,
        "content": "profits rose",
        "attachments": [
            {"id": "7", "filename": "a.txt", "url": "https://x/a", "proxy_url": "", "size": 3}
        ],
        "embeds": [],
        "timestamp": "2026-01-02T03:04:05+00:00",
        "edited_timestamp": None,
        "flags": 0,
    }
}


async def test_what_a_message_forwards_is_read_along(world: World) -> None:
    reference = {"type": 1, "message_id": "6", "channel_id": str(CHANNEL)}
    incoming = world.hear(
        "", DM, message_reference=reference, message_snapshots=[FORWARDED]
    ).incoming
    assert incoming.text == "[forwarded]\nprofits rose"
    assert [each.name for each in incoming.attachments] == ["a.txt"]


async def test_a_sticker_is_named_beside_words_or_where_the_bot_is_addressed(world: World) -> None:
    stickers = [{"id": "8", "name": "Wave", "format_type": 1}]
    assert world.read("hi", sticker_items=stickers) == "hi\n\n[sticker Wave, not seen]"
    assert world.hear("", DM, sticker_items=stickers).incoming.text == "[sticker Wave, not seen]"
    assert world.read("", sticker_items=stickers) == ""


async def test_a_message_read_without_its_server_belongs_to_its_channels(world: World) -> None:
    place = world.client.get_partial_messageable(THREAD)
    payload: Any = {"id": str(MESSAGE), "type": 0, "content": "hi", "author": ADA, "mentions": []}
    message = discord.Message(state=world.state, channel=place, data=payload)
    heard = parse_message(message, world.guild.get_thread(THREAD), world.bot, ())
    assert heard.incoming.key == ThreadKey("discord", str(GUILD), str(CHANNEL), str(THREAD))
    assert heard.manner is Manner.FOLLOW_UP


async def test_a_place_that_is_known_by_its_id_alone_is_a_channel(world: World) -> None:
    place = parse_place(world.client.get_partial_messageable(99, guild_id=GUILD), GUILD)
    assert place.key == ThreadKey("discord", str(GUILD), "99")
    assert not place.is_direct


async def test_names_of_channels_are_read_with_and_without_their_mark() -> None:
    assert parse_open_channels(("#Ask-Skein", " help ", "123")) == {"ask-skein", "help", "123"}
