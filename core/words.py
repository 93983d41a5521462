"""What a platform's people call things, and how they write a command: for texts that they read. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one platform.

    `sign` begins a command. `!` is read wherever the bot is spoken to; `/` needs a platform whose slash
    commands work everywhere.
    """

    sign: str = "!"
    workspace: str = "workspace"


_DEFAULT = Words()
_WORDS = {
    "discord": Words("/", "server"),
    "console": Words("/"),
}
# Slack refuses slash commands in threads, where most is said (github.com/slackapi/bolt-js/issues/1816).


def find_words(platform: str) -> Words:
    """Give a platform's words."""
    return _WORDS.get(platform, _DEFAULT)
