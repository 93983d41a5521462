"""Logging for people and for machines. A secret never gets through, wherever it stands in a record."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, TextIO

_TOKEN_SHAPES = re.compile(
    r"xox[a-z]-[\w-]{6,}|xapp-[\w-]{6,}|(?<=ticket=)[\w%-]{6,}|(?<=[Bb]ot )[\w-]{20,}\.[\w-]{4,}\.[\w-]{20,}"
)
_HIDDEN = "[hidden]"
_SHORTEST_SECRET = 6


class Redactor:
    """Takes known secrets, and whatever has a token's shape, out of a text."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets: set[str] = set()
        self._known: re.Pattern[str] | None = None
        self.add(secrets)

    def add(self, secrets: Sequence[str]) -> None:
        """Take these out as well from now on."""
        self._secrets.update(secret for secret in secrets if len(secret) >= _SHORTEST_SECRET)
        known = sorted(self._secrets, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """Give the text without them."""
        if self._known:
            text = self._known.sub(_HIDDEN, text)
        return _TOKEN_SHAPES.sub(_HIDDEN, text)


class TextFormatter(logging.Formatter):
    """One line a record: time, level, where, what. A traceback follows."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S%z")
        self.redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Format, with the secrets out of message and traceback alike."""
        return self.redact(super().format(record))


class JsonFormatter(logging.Formatter):
    """One JSON object a record: at, level, logger, message, and traceback where there is one."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self.redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Format, with the secrets out of every value."""
        entry = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self.redact(record.getMessage()),
        }
        if record.exc_info:
            entry["traceback"] = self.redact(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False)


def hide_from_logs(secret: str) -> None:
    """Keep a secret that was learned after the start out of the log."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, TextFormatter | JsonFormatter):
            handler.formatter.redact.add([secret])


def configure_logs(
    level: str,
    form: Literal["text", "json"],
    secrets: Sequence[str],
    stream: TextIO | None = None,
) -> None:
    """Send all logs to a stream (standard error, if none is named), replacing earlier handlers."""
    redact = Redactor(secrets)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(redact) if form == "json" else TextFormatter(redact))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("skein").setLevel(level.upper())
    # It tells with a traceback each second that the database is away, which the store says in one line.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)
    if level == "debug":
        for name in ("slack_bolt", "discord", "apscheduler"):
            logging.getLogger(name).setLevel(logging.INFO)
