"""What a workspace lets the bot do, as seen: refusals are remembered for a while, not for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum

from core.conversation import ThreadKey

_MAX_REMEMBERED = 1_000
_EVERYWHERE = ""

# No channel of the workspace will do better: docs.slack.dev lists these beside the methods.
_WORKSPACE_WIDE = frozenset(
    (
        "access_denied",
        "feature_not_enabled",
        "http_403",
        "http_404",
        "http_405",
        "method_deprecated",
        "missing_scope",
        "no_permission",
        "no_ts",
        "not_allowed",
        "not_allowed_token_type",
        "unknown_method",
        "unreadable_answer",
    )
)
_CHANNEL_WIDE = frozenset(
    (
        "cant_update_message",
        "channel_type_not_supported",
        "edit_window_closed",
        "method_not_supported_for_channel_type",
        "not_in_channel",
    )
)


class Feature(StrEnum):
    """What not every workspace allows."""

    STREAM = "stream"
    STATUS = "status"
    FILE = "file"
    UPDATE = "update"


_Place = tuple[Feature, str, str]


class Support:
    """Remembers, for a bounded time and in bounded space, where a feature works and where not."""

    def __init__(
        self,
        remembered_for: timedelta = timedelta(hours=1),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._remembered_for = remembered_for.total_seconds()
        self._clock = clock
        self._refused_until: dict[_Place, float] = {}
        self._works: set[tuple[Feature, str]] = set()

    def may_work(self, feature: Feature, key: ThreadKey) -> bool:
        """Tell whether a feature is worth a try."""
        now = self._clock()
        places = ((feature, key.workspace, _EVERYWHERE), (feature, key.workspace, key.channel))
        return all(self._refused_until.get(place, 0.0) <= now for place in places)

    def is_known_to_work(self, feature: Feature, key: ThreadKey) -> bool:
        """Tell whether a feature worked in this workspace when last tried."""
        return (feature, key.workspace) in self._works

    def note_success(self, feature: Feature, key: ThreadKey) -> None:
        """Take note that a feature worked."""
        self._works.add((feature, key.workspace))

    def note_refusal(self, feature: Feature, key: ThreadKey, code: str) -> None:
        """Take note of Slack's word. One about a single message says nothing about the next."""
        if code in _WORKSPACE_WIDE:
            self._works.discard((feature, key.workspace))
            self._refuse((feature, key.workspace, _EVERYWHERE))
        elif code in _CHANNEL_WIDE:
            self._refuse((feature, key.workspace, key.channel))

    def _refuse(self, place: _Place) -> None:
        if len(self._refused_until) >= _MAX_REMEMBERED:
            self._refused_until.clear()
        self._refused_until[place] = self._clock() + self._remembered_for
