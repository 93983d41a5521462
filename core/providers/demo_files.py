"""What the demo model makes of files: it names them, since it can neither see nor read. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from core.conversation import Message

_TEXT = re.compile(r'\n*<file name="(?P<name>[^"\n]*)"[^>\n]*>\n(?P<text>.*?)\n</file>', re.DOTALL)
_MARK = re.compile(r"\n*\[(?:image|file):? [^\]\n]*\]")


def leave_out_files(messages: Sequence[Message]) -> list[Message]:
    """Give messages as people wrote them, a word for those that are only files."""
    return [
        replace(message, text=_MARK.sub("", _TEXT.sub("", message.text)).strip() or "(a file)")
        for message in messages
    ]


def name_files(message: Message) -> str:
    """Say in a sentence which files came with a message; empty where none did."""
    named = [f"`{image.name}`, a picture" for image in message.images]
    for found in _TEXT.finditer(message.text):
        count = len(found["text"].split())
        named.append(f"`{found['name']}`, {count} word{'s' if count != 1 else ''}")
    if not named:
        return ""
    return f"With it came {'; '.join(named)}: a real model looks at them, I can only count."
