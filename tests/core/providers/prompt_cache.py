"""A simulation of Anthropic's prompt cache, to see what a request would be charged for.

After docs.claude.com, "Prompt caching": what stands up to a mark is written under the hash of all of it;
it is read by a later request with the same beginning, where one of its marks stands there or no more than
20 blocks further on. Four marks are allowed, and what is shorter than a minimum is not kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_MARKS = 4
LOOKBACK_BLOCKS = 20


@dataclass(frozen=True)
class Charge:
    """What a request took, in characters: read from the cache, written to it, and neither."""

    read: int
    written: int
    fresh: int

    @property
    def new(self) -> int:
        return self.written + self.fresh


class FakePromptCache:
    """Keeps what marked requests wrote, for ever."""

    def __init__(self, min_characters: int = 0) -> None:
        self._min_characters = min_characters
        self._entries: set[str] = set()

    def ask(self, payload: Mapping[str, Any]) -> Charge:
        """Take a request's payload. Raises ValueError where it has too many marks."""
        blocks, marks = _list_blocks(payload)
        if len(marks) > MAX_MARKS:
            raise ValueError(f"a maximum of {MAX_MARKS} blocks with cache_control may be provided")
        beginnings = ["".join(blocks[: end + 1]) for end in range(len(blocks))]
        read = max((self._find(beginnings, mark) for mark in marks), default=0)
        kept = [beginnings[mark] for mark in marks if len(beginnings[mark]) >= self._min_characters]
        self._entries.update(kept)
        written = max((len(beginning) for beginning in kept), default=0)
        return Charge(read, max(0, written - read), len(beginnings[-1]) - max(read, written))

    def _find(self, beginnings: list[str], mark: int) -> int:
        """Give how much of a request is read for a mark."""
        first = max(0, mark - LOOKBACK_BLOCKS)
        found = (len(each) for each in beginnings[first : mark + 1] if each in self._entries)
        return max(found, default=0)


def _list_blocks(payload: Mapping[str, Any]) -> tuple[list[str], list[int]]:
    """List a request's blocks in order, as text without marks, and the places of the marked ones."""
    found = [("system", block) for block in _list_content(payload.get("system", ()))]
    for message in payload["messages"]:
        found += [(message["role"], block) for block in _list_content(message["content"])]
    marks = [number for number, (_, block) in enumerate(found) if "cache_control" in block]
    plain = [(role, {**block, "cache_control": None}) for role, block in found]
    return [json.dumps(each) for each in plain], marks


def _list_content(content: str | Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """Give a content's blocks; a text that is worded another time as a block is not found again."""
    return [{"type": "lone text", "text": content}] if isinstance(content, str) else content
