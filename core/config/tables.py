"""What `skein.toml` may say. Pure: a text in, frozen tables out, or an error that names line and key.

A further table is one more field of `Tables`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from core.config.model_settings import HttpUrl
from core.config.text import Source, TableError, make_table_error
from core.errors import SettingsError
from core.limits.quotas import Quotas
from core.limits.table import LimitTableError, parse_limits

MAX_PROMPT_CHARACTERS = 20_000
"""How long the prompt of a workspace or a channel may be."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_RESERVED = ("demo",)


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("expected a name of small letters, digits, - and _")
    if name in _RESERVED:
        raise ValueError("this name is Skein's own: choose another one")
    return name


def _check_variable(name: str) -> str:
    """Refuse what may be the key itself, without showing it."""
    if not _VARIABLE.fullmatch(name):
        raise ValueError(
            "expected the name of the variable that has the key, for instance OFFICE_KEY, and not the key"
        )
    return name


def _check_model(name: str) -> str:
    if not name.strip() or len(name.split()) != 1:
        raise ValueError("expected the name of a model, without white space")
    return name.strip()


ModelName = Annotated[str, AfterValidator(_check_model)]
DollarsPerMillion = Annotated[Decimal, Field(ge=0, le=1_000_000)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ProviderTable(_Table):
    """`[providers.NAME]`: a server, or other settings for one that Skein knows by name."""

    base_url: HttpUrl | None = None
    api_key_env: Annotated[str, AfterValidator(_check_variable)] | None = None
    """The variable that has its key: a key itself stands in no file that is shown around."""
    kind: Literal["openai", "azure", "anthropic"] | None = None
    models: tuple[ModelName, ...] = ()
    default_model: ModelName | None = None
    max_requests_per_minute: int | None = Field(default=None, ge=1)
    max_tokens_per_minute: int | None = Field(default=None, ge=1)


class ModelTable(_Table):
    """`[models."NAME"]`: what is known of a model, and who answers where it cannot."""

    window_tokens: int | None = Field(default=None, ge=500)
    sees: bool | None = None
    """Whether it takes images; None leaves that to the tables and to what its server tells."""
    input_price_per_million: DollarsPerMillion | None = None
    output_price_per_million: DollarsPerMillion | None = None
    cached_price_per_million: DollarsPerMillion | None = None
    """Of the input that the provider had cached; None: as much as any input."""
    max_new_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    fallback: tuple[ModelName, ...] | None = None

    @model_validator(mode="after")
    def _check_prices(self) -> Self:
        known = (self.input_price_per_million, self.output_price_per_million)
        if None in known and (any(price is not None for price in known) or self.has_cached_price):
            raise ValueError(
                "expected both input_price_per_million and output_price_per_million; 0 is a price, too"
            )
        return self

    @property
    def has_cached_price(self) -> bool:
        """Whether what is cached has a price of its own."""
        return self.cached_price_per_million is not None


class PromptTable(_Table):
    """`[prompts]`: what is added to the system prompt in a workspace or server, or a channel, by its id."""

    workspace: dict[str, Annotated[str, Field(max_length=MAX_PROMPT_CHARACTERS)]] = {}
    channel: dict[str, Annotated[str, Field(max_length=MAX_PROMPT_CHARACTERS)]] = {}


class Tables(_Table):
    """The whole file."""

    providers: dict[Annotated[str, AfterValidator(_check_name)], ProviderTable] = {}
    models: dict[ModelName, ModelTable] = {}
    limits: dict[str, Any] = {}
    """`[limits.SCOPE]`: see core/limits/table.py, which reads it."""
    prompts: PromptTable = PromptTable()
    _source: Source = PrivateAttr(default_factory=Source)

    @classmethod
    def read(cls, source: Source) -> Self:
        """Read a file's text. Raises tomllib.TOMLDecodeError, ValidationError and LimitTableError."""
        tables = cls.model_validate(tomllib.loads(source.text))
        parse_limits(tables.limits, Quotas())
        tables._source = source
        return tables

    def locate(self, error: TableError) -> SettingsError:
        """Name the file and the line of a key that turned out to be wrong."""
        return self._source.locate(error)


def parse_tables(text: str, name: str) -> Tables:
    """Read the file's text. Raises SettingsError with the file's `name`, the line and the key."""
    source = Source(name, text)
    try:
        return Tables.read(source)
    except tomllib.TOMLDecodeError as error:
        raise source.explain_toml(error) from None
    except ValidationError as error:
        detail = error.errors(include_input=False, include_url=False)[0]
        known = _list_keys([str(part) for part in detail["loc"][:-1]])
        raise source.locate(make_table_error(detail, text, known)) from None
    except LimitTableError as error:
        raise source.locate(TableError(error.keys, error.problem, "Mend it.")) from None


def _list_keys(above: Sequence[str]) -> tuple[str, ...]:
    """Name the keys that may stand in a table."""
    match above:
        case []:
            return tuple(Tables.model_fields)
        case ["providers", _]:
            return tuple(ProviderTable.model_fields)
        case ["models", _]:
            return tuple(ModelTable.model_fields)
        case ["prompts"]:
            return tuple(PromptTable.model_fields)
        case _:
            return ()
