"""Every setting, read once from the environment and `.env`. `.env.example` documents the same list."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from core.config.model_settings import HttpUrl, ModelSettings, check_http_url
from core.errors import SettingsError
from core.files.values import FileLimits
from core.limits.settings import LimitSettings, Names

DEFAULT_SYSTEM_PROMPT = (
    "You are Skein, a helpful assistant in a team's chat. Answer concisely and in the language of the "
    "question. Use Markdown where it helps. Say so when you do not know."
)


def _slack_url(value: str) -> str:
    return check_http_url(value) + "/"


class Settings(ModelSettings, LimitSettings):
    """What an installation may choose. Field names are the variables' names in lower case."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        str_strip_whitespace=True,  # a token pasted with its line end is refused, and not hidden
    )

    database_url: str = Field(default="sqlite:///skein.db", repr=False)

    system_prompt: str = DEFAULT_SYSTEM_PROMPT
    system_prompt_file: Path | None = None
    waiting: Literal["queue", "merge"] = "queue"
    waiting_sign: Literal["eyes", "off"] = "eyes"
    max_question_age_minutes: float = Field(default=15, gt=0)
    store_patience_seconds: float = Field(default=30, ge=0)
    delivery_timeout_seconds: float = Field(default=120, gt=0)

    max_files_per_message: int = Field(default=10, ge=0, le=50)
    max_file_mb: float = Field(default=20, gt=0, le=100)
    max_file_characters: int = Field(default=100_000, ge=1_000, le=2_000_000)
    max_scanned_pages: int = Field(default=20, ge=0, le=20)
    file_timeout_seconds: float = Field(default=30, gt=0)
    answer_file_characters: int = Field(default=12_000, ge=0)

    slack_bot_token: SecretStr | None = None
    slack_app_token: SecretStr | None = None
    slack_signing_secret: SecretStr | None = None
    slack_api_url: Annotated[str, AfterValidator(_slack_url)] = "https://slack.com/api/"

    discord_bot_token: SecretStr | None = None
    discord_api_url: HttpUrl = "https://discord.com/api/v10"
    discord_channels: Names = ()

    http_port: int | None = Field(default=None, ge=0, le=65535)
    http_host: str = "127.0.0.1"
    readiness_grace_seconds: float = Field(default=30, ge=0)

    retention_days: int = Field(default=90, ge=0)
    shutdown_seconds: float = Field(default=20, ge=0)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"

    @property
    def retention(self) -> timedelta | None:
        """How long an untouched conversation is kept; None keeps all."""
        return timedelta(days=self.retention_days) if self.retention_days else None

    @property
    def max_question_age(self) -> timedelta:
        """How old a question may be that is answered after an interruption."""
        return timedelta(minutes=self.max_question_age_minutes)

    @property
    def file_limits(self) -> FileLimits:
        """How much is taken in of people's files."""
        return FileLimits(
            max_files=self.max_files_per_message,
            max_bytes=int(self.max_file_mb * 1_000_000),
            max_characters=self.max_file_characters,
            max_scanned_pages=self.max_scanned_pages,
            timeout=timedelta(seconds=self.file_timeout_seconds),
        )

    @property
    def heeds_environment(self) -> bool:
        """Whether what stands beside these settings counts: the environment and ./skein.toml."""
        return True

    def secrets(self) -> tuple[str, ...]:
        """Every secret value that is set, for keeping them out of the log."""
        values = (getattr(self, name) for name in type(self).model_fields)
        secrets = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
        return (*secrets, *_find_passwords(self.database_url))


def _find_passwords(url: str) -> set[str]:
    """Give the passwords in a database's address, as they stand there and as they are meant."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return {url}
    passwords = {parts.password or "", *parse_qs(parts.query).get("password", ())}
    return {form for password in passwords if password for form in (password, unquote(password))}


class _GivenSettings(Settings):
    """Settings that heed nothing but what they are given."""

    @property
    def heeds_environment(self) -> bool:
        """Nothing beside them counts."""
        return False

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def load_settings(*, use_environment: bool = True, **given: object) -> Settings:
    """Read the settings; `given` ones win. Without the environment only those count.

    Raises SettingsError, which names the variable and the mend.
    """
    try:
        if use_environment:
            return Settings(**given)  # pyright: ignore[reportArgumentType]
        return _GivenSettings(_env_file=None, **given)  # pyright: ignore[reportArgumentType, reportCallIssue]
    except ValidationError as error:
        raise _settings_error(error.errors(include_input=False)[0]) from None
    except UnicodeDecodeError:
        raise SettingsError(".env", "is not UTF-8 text", "Save it as UTF-8.") from None
    except OSError as error:
        mend = "Let the bot's user read it, or move it away."
        raise SettingsError(".env", f"cannot be read: {error.strerror}", mend) from None


_EXPECTED = {
    "int_parsing": "a whole number",
    "float_parsing": "a number",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than_equal": "a number of at most {le}",
    "literal_error": "one of {expected}",
}


def _settings_error(detail: ErrorDetails) -> SettingsError:
    """Word pydantic's first complaint without the value, which may be a secret."""
    variable = str(detail["loc"][0]).upper() if detail["loc"] else "settings"
    template = _EXPECTED.get(detail["type"])
    if template:
        problem = "expected " + template.format(**detail.get("ctx", {}))
    else:
        problem = detail["msg"].removeprefix("Value error, ")
    return SettingsError(variable, problem, "Correct it in the environment or in .env.")
