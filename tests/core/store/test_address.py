"""DATABASE_URL for PostgreSQL: what it may look like, and what is never said of it."""

from __future__ import annotations

import pytest

from core.errors import SettingsError
from core.settings import load_settings
from core.store.address import parse_postgres_url
from core.store.postgres import open_postgres


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://skein:secret@db.example.com/skein", "skein on db.example.com"),
        ("postgres://skein:secret@db:6432/chat?sslmode=require", "chat on db:6432"),
        ("postgresql://skein:se%40cret@[::1]:5432/skein", "skein on [::1]:5432"),
        ("postgresql://skein@/skein?host=/run/postgresql", "skein on /run/postgresql"),
        ("postgresql://skein:@/skein?host=/tmp/a&port=5433", "skein on /tmp/a"),
        ("postgresql://skein@%2Frun%2Fpostgresql/skein", "skein on /run/postgresql"),
        ("postgresql:///skein", "skein on this machine"),
    ],
)
def test_address_has_a_name_without_secrets(url: str, name: str) -> None:
    address = parse_postgres_url(url)
    assert (address.url, address.name) == (url, name)
    assert "cret" not in repr(address)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://skein:secret@db",
        "postgresql://skein:secret@db/",
        "postgresql://skein:secret@db:five/skein",
        "postgresql://skein:secret/more@db/skein",
        "postgresql://skein:secret#more@db/skein",
        "postgresql://[secret/skein",
        "mysql://skein:secret@db/skein",
        "postgresql:skein",
    ],
)
def test_wrong_address_names_the_variable_and_the_forms(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_postgres_url(url)
    assert caught.value.variable == "DATABASE_URL"
    assert "postgresql://" in caught.value.mend
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("option", ["sslmode=loud", "port=five", "host=a,b&port=1,2,3"])
async def test_option_that_means_nothing_is_a_settings_error(option: str) -> None:
    with pytest.raises(SettingsError, match="cannot be used") as caught:
        async with open_postgres(f"postgresql://skein:secret@/skein?{option}"):
            pass
    assert "secret" not in str(caught.value)


def test_password_is_among_the_secrets_that_no_log_shows() -> None:
    settings = load_settings(
        use_environment=False, database_url="postgresql://skein:hush%40@db/skein?password=hushed"
    )
    assert {"hush%40", "hush@", "hushed"} <= set(settings.secrets())
    assert "hush" not in repr(settings)
