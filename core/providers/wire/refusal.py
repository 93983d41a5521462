"""What a provider's refusal means: status, headers and body in, the typed error out. Pure.

Servers agree on the status and on little else. The shapes read here are OpenAI's
(`{"error": {"message", "type", "code", "param"}}`), Anthropic's (`{"type": "error", "error": ...}`),
Gemini's (the same in a list, with `details`), vLLM's (`{"object": "error", "message"}`), FastAPI's
(`{"detail": [{"loc", "msg"}]}`) and Ollama's (`{"error": "text"}`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import cast

from core import errors
from core.errors import ProviderError
from core.providers.wire.pace import find_pause

MAX_DETAIL_CHARS = 500
_MAX_RETRY_SECONDS = 30 * 86400.0
_SHORTEST_KEY_PREFIX = 6
_PASSWORD = re.compile(r"(?<=://)[^\s/@]+@")
"""User and password in an address: aiohttp tells a proxy's with its errors."""

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal as the server worded it. `status` is a guess where a 200 stream carried it."""

    status: int
    message: str
    kind: str = ""
    parameter: str = ""
    retry_after: timedelta | None = None

    @property
    def text(self) -> str:
        """All that it says, in lower case, to look for words in."""
        return f"{self.kind} {self.parameter} {self.message}".lower()


def parse_refusal(
    status: int, body: str, headers: Mapping[str, str], now: datetime | None = None
) -> Refusal:
    """Read a refused request's answer."""
    try:
        found = _find_error(json.loads(body))
    except (ValueError, RecursionError):
        found = {"message": "" if "<html" in body[:1000].lower() else body}
    now = now or datetime.now(UTC)
    retry_after = parse_retry_after(headers, now) or _retry_delay(found)
    retry_after = find_pause(headers, now) if retry_after is None else retry_after
    return _refusal(status, found, retry_after)


def parse_stream_error(event: Json) -> Refusal | None:
    """Read an error that came inside a stream of status 200, if the event is one."""
    if not event.get("error") and event.get("object") != "error" and event.get("type") != "error":
        return None
    found = _find_error(event)
    told = (str(found.get(name)) for name in ("code", "status_code", "status"))
    status = next((int(code) for code in told if _is_status(code)), 0)
    return _refusal(status or _guess_status(found), found, _retry_delay(found))


def _is_status(code: str) -> bool:
    return len(code) == 3 and code.isascii() and code.isdigit() and "400" <= code <= "599"


def parse_retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Read `retry-after-ms`, or `retry-after` as seconds or as an HTTP date."""
    milliseconds = _seconds(headers.get("retry-after-ms", ""), 0.001)
    value = headers.get("retry-after", "").strip()
    if milliseconds is not None:
        return milliseconds
    seconds = _seconds(value)
    if seconds is not None or not value:
        return seconds
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return _seconds(str(max(0.0, (at - now).total_seconds())))


def make_error(model: str, refusal: Refusal, key: str = "") -> ProviderError:
    """Make the typed error of a refusal. The key, were it echoed, is taken out."""
    status, text = refusal.status, refusal.text
    said = clean_detail(refusal.message, key)
    detail = f"HTTP {status}: {said}" if said else f"HTTP {status}"
    if is_context_overflow(refusal):
        return errors.ContextTooLongError(model, detail, *parse_overflow(refusal.message))
    if status == 403 and ("moderation" in text or "flagged" in text):
        return errors.BadRequestError(model, detail)  # OpenRouter's word on a question, not a key
    if status in (401, 402, 403) or _is_about_account(refusal):
        return errors.AuthError(model, detail)
    if status < 400 or status == 404 or (status in (400, 422) and _NO_MODEL.search(text)):
        return errors.ModelNotFoundError(model, detail)
    if status == 429:
        return errors.RateLimitedError(model, detail, refusal.retry_after)
    if status == 408:
        return errors.TimeoutError(model, detail)
    if status >= 500:
        return errors.OverloadedError(model, detail, refusal.retry_after)
    return errors.BadRequestError(model, detail)


_ACCOUNT = ("insufficient_quota", "billing_error", "credit balance is too low")
_WRONG_KEY = (
    "incorrect api key",
    "invalid api key",
    "api key not valid",
)
"""What xAI and Gemini say with status 400."""
_NO_MODEL = re.compile(
    r"model_not_found|not a valid model|model not exist|invalid model"
    r"|model\W+\S+ (?:does not exist|not found)"
)


def _is_about_account(refusal: Refusal) -> bool:
    """Say whether key or account are at fault: an empty one is the operator's to mend, as a key is."""
    words = (*_ACCOUNT, *_WRONG_KEY) if refusal.status == 400 else _ACCOUNT
    return any(word in refusal.text for word in words)


def clean_detail(text: str, key: str = "") -> str:
    """Make a foreign text fit for a log: one line of sane length, without the key or a part of it."""
    text = _PASSWORD.sub("", text)
    if key:
        text = re.sub(re.escape(key), "[key]", text, flags=re.IGNORECASE)
        if len(key) > 2 * _SHORTEST_KEY_PREFIX:
            text = re.sub(re.escape(key[:_SHORTEST_KEY_PREFIX]) + r"[^\s\"',;]*", "[key]", text)
    text = " ".join(text.split())
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= MAX_DETAIL_CHARS else text[: MAX_DETAIL_CHARS - 1] + "…"


