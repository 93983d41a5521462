"""What skein.toml and servers say counts in the running program; mistakes name their line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.config.file import ConfigFile
from core.conversation import Message
from core.errors import RateLimitedError, SettingsError, UnknownModelError
from core.models import open_models
from core.prices import Prices
from core.providers.base import Request
from core.providers.known.endpoints import Endpoint
from core.providers.router import Router
from core.settings import load_settings
from tests.core.providers.scripted_server import Answer, Refuse, ScriptedModelServer

NOWHERE = "http://127.0.0.1:1"
OWN = f"[providers.mine]\nbase_url = '{NOWHERE}'\nmodels = ['a', 'b']\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "skein.toml"


@pytest.fixture
async def server() -> AsyncGenerator[ScriptedModelServer]:
    async with ScriptedModelServer() as server:
        yield server


def write(path: Path, text: str) -> None:
    path.write_text(text)


@asynccontextmanager
async def open_with(
    path: Path, text: str, **given: Any
) -> AsyncGenerator[tuple[Router, ConfigFile]]:
    """Open models with a file of this text, which is looked at only when the test says so."""
    write(path, text)
    given = {"ollama_base_url": "http://localhost:1", "model_check_seconds": 0} | given
    settings = load_settings(use_environment=False, skein_config=path, **given)
    config = ConfigFile(path)
    async with open_models(settings, config=config) as router:
        yield router, config


async def answer_of(router: Router, name: str | None = None) -> str:
    ref = router.get_model(name)
    async with router.stream(ref, Request("", (Message.user("Hi"),), temperature=1.0)) as chunks:
        return "".join([chunk.text async for chunk in chunks])


async def find_mistake(path: Path, text: str, **given: Any) -> str:
    """Give what is said at the start where this is the file's text."""
    with pytest.raises(SettingsError) as wrong:
        async with open_with(path, text, **given):
            pass
    return str(wrong.value).replace(str(path), "FILE")


