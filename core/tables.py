"""What `skein.toml` may say. Pure: a text in, frozen tables out, or an error that names line and key.

A further table is one more field of `Tables`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from core.errors import SettingsError
from core.limit_table import LimitTableError, parse_limits
from core.model_settings import HttpUrl
from core.quotas import Quotas

MAX_PROMPT_CHARACTERS = 20_000
"""How long the prompt of a workspace or a channel may be."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("expected a name of small letters, digits, - and _")
    return name


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ProviderTable(_Table):
    """`[providers.NAME]`: a server, or other settings for one that Skein knows by name."""

    base_url: HttpUrl | None = None
    api_key_env: str | None = Field(default=None, min_length=1)
    """The variable that has its key: a key itself stands in no file that is shown around."""
    kind: Literal["openai", "azure", "anthropic"] | None = None
    models: tuple[str, ...] = ()
    default_model: str | None = Field(default=None, min_length=1)
    max_requests_per_minute: int | None = Field(default=None, ge=1)
    max_tokens_per_minute: int | None = Field(default=None, ge=1)


class ModelTable(_Table):
    """`[models."NAME"]`: what is known of a model, and who answers where it cannot."""

    window_tokens: int | None = Field(default=None, ge=500)
    fallback: tuple[str, ...] | None = None


class PromptTable(_Table):
    """`[prompts]`: what is added to the system prompt in a workspace or server, or a channel, by its id."""

    workspace: dict[str, Annotated[str, Field(max_length=MAX_PROMPT_CHARACTERS)]] = {}
    channel: dict[str, Annotated[str, Field(max_length=MAX_PROMPT_CHARACTERS)]] = {}


class Tables(_Table):
    """The whole file."""

    providers: dict[Annotated[str, AfterValidator(_check_name)], ProviderTable] = {}
    models: dict[str, ModelTable] = {}
    limits: dict[str, Any] = {}
    """`[limits.SCOPE]`: see core/limit_table.py, which reads it."""
    prompts: PromptTable = PromptTable()


def parse_tables(text: str, name: str) -> Tables:
    """Read the file's text. Raises SettingsError with the file's `name`, the line and the key."""
    try:
        tables = Tables.model_validate(tomllib.loads(text))
        parse_limits(tables.limits, Quotas())
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(name, f"is no TOML: {error}", "Mend that line.") from None
    except ValidationError as error:
        detail = error.errors(include_input=False, include_url=False)[0]
        keys = [str(part) for part in detail["loc"] if part != "[key]"]
        problem = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "extra_forbidden":
            problem = "no such key is known here"
        line = find_line(text, keys)
        raise SettingsError(name, f"line {line}: {'.'.join(keys)}: {problem}", "Mend it.") from None
    except LimitTableError as error:
        line = find_line(text, error.keys)
        raise SettingsError(name, f"line {line}: {error}", "Mend it.") from None
    return tables


def find_line(text: str, keys: Sequence[str]) -> int:
    """Find the line where a key stands, or the nearest table above it; 1 where there is none."""
    best, best_line, table = 0, 1, tuple[str, ...]()
    for number, line in enumerate(text.splitlines(), start=1):
        here = _read_header(line)
        if here is not None:
            table = here
        elif (key := _read_key(line)) is not None:
            here = (*table, *key)
        else:
            continue
        common = _count_common(here, keys)
        if common > best:
            best, best_line = common, number
    return best_line


def _read_header(line: str) -> tuple[str, ...] | None:
    """Give a table's name, if a line is its header."""
    return _read_path(line) if line.lstrip().startswith("[") else None


def _read_key(line: str) -> tuple[str, ...] | None:
    """Give the key that a line sets, if it sets one."""
    key, equals, _ = line.partition("=")
    return _read_path(f"{key}= 0") if equals else None


def _read_path(line: str) -> tuple[str, ...] | None:
    try:
        found: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return None
    path: list[str] = []
    while isinstance(found, dict) and found:
        name, found = next(iter(found.items()))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        path.append(str(name))  # pyright: ignore[reportUnknownArgumentType]
    return tuple(path)


def _count_common(here: Sequence[str], keys: Sequence[str]) -> int:
    if len(here) > len(keys) or list(keys[: len(here)]) != list(here):
        return 0
    return len(here)
