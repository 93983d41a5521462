"""Forwarded messages: the other message stands among the attachments of the one that is sent.

Undocumented by Slack. The fields are those that others saw in events: `is_share` marks a forward, which has
`is_msg_unfurl` as well; files of the other message are in the attachment, not in the event.
"""

from __future__ import annotations

from collections.abc import Iterator

from bots.playground.slack.files import file_json
from bots.playground.slack.state import Json, Message, State


def take_message(state: State, message: Message) -> Json:
    """Copy what a forward shows of a message. Its files are named by their ids."""
    author, place = state.people[message.user], state.channels[message.channel]
    url = f"{state.origin}/archives/{place.id}/p{message.ts.replace('.', '')}"
    where = "a direct message" if place.kind == "im" else f"#{place.name}"
    return {
        "id": 1,
        "ts": message.ts,
        "channel_id": place.id,
        "channel_team": state.identity.team,
        "is_msg_unfurl": True,
        "is_share": True,
        "from_url": url,
        "original_url": url,
        "author_id": author.id,
        "author_name": author.real_name,
        "author_subname": author.real_name,
        "fallback": f"{author.real_name}: {message.text}",
        "text": message.text,
        "mrkdwn_in": ["text"],
        "footer": f"Posted in {where}",
        "files": list(message.files),
    }


def attachments_json(state: State, message: Message) -> list[Json]:
    """Give the attachments of a message as events and the Web API carry them."""
    return [
        {**told, "files": [file_json(state, state.files[id_]) for id_ in _known(state, told)]}
        for told in message.forwarded
    ]


def files_of(state: State, message: Message) -> tuple[str, ...]:
    """List the files of a message, and of those that it forwards."""
    carried = (id_ for told in message.forwarded for id_ in _known(state, told))
    return (*message.files, *carried)


def quote(message: Message) -> str:
    """Word what a message forwards, in mrkdwn; nothing for none."""
    return "\n".join(
        "\n".join((f"_Forwarded from {told['author_name']}_", *_quoted(told["text"])))
        for told in message.forwarded
    )


def _quoted(text: str) -> Iterator[str]:
    return (f"&gt; {line}" for line in text.splitlines())


def _known(state: State, told: Json) -> list[str]:
    return [id_ for id_ in told["files"] if id_ in state.files]
