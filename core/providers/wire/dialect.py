"""How a model wants to be asked, learned from what its server refuses and from its answers. Pure.

What servers say of a parameter that they do not know, or not with this model:

    OpenAI, Azure    Unsupported parameter: 'max_tokens' ...; Unrecognized request argument supplied: ...
    Anthropic        `temperature` is deprecated for this model; ...: Extra inputs are not permitted
    Groq             property 'x' is unsupported; `reasoning_effort` must be one of `none` or `default`
    xAI              Model grok-4 does not support parameter reasoningEffort
    Gemini           Invalid JSON payload received. Unknown name "x": Cannot find field
    Mistral, vLLM    "loc": ["body", "x"], "msg": "Extra inputs are not permitted"
    Moonshot         invalid temperature: only 1 is allowed for this model

What servers say that take no lists of blocks, where texts are such for the sake of Anthropic's cache:

    FastAPI          "loc": ["body", "messages", 0, "content"], "msg": "Input should be a valid string"
    Go               json: cannot unmarshal array into Go struct field Message.content of type string
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

from core.providers.wire.refusal import Refusal, find_numbers, is_context_overflow, parse_overflow

Effort = Literal["minimal", "low", "medium", "high"]
Payload = Mapping[str, Any]

MAX_LESSONS = 8
"""How often one question is worded anew at the most."""
_LEAST_ROOM = 256
"""An answer in less room would be a torso: the conversation has to shrink."""
_MAX_MODELS = 500
_REQUIRED = frozenset(("model", "messages", "system"))
_LIMITS = ("max_tokens", "max_completion_tokens")
_INNER = ("cache_control",)
"""Parameters that stand further in."""
_OTHER_NAMES = {"output_config": ("effort",)}
_REFUSED = re.compile(
    r"unsupported|not support|unrecognized|not recognized|unknown|unexpected|extra|not permitted"
    r"|not allowed|deprecated|only the default|use 'max_|must be one of|not one of|supported values"
    r"|only \S+ is allowed|forbidden|not available"
)
_NO_STREAM = re.compile(
    r"\bstream(?:ing)?\W+(?:\w+\W+){0,2}(?:not support|not available|not allowed|unsupported)"
    r"|(?:not support|unsupported)\W+(?:\w+\W+){0,2}stream(?:ing)?\b"
)
_TOO_LARGE = re.compile(
    r"too large|at most|less than or equal|must be <=|exceeds the maximum|maximum allowed"
    r"|(?:valid|supported) range|range of|(?:must|should) be between"
)
_LENGTH = re.compile(r"max_(?:completion_|output_|new_)?tokens")
_PROMPT_SHARE = re.compile(
    r"(\d+) (?:(?:in|of|from) (?:the|your) (?:messages|prompt|text input|input)|input tokens|`inputs`)"
)
_SUM = re.compile(r"(\d+) \+ \d+ > \d+")
_QUOTA = re.compile(r"limit:? (\d+),(?: used:? \d+,)? requested:? (\d+)")
"""Groq and OpenAI: what a minute allows, of which a request reserves its question and its longest answer."""
_AFFORDED = re.compile(r"can only afford (\d+)")
"""OpenRouter: what the account is good for."""
_NO_BLOCKS = re.compile(r"(?:must be|valid|expected|expects|not|of type) (?:an? )?str(?:ing)?\b")
_NO_SYSTEM = re.compile(
    r"system role (?:is )?not supported|role' does not support 'system'|roles must alternate"
    r"|only user and assistant roles"
)


@dataclass(frozen=True, slots=True)
class Thinking:
    """How much models may think before they speak, where they think at all."""

    max_tokens: int = 8_192
    """Room beyond the answer's own length, for models that were seen to think."""
    effort: Effort | None = None
    """None leaves it to the provider."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How to ask a model, as far as it is known.

    `limits` are names for the answer's length that are still worth a try, the one in use first.
    """

    limits: tuple[str, ...] = ("max_tokens",)
    needs_limit: bool = False
    """Whether no request may go without one."""
    left_out: frozenset[str] = frozenset()
    """The parameters that it refused."""
    max_tokens: int | None = None
    """The longest answer that it gives, as its server said."""
    has_system_role: bool = True
    """Whether a system prompt may stand on its own, and not only in the first question."""
    is_thinker: bool = False
    """Whether it was seen to think before it speaks, for which it needs room."""
    begins_in_thought: bool | None = None
    """Whether its answers begin in the midst of a thought; None where only its name can tell."""

    def takes(self, parameter: str) -> bool:
        """Whether it has not refused a parameter."""
        return parameter not in self.left_out

    def find_room(self, answer_tokens: int, thinking: Thinking) -> int:
        """Give the tokens of the longest answer, thoughts and all."""
        tokens = answer_tokens + (thinking.max_tokens if self.is_thinker else 0)
        return min(tokens, self.max_tokens or tokens)

    def find_limit(self, answer_tokens: int, thinking: Thinking) -> dict[str, int]:
        """Give the parameter for the longest answer; none where the model takes none."""
        room = self.find_room(answer_tokens, thinking)
        return dict.fromkeys(self.limits[:1], room)


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a refusal taught: how to ask instead, for good or for this one question."""

    dialect: Dialect
    is_lasting: bool = True


def learn(dialect: Dialect, refusal: Refusal, payload: Payload) -> Lesson | None:
    """Say how to ask instead, or None where the refusal is no matter of parameters."""
    limit = next((name for name in dialect.limits[:1] if name in payload), None)
    if limit and refusal.status in (402, 413, 429):
        return _fit_quota(dialect, refusal, int(payload[limit]))
    if refusal.status not in (400, 422):
        return None
    if limit and (lesson := _learn_limit(dialect, limit, refusal, int(payload[limit]))):
        return lesson
    if dialect.has_system_role and _NO_SYSTEM.search(refusal.text) and _has_system(payload):
        return Lesson(replace(dialect, has_system_role=False))
    if dialect.takes("cache_control") and _NO_BLOCKS.search(refusal.text) and _has_marks(payload):
        return Lesson(replace(dialect, left_out=dialect.left_out | {"cache_control"}))
    names = {*payload, *_INNER} - _REQUIRED - dialect.left_out - {*_LIMITS}
    refused = {name for name in names if _is_refused(name, refusal)}
    if "stream" in refused:
        refused.add("stream_options")
    return Lesson(replace(dialect, left_out=dialect.left_out | refused)) if refused else None


def _learn_limit(dialect: Dialect, name: str, refusal: Refusal, sent: int) -> Lesson | None:
    """Learn from a refusal of the answer's length: of its name, or of so many tokens."""
    if is_context_overflow(refusal):
        return _fit_room(dialect, refusal, sent)
    text = _to_snake(refusal.message).lower()
    if _LENGTH.search(text) and _TOO_LARGE.search(text):
        longest = _find_longest(refusal.message, sent)
        if longest or not dialect.needs_limit:
            limits = dialect.limits if longest else ()
            return Lesson(replace(dialect, limits=limits, max_tokens=longest))
    if _is_refused(name, refusal) and (len(dialect.limits) > 1 or not dialect.needs_limit):
        return Lesson(replace(dialect, limits=dialect.limits[1:]))
    return None


