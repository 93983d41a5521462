"""The settings of people's limits, and of how a wait is told. `core/settings.py` has all others."""

from __future__ import annotations

from datetime import UTC, timedelta, tzinfo
from decimal import Decimal
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode


def split_names(value: object) -> object:
    """Split names at commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _check_people(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        platform, _, person = name.partition(":")
        if not platform or not person:
            raise ValueError(
                "expected people as platform:id, for instance slack:U0123,discord:4567"
            )
    return names


def _check_zone(name: str) -> str:
    try:
        find_zone(name)
    except (ValueError, OSError):  # a name that is none, is a folder, or is not there
        raise ValueError(
            "expected a time zone that this machine knows, as Europe/Berlin or UTC"
        ) from None
    return name


def find_zone(name: str) -> tzinfo:
    """Give a time zone by its name. Raises ValueError (ZoneInfoNotFoundError among others) or OSError."""
    try:
        return UTC if name.upper() == "UTC" else ZoneInfo(name)
    except LookupError as error:
        raise ValueError(str(error)) from error


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_names)]
MAX_COUNT = 10**12
MAX_DOLLARS = 1_000_000
Count = Annotated[int | None, Field(ge=0, le=MAX_COUNT)]
Dollars = Annotated[Decimal | None, Field(ge=0, le=MAX_DOLLARS)]


class LimitSettings(BaseSettings):
    """How much people may ask for: LIMIT_<whose>_<what>_PER_<time>. What is not set is not limited."""

    limit_user_messages_per_minute: Count = None
    limit_user_messages_per_day: Count = None
    limit_user_messages_per_month: Count = None
    limit_user_tokens_per_day: Count = None
    limit_user_tokens_per_month: Count = None
    limit_user_cost_per_day: Dollars = None
    limit_user_cost_per_month: Dollars = None

    limit_channel_messages_per_minute: Count = None
    limit_channel_messages_per_day: Count = None
    limit_channel_messages_per_month: Count = None
    limit_channel_tokens_per_day: Count = None
    limit_channel_tokens_per_month: Count = None
    limit_channel_cost_per_day: Dollars = None
    limit_channel_cost_per_month: Dollars = None

    limit_workspace_messages_per_minute: Count = None
    limit_workspace_messages_per_day: Count = None
    limit_workspace_messages_per_month: Count = None
    limit_workspace_tokens_per_day: Count = None
    limit_workspace_tokens_per_month: Count = None
    limit_workspace_cost_per_day: Dollars = None
    limit_workspace_cost_per_month: Dollars = None

    admins: Annotated[Names, AfterValidator(_check_people)] = ()
    timezone: Annotated[str, AfterValidator(_check_zone)] = "UTC"
    queue_notice_seconds: float = Field(default=5, gt=0, le=3600)

    @property
    def zone(self) -> tzinfo:
        """The time zone in which days and months begin."""
        return find_zone(self.timezone)

    @property
    def queue_notice(self) -> timedelta:
        """After how long a person is told of waiting."""
        return timedelta(seconds=self.queue_notice_seconds)