MISTAKES = {
    "no address": (
        "[providers.mine]\nmodels = ['a']",
        "line 1: providers.mine: there is no base_url. Name its address",
    ),
    "known, and not set up": (
        "\n[providers.groq]\nmax_requests_per_minute = 3",
        "line 2: providers.groq: its key GROQ_API_KEY is not set",
    ),
    "known without an address of its own": (
        "[providers.vllm]\nmodels = ['a']",
        "line 1: providers.vllm: there is no base_url. Name its address, or set VLLM_BASE_URL",
    ),
    "Azure without a deployment": (
        f"[providers.mine]\nbase_url = '{NOWHERE}'\nkind = 'azure'",
        "line 1: providers.mine: there are no models, and Azure does not list its deployments",
    ),
    "key not set": (
        f"[providers.mine]\nbase_url = '{NOWHERE}'\napi_key_env = 'NO_SUCH_KEY'",
        "line 3: providers.mine.api_key_env: NO_SUCH_KEY is not set",
    ),
    "unknown default model": (
        OWN + "default_model = 'c'",
        "line 4: providers.mine.default_model: c is not among this provider's models",
    ),
    "unknown fallback": (
        OWN + "[models.a]\nfallback = [\n  'b',\n  'claude-4-sonnet',\n]",
        "line 5: models.a.fallback.1: 'claude-4-sonnet' needs a provider that is not set up",
    ),
    "unknown model": (
        OWN + "[models.'min/a']\nwindow_tokens = 1000",
        "line 4: models.min/a: no model is called 'min/a' here; the closest are mine/a",
    ),
    "two tables of one model": (
        OWN + "[models.a]\nsees = true\n[models.'mine/a']\nsees = false",
        "line 6: models.mine/a: this is mine/a, which has a table already",
    ),
    "unknown model of LM Deluge": (
        OWN + "[models.a]\nfallback = ['deluge/claude-5-sonet']",
        "line 5: models.a.fallback.0: no model is called 'deluge/claude-5-sonet' here; "
        "the closest are deluge/claude-5-sonnet",
    ),
    "LM Deluge with an address": (
        "[providers.deluge]\nbase_url = 'http://x'",
        "line 2: providers.deluge.base_url: LM Deluge knows the addresses",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
async def test_a_mistake_of_use_stops_the_start_and_names_file_line_key_and_mend(
    path: Path, name: str
) -> None:
    text, expected = MISTAKES[name]
    mistake = await find_mistake(path, text)
    assert mistake.startswith(f"FILE: {expected}"), mistake
    assert "\n" not in mistake
    assert mistake.count(". ") >= 1


@pytest.mark.parametrize("name", MISTAKES)
async def test_a_mistake_made_later_is_told_once_and_leaves_all_as_it_was(
    path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    text, expected = MISTAKES[name]
    async with open_with(
        path, "[providers.old]\nbase_url = 'http://127.0.0.1:1'\nmodels = ['x']"
    ) as (
        router,
        config,
    ):
        write(path, text)
        assert not await config.refresh()
        assert not await config.refresh()
        assert caplog.text.count(expected) == 1
        assert str(router.default) == "old/x"


async def test_lm_deluge_without_its_package_is_told_where_it_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def miss() -> frozenset[str]:
        raise ModuleNotFoundError("No module named 'lm_deluge'", name="lm_deluge")

    monkeypatch.setattr("core.supply.list_deluge_models", miss)
    mistake = await find_mistake(path, OWN + "[models.a]\nfallback = ['deluge/x']")
    assert mistake.startswith(
        "FILE: line 5: models.a.fallback.0: the models deluge/... need a package"
    )
    mistake = await find_mistake(path, "[providers.deluge]\ndefault_model = 'x'")
    assert mistake.startswith("FILE: line 1: providers.deluge: the models deluge/... need")
    mistake = await find_mistake(path, OWN, models="mine/a,deluge/x")
    assert mistake.startswith("MODELS: the models deluge/... need a package")


@pytest.mark.parametrize(
    "text",
    [
        OWN + "[models.'deluge/claude-5-sonnet']\nwindow_tokens = 90000",
        OWN + "[models.a]\nfallback = ['deluge/claude-5-sonnet']",
        "[providers.deluge]\ndefault_model = 'claude-5-sonnet'",
        "[providers.deluge]\nmodels = ['claude-5-sonnet']\nmax_requests_per_minute = 3",
    ],
)
async def test_lm_deluge_is_set_up_wherever_one_of_its_models_is_named(
    path: Path, text: str
) -> None:
    async with open_with(path, text) as (router, _):
        assert "deluge/claude-5-sonnet" in router.list_models()
        assert str(router.get_model("deluge/gpt-4o")) == "deluge/gpt-4o"
        with pytest.raises(UnknownModelError, match="the closest are deluge/claude-5-sonnet"):
            router.get_model("deluge/claude-5-sonett")


async def test_a_setting_that_names_an_unknown_model_of_lm_deluge_stops_the_start(
    path: Path,
) -> None:
    mistake = await find_mistake(path, OWN, model="deluge/claude-5-sonett")
    assert mistake.startswith(
        "MODEL: no model is called 'deluge/claude-5-sonett' here; the closest"
    )


async def test_a_provider_of_ones_own_answers_under_its_name(
    path: Path, server: ScriptedModelServer
) -> None:
    async with open_with(path, f"[providers.mine]\nbase_url = '{server.openai_url}'") as (
        router,
        _,
    ):
        assert str(router.default) == "mine/scripted-large"
        assert await answer_of(router) == "Hello from the script."


async def test_a_known_provider_needs_but_its_name_and_its_key(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf-secret")
    monkeypatch.chdir(path.parent)
    write(path, "[providers.huggingface]\n")
    settings = await asyncio.to_thread(
        load_settings, ollama_base_url=NOWHERE, model_check_seconds=0
    )
    async with open_models(settings) as router:
        assert str(router.default) == "huggingface/openai/gpt-oss-120b"
        assert router.find_address("huggingface") == "https://router.huggingface.co/v1"


async def test_a_model_named_later_can_be_had_without_a_restart(path: Path) -> None:
    async with open_with(path, OWN) as (router, config):
        write(path, OWN.replace("'a', 'b'", "'brand-new'"))
        assert await config.refresh()
        assert str(router.default) == "mine/brand-new"


async def test_what_is_said_of_a_model_counts_by_any_of_its_names_and_as_it_is_now(
    path: Path,
) -> None:
    table = (
        "[models.a]\nwindow_tokens = 50000\nsees = true\nmax_new_tokens = 321\n"
        "input_price_per_million = 1.5\noutput_price_per_million = 6\nfallback = ['b']\n"
    )
    async with open_with(path, OWN + table) as (router, config):
        ref = router.default
        assert (str(ref), ref.window_tokens, ref.max_new_tokens) == ("mine/a", 50_000, 321)
        assert ref.image_tokens > 0
        prices = Prices(router.find_address, router.find_price)
        assert prices.knows("mine", "a")
        assert not prices.knows("mine", "b")
        free = "input_price_per_million = 0\noutput_price_per_million = 0\n"
        write(path, OWN + "[models.'mine/b']\n" + free)
        assert await config.refresh()
        assert not prices.knows("mine", "a")
        price = router.find_price("mine/b")
        assert price is not None
        assert price.input == price.output == Decimal(0)
        assert prices.knows("mine", "b")
        with pytest.raises(UnknownModelError, match="mine/b"):
            router.get_model("bb")


async def test_models_that_were_chosen_stay_those_and_their_server_tells_of_them(
    path: Path, server: ScriptedModelServer
) -> None:
    server.windows = {"scripted-small": 12_345}
    text = f"[providers.mine]\nbase_url = '{server.openai_url}'\nmodels = ['scripted-small']\n"
    async with open_with(path, text, model_check_seconds=0.02) as (router, _):
        await server.wait_for_lists(1)
        async with asyncio.timeout(20):
            while router.default.window_tokens != 12_345:  # noqa: ASYNC110 -- the router tells nobody
                await asyncio.sleep(0.01)
        assert "mine/scripted-small" in router.list_models()
        assert "mine/scripted-large" not in router.list_models()


async def test_a_pause_that_one_server_asked_for_does_not_hold_for_another_in_its_place(
    path: Path, server: ScriptedModelServer
) -> None:
    def table(address: str) -> str:
        return f"[providers.mine]\nbase_url = '{address}'\nmodels = ['a']\n"

    async with ScriptedModelServer() as other:
        server.play(Refuse(429, "daily quota", headers={"retry-after": "3600"}))
        async with open_with(path, table(server.openai_url)) as (router, config):
            for _ in range(2):
                with pytest.raises(RateLimitedError):
                    await answer_of(router)
            assert len(server.requests) == 1
            write(path, table(other.openai_url))
            assert await config.refresh()
            assert await answer_of(router)
            assert len(other.requests) == 1


async def test_how_long_a_question_waits_is_a_setting(
    path: Path, server: ScriptedModelServer
) -> None:
    text = f"[providers.mine]\nbase_url = '{server.openai_url}'\nmodels = ['a']\n"
    server.play(Refuse(429, "slow down", headers={"retry-after": "30"}))
    given = {"max_retry_after_seconds": 20, "max_queue_seconds": 10}
    async with asyncio.timeout(9), open_with(path, text, **given) as (router, _):
        for _ in range(2):
            with pytest.raises(RateLimitedError):
                await answer_of(router)
    assert len(server.requests) == 1


async def test_how_soon_a_fallback_is_asked_is_a_setting(
    path: Path, server: ScriptedModelServer
) -> None:
    text = f"base_url = '{server.openai_url}'\nmodels = ['m']\n"
    text = f"[providers.a]\n{text}max_requests_per_minute = 1\n[providers.b]\n{text}"
    given = {"fallback_models": ("b/m",), "fallback_after_seconds": 0.05}
    async with asyncio.timeout(4), open_with(path, text, **given) as (router, _):
        assert await answer_of(router)
        assert await answer_of(router)
    assert len(server.requests) == 2


async def test_a_model_can_be_said_not_to_see(path: Path) -> None:
    text = f"[providers.mine]\nbase_url = '{NOWHERE}'\nmodels = ['gpt-4o']\n"
    async with open_with(path, text) as (router, _):
        assert router.default.image_tokens > 0
    async with open_with(path, text + "[models.gpt-4o]\nsees = false") as (router, _):
        assert router.default.image_tokens == 0


async def test_a_model_is_asked_with_its_own_temperature_and_length_and_others_with_theirs(
    path: Path, server: ScriptedModelServer
) -> None:
    text = (
        f"[providers.mine]\nbase_url = '{server.openai_url}'\n"
        "[models.scripted-large]\ntemperature = 0.2\nmax_new_tokens = 100\n"
    )
    async with open_with(path, text) as (router, _):
        await answer_of(router, "scripted-large")
        await answer_of(router, "scripted-small")
    asked = [request.payload for request in server.requests]
    assert [payload["temperature"] for payload in asked] == [0.2, 1.0]
    limits = [payload.get("max_completion_tokens") or payload["max_tokens"] for payload in asked]
    assert limits == [100, 4096]


class TestServersThatComeAndGo:
    async def test_one_that_starts_later_is_noticed_and_what_is_under_way_goes_on(
        self, path: Path, server: ScriptedModelServer
    ) -> None:
        text = f"[providers.mine]\nbase_url = '{server.openai_url}'"
        async with server.away():
            opening = open_with(path, text, model_check_seconds=0.02)
            router, _ = await opening.__aenter__()
            assert str(router.default) == "mine/default"
        try:
            await server.wait_for_lists(2)
            assert str(router.default) == "mine/scripted-large"
            gate = asyncio.Event()
            server.play(scripted_answer(gate))
            request = Request("", (Message.user("Hi"),))
            async with router.stream(router.default, request) as chunks:
                server.models = ["new"]
                await server.wait_for_lists(server.list_count + 2)
                assert "mine/new" in router.list_models()
                assert "mine/scripted-large" not in router.list_models()
                gate.set()
                assert "".join([chunk.text async for chunk in chunks]) == "one two"
            assert str(router.get_model("scripted-small")) == "mine/scripted-small"
        finally:
            await opening.__aexit__(None, None, None)

    async def test_an_ollama_that_starts_later_takes_the_place_of_the_demo(
        self, path: Path, server: ScriptedModelServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = load_settings(use_environment=False, model_check_seconds=0.02)
        monkeypatch.setattr(
            "core.supply.load_endpoints",
            lambda *_: (make_found_ollama(server),),  # the usual port may be taken on this machine
        )
        async with open_models(settings) as router:
            assert router.is_demo
            server.ollama_models = ["phi3:mini"]
            await server.wait_for_lists(2)
            assert router.list_models() == ("ollama/phi3:mini",)
            server.ollama_models = ["qwen3:8b", "phi3:mini"]
            await server.wait_for_lists(server.list_count + 2)
            assert router.list_models() == ("ollama/phi3:mini", "ollama/qwen3:8b")

    async def test_an_unknown_name_has_servers_asked_again_but_not_for_each_name(
        self, path: Path, server: ScriptedModelServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = f"[providers.mine]\nbase_url = '{server.openai_url}'"
        async with open_with(path, text) as (router, _):
            await server.wait_for_lists(1)
            before = server.list_count
            server.models = ["new"]
            await router.look_again()
            assert server.list_count == before
            monkeypatch.setattr("core.supply.LOOK_AGAIN_SECONDS", 0.0)
            await router.look_again()
            assert str(router.get_model("new")) == "mine/new"


def scripted_answer(gate: asyncio.Event) -> Answer:
    return Answer("one", gate, " two")


def make_found_ollama(server: ScriptedModelServer) -> Endpoint:
    url = server.ollama_url + "/v1"
    return Endpoint("ollama", "openai", url, "llama3.3", is_own=True, is_found=True)
