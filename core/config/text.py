"""Where a key stands in the text of `skein.toml`, and how a mistake there is told. Pure."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import ErrorDetails

from core.errors import SettingsError

_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_TOML_TWICE = re.compile(r"Cannot declare \((.*)\) twice")
_EXPECTED = {
    "bool": "true or false",
    "decimal": "a number",
    "dict": "a table",
    "finite_number": "a number",
    "float": "a number",
    "int": "a whole number",
    "mapping": "a table",
    "model": "a table",
    "string": 'a text in quotes, for instance "gpt-4o"',
    "tuple": 'a list, for instance ["one", "two"]',
}
"""What is expected, by the beginning of pydantic's name for the mistake."""
_BOUNDS = {
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
    "string_too_long": "no more than {max_length} characters",
    "string_too_short": "a name, not an empty text",
}
_HINTS = {
    "api_key": "a key itself does not belong here: put it into .env, and name its variable in api_key_env",
    "key": "a key itself does not belong here: put it into .env, and name its variable in api_key_env",
    "model": "did you mean models, or default_model?",
    "url": "did you mean base_url?",
}
"""What to say to a key that people expect, and that has another name here."""


class TableError(SettingsError):
    """A key of `skein.toml` is wrong: `keys` is the way to it. `Source.locate` adds file and line."""

    def __init__(self, keys: Sequence[str], problem: str, mend: str) -> None:
        super().__init__("skein.toml", f"{'.'.join(keys)}: {problem}", mend)
        self.keys = tuple(keys)


@dataclass(frozen=True, slots=True)
class Source:
    """A file's text, and its name for people."""

    name: str = "skein.toml"
    text: str = ""

    def locate(self, error: TableError) -> SettingsError:
        """Name the file and the line of a wrong key."""
        line = find_line(self.text, error.keys)
        return SettingsError(self.name, f"line {line}: {error.problem}", error.mend)

    def explain_toml(self, error: tomllib.TOMLDecodeError) -> SettingsError:
        """Say in which line a text is no TOML, and why."""
        told = str(error)
        place = _TOML_PLACE.search(told)
        line = int(place[1]) if place and place[1] else len(self.text.splitlines())
        problem = _TOML_PLACE.sub("", told)
        mend = "Mend that line; texts stand in quotes, and lists in [ ]."
        if twice := _TOML_TWICE.search(problem):
            name = ".".join(part.strip(" '\"") for part in twice[1].split(",") if part.strip())
            problem = f"the table [{name}] stands here for the second time"
            mend = "Put both into one, or give this one another name."
        elif problem == "Cannot overwrite a value":
            problem, mend = "this key stands here for the second time", "Take one of them out."
        else:
            problem = f"this is no TOML: {problem}"
        return SettingsError(self.name, f"line {line}: {problem}", mend)


def make_table_error(detail: ErrorDetails, text: str, known: Collection[str]) -> TableError:
    """Word what pydantic says of a key; `known` are the keys that may stand there."""
    keys = [str(part) for part in detail["loc"] if part != "[key]"]
    if detail["type"] == "extra_forbidden":
        return TableError(keys, *_word_unknown(keys, text, known))
    return TableError(keys, _word(detail, keys), "Mend it.")


def _word(detail: ErrorDetails, keys: Sequence[str]) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _BOUNDS:
        return "expected " + _BOUNDS[kind].format(**context)
    for begin, expected in _EXPECTED.items():
        if kind.startswith(begin):
            is_table = expected == "a table" and len(keys) == 1
            return f"expected tables, as [{keys[0]}.NAME]" if is_table else f"expected {expected}"
    return detail["msg"].removeprefix("Value error, ")


def _word_unknown(keys: Sequence[str], text: str, known: Collection[str]) -> tuple[str, str]:
    """Say that there is no such key, and which one may be meant."""
    name, problem = keys[-1], "no such key is known here"
    line = text.splitlines()[find_line(text, keys) - 1] if text else ""
    if len(keys) == 1 and name.isupper():
        return problem, "Variables, as MODEL, stand in the environment or in .env."
    if keys[0] in ("models", "providers") and len(keys) > 2 and line.lstrip().startswith("["):
        whole = ".".join(keys[1:])
        return problem, f'A name with dots stands in quotes: [{keys[0]}."{whole}"]'
    if len(keys) > 1 and name in _HINTS:
        return problem, _HINTS[name][0].upper() + _HINTS[name][1:]
    closest = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if closest:
        return problem, f"Did you mean {closest[0]}?"
    return problem, f"There are {', '.join(known)}."


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
    while isinstance(found, Mapping) and found:
        name, found = next(iter(found.items()))  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        path.append(str(name))  # pyright: ignore[reportUnknownArgumentType]
    return tuple(path)


def _count_common(here: Sequence[str], keys: Sequence[str]) -> int:
    if len(here) > len(keys) or list(keys[: len(here)]) != list(here):
        return 0
    return len(here)
