"""The Web API's methods by name, one family a file. Each is a plain function of workspace and arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bots.playground.slack.arguments import Arguments
from bots.playground.slack.methods import (
    assistant,
    chat,
    conversations,
    files,
    people,
    streams,
)
from bots.playground.slack.state import Json
from bots.playground.slack.workspace import Workspace

Method = Callable[[Workspace, Arguments], Json]
"""Does what was asked and gives the answer's fields beside `ok`. Raises RefusedError."""

METHODS: Mapping[str, Method] = {
    **assistant.METHODS,
    **chat.METHODS,
    **conversations.METHODS,
    **files.METHODS,
    **people.METHODS,
    **streams.METHODS,
}