def _fit_room(dialect: Dialect, refusal: Refusal, sent: int) -> Lesson | None:
    """Ask for a shorter answer this once, where the conversation alone would fit."""
    message = re.sub(r"(?<=\d),(?=\d{3})", "", refusal.message)
    share = _PROMPT_SHARE.search(message) or _SUM.search(message)
    _, window = parse_overflow(message)
    room = window - int(share[1]) if share and window else 0
    if not _LEAST_ROOM <= room < sent:
        return None
    return Lesson(replace(dialect, max_tokens=room), is_lasting=False)


def _fit_quota(dialect: Dialect, refusal: Refusal, sent: int) -> Lesson | None:
    """Reserve less for the answer where one request is more than is allowed at all: no wait would help."""
    text = refusal.text
    if afforded := _AFFORDED.search(text):
        room = int(afforded[1])
        is_enough = _LEAST_ROOM <= room < sent
        return Lesson(replace(dialect, max_tokens=room), is_lasting=False) if is_enough else None
    quota = _QUOTA.search(text)
    allowed, requested = (int(quota[1]), int(quota[2])) if quota else (0, 0)
    if requested <= allowed:
        return None
    if sent > allowed // 2 >= _LEAST_ROOM:
        return Lesson(replace(dialect, max_tokens=allowed // 2))
    room = sent - (requested - allowed)
    return (
        Lesson(replace(dialect, max_tokens=room), is_lasting=False) if room >= _LEAST_ROOM else None
    )


def _find_longest(message: str, sent: int) -> int | None:
    """Find the longest answer that a refusal allows: the greatest number below what was asked for."""
    longest = max((number for number in find_numbers(message) if 1 < number < sent), default=None)
    is_beyond = longest is not None and f"{longest} (exclusive)" in message
    return longest - 1 if longest is not None and is_beyond else longest


def _is_refused(name: str, refusal: Refusal) -> bool:
    names = (name, *_OTHER_NAMES.get(name, ()))
    if refusal.parameter and not any(each in _split(refusal.parameter) for each in names):
        return False
    text = _to_snake(refusal.message).lower()
    if name == "stream":
        return bool(_NO_STREAM.search(text))
    is_named = any(re.search(rf"(?<![a-z0-9_]){each}(?![a-z0-9_])", text) for each in names)
    return is_named and bool(_REFUSED.search(f"{refusal.kind} {text}".lower()))


def _split(parameter: str) -> list[str]:
    return re.split(r"[.\[\]]", _to_snake(parameter).lower())


def _to_snake(text: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text)


def _has_marks(payload: Payload) -> bool:
    """Say whether texts are lists of blocks for the sake of marks for the cache."""
    contents = [payload.get("system"), *(message["content"] for message in payload["messages"])]
    blocks = [block for content in contents if isinstance(content, list) for block in content]
    return any("cache_control" in block for block in blocks)


def _has_system(payload: Payload) -> bool:
    return any(message["role"] == "system" for message in payload["messages"])


class Dialects:
    """Remembers each model's dialect for some hours, since servers learn, too."""

    def __init__(
        self,
        first: Dialect,
        max_age: timedelta = timedelta(hours=6),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first = first
        self._max_age = max_age.total_seconds()
        self._clock = clock
        self._by_model: dict[str, tuple[float, Dialect]] = {}

    def get(self, model: str) -> Dialect:
        """Give the dialect to try first."""
        learned_at, dialect = self._by_model.get(model, (self._clock(), self._first))
        if self._clock() - learned_at <= self._max_age:
            return dialect
        del self._by_model[model]
        return self._first

    def learn(
        self, model: str, used: Dialect, refusal: Refusal, payload: Payload
    ) -> Dialect | None:
        """Take in a refusal, and give the dialect to try next; None where it taught nothing."""
        lesson = learn(used, refusal, payload)
        if lesson and lesson.is_lasting:
            known = self.get(model)  # others may have learned meanwhile
            further = learn(known, refusal, payload)
            self.keep(model, further.dialect if further else known)
        return lesson.dialect if lesson else None

    def keep(self, model: str, dialect: Dialect) -> None:
        """Remember a model's dialect, for as long as what was first learned of it is good."""
        if dialect == self.get(model):
            return
        learned_at, _ = self._by_model.get(model, (self._clock(), dialect))
        self._by_model[model] = learned_at, dialect
        if len(self._by_model) > _MAX_MODELS:
            del self._by_model[next(iter(self._by_model))]
