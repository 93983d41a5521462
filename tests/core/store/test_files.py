"""DATABASE_URL, and what can be wrong with the place that it names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.errors import SettingsError
from core.store.files import check_file, parse_sqlite_url
from core.store.sqlite import open_sqlite


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///skein.db", "skein.db"),
        ("sqlite:///data/skein.db", "data/skein.db"),
        ("sqlite:////var/lib/skein.db", "/var/lib/skein.db"),
        ("sqlite:///C:/skein.db", "C:/skein.db"),
        ("sqlite:///a b%20c.db", "a b%20c.db"),
    ],
)
def test_address_names_a_path(url: str, path: str) -> None:
    assert parse_sqlite_url(url) == Path(path)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "skein.db",
        "sqlite:",
        "sqlite://skein.db",
        "sqlite:///",
        "sqlite:///folder/",
        "sqlite:///:memory:",
        "sqlite:///skein.db?mode=ro",
        "postgresql://skein:secret@db/skein",
        "mysql://skein:secret@db",
    ],
)
def test_wrong_address_names_the_variable_and_the_mend(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_sqlite_url(url)
    assert caught.value.variable == "DATABASE_URL"
    assert "sqlite:///skein.db" in caught.value.mend
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_missing_folder_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        async with open_sqlite(f"sqlite:///{tmp_path}/missing/skein.db"):
            pass


async def test_folder_in_place_of_a_file_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is a folder"):
        async with open_sqlite(f"sqlite:///{tmp_path}"):
            pass


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the administrator may write anywhere"
)
@pytest.mark.parametrize("place", [".", "skein.db"])
def test_place_that_cannot_be_written_is_a_settings_error(tmp_path: Path, place: str) -> None:
    file = tmp_path / "skein.db"
    file.touch()
    (tmp_path / place).chmod(0o500)
    with pytest.raises(SettingsError, match="cannot be written"):
        check_file(file)
