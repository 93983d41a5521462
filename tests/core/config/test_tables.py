"""skein.toml: a wrong line is named, a change counts soon, and the last good one holds."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from core.config.file import ConfigFile
from core.config.tables import Tables, parse_tables
from core.config.text import find_line
from core.errors import SettingsError

SAMPLE = Path(__file__).parents[3] / "deploy" / "skein.toml"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[providers.mine]\nbase_url = 'x'\n", "line 2: providers.mine.base_url: expected an add"),
        (
            "\n[providers.mine]\nbase_ur = 'http://x'\n",
            "line 3: providers.mine.base_ur: no such key",
        ),
        ("[providers.mine]\nkind = 'soap'", "line 2: providers.mine.kind"),
        ("[providers.'My One']\nkind = 'openai'", "line 1: providers.My One: expected a name"),
        ('[models."a/b.c"]\nwindow_tokens = 1', "line 2: models.a/b.c.window_tokens"),
        ("[providers.a]\nmodels = ['x', 3]", "line 2: providers.a.models.1"),
        ("[wat]\nx = 1", "line 1: wat: no such key"),
        ("[providers.mine\n", "line 1: this is no TOML"),
        ("[providers.a]\n\n[providers.a]\n", "line 3: the table [providers.a] stands here for the"),
        (
            "[models.a]\nsees = true\nsees = true",
            "line 3: this key stands here for the second time",
        ),
        (
            "[models.gpt-4.1]\nsees = true",
            "line 1: models.gpt-4.1: no such key is known here. A name wi",
        ),
        ("[models.a]\nwindow = 1000", "no such key is known here. Did you mean window_tokens?"),
        (
            "MODEL = 'gpt-4o'",
            "line 1: MODEL: no such key is known here. Variables, as MODEL, stand in",
        ),
        ("[[providers]]", "line 1: providers: expected tables, as [providers.NAME]"),
        ("[provider.a]", "line 1: provider: no such key is known here. Did you mean providers?"),
        (
            "[providers.a]\napi_key = 'x'",
            "line 2: providers.a.api_key: no such key is known here. A key",
        ),
        (
            "[providers.a]\nmodels = 'x'",
            'line 2: providers.a.models: expected a list, for instance ["one"',
        ),
        ("[models.a]\nsees = 'maybe'", "line 2: models.a.sees: expected true or false"),
        ("[models.a]\ntemperature = 3", "line 2: models.a.temperature: expected at most 2"),
        ("[models.a]\nmax_new_tokens = 0", "line 2: models.a.max_new_tokens: expected at least 1"),
        ("[models.a]\ninput_price_per_million = 1", "line 1: models.a: expected both input_price"),
        ("[models.a]\ncached_price_per_million = 1", "line 1: models.a: expected both input_price"),
        (
            "[models.a]\noutput_price_per_million = 1\ninput_price_per_million = -1",
            "line 3: models.a.input_price_per_million: expected at least 0",
        ),
        (
            "[models.a]\noutput_price_per_million = inf\ninput_price_per_million = 1",
            "line 2: models.a.output_price_per_million: expected a number",
        ),
        ("[providers.demo]\n", "line 1: providers.demo: this name is Skein's own"),
        ("[models.'my model']\n", "line 1: models.my model: expected the name of a model"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_key(text: str, expected: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        parse_tables(text, "skein.toml")
    assert str(wrong.value).startswith("skein.toml: ")
    assert expected in str(wrong.value)
    assert "\n" not in str(wrong.value)


@pytest.mark.parametrize("key", ["sk-proj-abc123", "gsk_abcdef0123456789", "Bearer x"])
def test_a_key_in_the_place_of_its_variable_is_not_shown(key: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        parse_tables(f"[providers.a]\napi_key_env = '{key}'", "skein.toml")
    assert "line 2: providers.a.api_key_env: expected the name of the variable" in str(wrong.value)
    assert key not in str(wrong.value)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    path = tmp_path / "skein.toml"
    path.write_bytes(b"\xef\xbb\xbf[models.a]\r\nsees = true\r\n")
    assert asyncio.run(ConfigFile(path).load()).models["a"].sees


async def test_a_file_that_is_too_long_is_refused_and_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "skein.toml"
    path.write_text("# a note\n" * 200_000)
    with pytest.raises(SettingsError, match="is larger than 1024 KB"):
        await ConfigFile(path).load()


def test_the_key_of_a_later_table_is_found_there() -> None:
    text = "[a]\nx = 1\n[b]\nx = 2\n"
    assert find_line(text, ["b", "x"]) == 4
    assert find_line(text, ["b", "y"]) == 3
    assert find_line(text, ["c"]) == 1


def test_the_sample_is_right() -> None:
    tables = parse_tables(SAMPLE.read_text(), "skein.toml")
    assert tables.providers
    assert tables.models


async def test_a_file_that_was_named_has_to_be_there(tmp_path: Path) -> None:
    missing = tmp_path / "skein.toml"
    with pytest.raises(SettingsError, match="is not there"):
        await ConfigFile(missing).load()
    assert await ConfigFile(missing, is_required=False).load() == Tables()


async def test_a_change_counts_and_a_wrong_one_is_told_once_and_leaves_the_last_good_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "skein.toml"
    path.write_text("[models.a]\nwindow_tokens = 1000\n")
    config = ConfigFile(path)
    await config.load()
    heard = list[Tables]()

    async def hear(tables: Tables) -> None:
        heard.append(tables)

    config.subscribe(hear)
    assert not await config.refresh()
    path.write_text("[models.a]\nwindow_tokens = 20000\n")
    assert await config.refresh()
    path.write_text("[models.a]\nwindow_tokens = 'wide'\n")
    assert not await config.refresh()
    assert not await config.refresh()
    assert config.tables == heard[-1]
    assert config.tables.models["a"].window_tokens == 20_000
    assert caplog.text.count("line 2: models.a.window_tokens") == 1
