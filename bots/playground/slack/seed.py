"""The workspace that a simulation begins with: Acme, three people, three channels, a DM for each."""

from __future__ import annotations

from bots.playground.slack.state import Channel, Clock, Identity, Person, State

PEOPLE = (
    Person("U0ADA00001", "ada", "Ada"),
    Person("U0GRACE001", "grace", "Grace"),
    Person("U0LINUS001", "linus", "Linus"),
)

CHANNELS = (
    ("C0GENERAL1", "general", "Company-wide announcements and work-based matters"),
    ("C0RANDOM01", "random", "Everything else"),
    ("C0ENGINE01", "engineering", "How we build things"),
)


def seeded_state(clock: Clock, bot_name: str = "skein") -> State:
    """Make the workspace Acme, with the bot in every channel."""
    state = State(clock=clock, identity=Identity(bot_name=bot_name))
    bot = Person(state.identity.bot_user, bot_name, bot_name.capitalize(), is_bot=True)
    state.people = {person.id: person for person in (*PEOPLE, bot)}
    created = int(clock())
    everyone = tuple(state.people)
    for id_, name, topic in CHANNELS:
        state.channels[id_] = Channel(id_, name, "channel", everyone, topic, created)
    for person in PEOPLE:
        id_ = "D" + person.id[1:]
        state.channels[id_] = Channel(id_, person.name, "im", (person.id, bot.id), created=created)
    return state
