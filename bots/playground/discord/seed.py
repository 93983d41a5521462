"""The guild that a new simulation opens with, under ids that never change."""

from __future__ import annotations

from bots.playground.discord.state import Channel, ChannelType, Person, State

GUILD_ID = "1191168811600000000"
GENERAL_CHANNEL = "1191168811600000010"
RANDOM_CHANNEL = "1191168811600000011"
ASK_SKEIN_CHANNEL = "1191168811600000012"
"""The channel that a bot may be set to answer in without being mentioned."""
ADA = "1191168811600000101"
GRACE = "1191168811600000102"
LINUS = "1191168811600000103"
BOT_ID = "1191168811600000200"
"""The bot's user id, and its application's, which Discord keeps the same."""
BOT_ROLE = "1191168811600000201"

BOT_TOKEN = "MTE5MTE2ODgxMTYwMDAwMDIwMA.playground.simulated-discord-bot-token"  # noqa: S105 -- opens nothing


def seed(bot_name: str = "skein") -> State:
    """Make the guild "Acme" with its people, its channels, and a DM of each person with the bot."""
    people = [Person(ADA, "Ada"), Person(GRACE, "Grace"), Person(LINUS, "Linus")]
    channels = [
        Channel(
            GENERAL_CHANNEL, "general", ChannelType.TEXT, topic="Everything that matters to all"
        ),
        Channel(RANDOM_CHANNEL, "random", ChannelType.TEXT, topic="Everything else"),
        Channel(
            ASK_SKEIN_CHANNEL, f"ask-{bot_name}", ChannelType.TEXT, topic=f"Talk to @{bot_name}"
        ),
    ]
    channels += [
        Channel(
            f"11911688116000003{person.id[-2:]}", person.name, ChannelType.DM, recipient=person.id
        )
        for person in people
    ]
    return State(
        guild_id=GUILD_ID,
        guild_name="Acme",
        bot=Person(BOT_ID, bot_name, is_bot=True),
        people={person.id: person for person in people},
        channels={channel.id: channel for channel in channels},
    )
