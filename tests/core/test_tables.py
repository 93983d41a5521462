"""skein.toml: a wrong line is named, a change counts soon, and the last good one holds."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.config_file import ConfigFile
from core.conversation import Message
from core.errors import SettingsError, UnknownModelError
from core.models import open_models
from core.providers.base import Request
from core.settings import load_settings
from core.table_text import find_line
from core.tables import Tables, parse_tables
from tests.core.providers.scripted_server import ScriptedModelServer

SAMPLE = Path(__file__).parents[2] / "deploy" / "skein.toml"


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
    ],
)
def test_what_is_wrong_is_named_by_line_and_key(text: str, expected: str) -> None:
    with pytest.raises(SettingsError) as wrong:
        parse_tables(text, "skein.toml")
    assert str(wrong.value).startswith("skein.toml: ")
    assert expected in str(wrong.value)
    assert "\n" not in str(wrong.value)


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


def settings_with(path: Path, **given: Any):
    return load_settings(
        use_environment=False, skein_config=path, ollama_base_url="http://127.0.0.1:1", **given
    )


async def test_a_provider_of_ones_own_answers_under_its_name(tmp_path: Path) -> None:
    path = tmp_path / "skein.toml"
    async with ScriptedModelServer() as server:
        path.write_text(f'[providers.mine]\nbase_url = "{server.openai_url}"\n')
        async with open_models(settings_with(path)) as router:
            assert str(router.default) == "mine/scripted-large"
            request = Request("", (Message.user("Hi"),))
            async with router.stream(router.default, request) as chunks:
                text = "".join([chunk.text async for chunk in chunks])
    assert text == "Hello from the script."


async def test_a_model_named_later_can_be_had_without_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "skein.toml"
    provider = "[providers.mine]\nbase_url = 'http://127.0.0.1:1'\nmodels = "
    path.write_text(provider + "['a']")
    async with (
        asyncio.timeout(10),
        open_models(settings_with(path), look_interval=timedelta(milliseconds=10)) as router,
    ):
        path.write_text(provider + "['brand-new']")
        while str(router.default) != "mine/brand-new":  # noqa: ASYNC110 -- the router tells nobody
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[providers.mine]\nmodels = ['a']", "providers.mine: there is no base_url"),
        (
            "[providers.mine]\nbase_url = 'http://127.0.0.1:1'\napi_key_env = 'NO_SUCH_KEY'",
            "providers.mine.api_key_env: NO_SUCH_KEY is not set",
        ),
        (
            "[providers.mine]\nbase_url = 'http://127.0.0.1:1'\nmodels = ['a']\n"
            "[models.a]\nfallback = ['claude-4-sonnet']",
            "line 5: models.a.fallback.0: 'claude-4-sonnet' needs a provider",
        ),
    ],
)
async def test_tables_that_cannot_be_used_stop_the_start(
    tmp_path: Path, text: str, expected: str
) -> None:
    path = tmp_path / "skein.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=expected):
        async with open_models(settings_with(path)):
            pass


async def test_windows_and_fallbacks_by_model(tmp_path: Path) -> None:
    path = tmp_path / "skein.toml"
    path.write_text(
        "[providers.mine]\nbase_url = 'http://127.0.0.1:1'\nmodels = ['big', 'small']\n"
        "[models.big]\nwindow_tokens = 50000\nfallback = ['small']\n"
    )
    async with open_models(settings_with(path)) as router:
        assert str(router.default) == "mine/big"
        assert router.default.window_tokens == 50_000
        with pytest.raises(UnknownModelError, match="mine/small"):
            router.get_model("smal")