_OVERFLOW_WORDS = (
    "context_length_exceeded",
    "exceed_context_size",
    "maximum context length",
    "maximum prompt length",
    "context window",
    "context limit",
    "context size",
    "context length",
    "prompt is too long",
    "input is too long",
    "prompt too long",
    "too many tokens",
    "input token count",
    "reduce the length of the messages",
    "`inputs` tokens + `max_new_tokens`",
    "string_above_max_length",
)
_OVERFLOW_SUM = re.compile(r"(\d+) \+ (\d+) > (\d+)")
_OVERFLOW_LIMIT = re.compile(
    r"(?:length (?:is|of only|of)|allowed|limit:?|size|<=|>|model with) \(?(\d{3,})", re.IGNORECASE
)
_NUMBER = re.compile(r"(?<![\w.-])\d+(?![\w.-]*[a-z_])", re.IGNORECASE)


def is_context_overflow(refusal: Refusal) -> bool:
    """Say whether the conversation did not fit: each server words it in its own way."""
    if refusal.status == 413:
        return True
    return refusal.status in (400, 422, 500) and any(
        word in refusal.text for word in _OVERFLOW_WORDS
    )


def parse_overflow(message: str) -> tuple[int | None, int | None]:
    """Read from an overflow's wording how many tokens were sent and how many are allowed."""
    message = _join_digits(message)
    if found := _OVERFLOW_SUM.search(message):
        first, second, limit = map(int, found.groups())
        return first + second, limit
    numbers = sorted({number for number in find_numbers(message) if number >= 100})
    if not numbers:
        return None, None
    told = _OVERFLOW_LIMIT.search(message)
    limit = int(told[1]) if told else numbers[max(0, len(numbers) - 2)]
    return (numbers[-1] if numbers[-1] > limit else None), limit


def find_numbers(message: str) -> list[int]:
    """Give the numbers in a text, without those that are part of a name."""
    return [int(number) for number in _NUMBER.findall(_join_digits(message))]


def _join_digits(text: str) -> str:
    return re.sub(r"(?<=\d),(?=\d{3})", "", text)


def _find_error(body: object) -> Json:
    """Find the object that holds the message, in whichever of the shapes it is."""
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, str):
        return {"message": body}
    if not isinstance(body, dict):
        return {}
    body = cast("Json", body)
    error, message = body.get("error"), body.get("message")
    if isinstance(error, dict):
        return cast("Json", error)
    if isinstance(error, str):
        return {**body, "message": error}
    if isinstance(body.get("detail"), list):
        return {"message": "; ".join(map(_validation_text, cast("list[object]", body["detail"])))}
    if isinstance(message, dict | list):  # Mistral
        return {
            **body,
            **_find_error({"detail": message} if isinstance(message, list) else message),
        }
    return body if message else {"message": body.get("detail")}


def _validation_text(problem: object) -> str:
    """Word one of FastAPI's complaints; its `input` may be the prompt and is left out."""
    if not isinstance(problem, dict):
        return ""
    problem = cast("Json", problem)
    place = problem.get("loc")
    parts = [str(part) for part in cast("list[object]", place)] if isinstance(place, list) else []
    return f"{'.'.join(parts)}: {problem.get('msg', '')}"


def _refusal(status: int, found: Json, retry_after: timedelta | None) -> Refusal:
    message = found.get("message")
    kind = " ".join(str(found[name]) for name in ("type", "code", "status") if found.get(name))
    return Refusal(
        status,
        message if isinstance(message, str) else "",
        kind,
        str(found.get("param") or ""),
        retry_after,
    )


_STATUS_BY_WORD = (
    ("rate_limit", 429),
    ("resource_exhausted", 429),
    ("authentication", 401),
    ("permission", 403),
    ("billing", 402),
    ("context", 400),
    ("invalid_request", 400),
    ("not_found", 404),
    ("overloaded", 529),
)


def _guess_status(found: Json) -> int:
    """Give a stream's error the status that it would have had; what is unknown broke on their side."""
    text = f"{found.get('type')} {found.get('code')}".lower()  # a message may say anything
    return next((status for word, status in _STATUS_BY_WORD if word in text), 500)


def _retry_delay(found: Json) -> timedelta | None:
    """Read Gemini's word on how long to wait: it stands in the body, as `45.8379s`."""
    details = found.get("details")
    for detail in cast("list[object]", details) if isinstance(details, list) else []:
        if isinstance(detail, dict) and "retryDelay" in detail:
            return _seconds(str(cast("Json", detail)["retryDelay"]).removesuffix("s"))
    return None


def _seconds(text: str, unit: float = 1.0) -> timedelta | None:
    try:
        seconds = float(text) * unit
    except ValueError:
        return None
    if not 0 <= seconds < float("inf"):
        return None
    return timedelta(seconds=min(seconds, _MAX_RETRY_SECONDS))
