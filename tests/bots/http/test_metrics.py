"""The page of metrics over a real socket, and what its figures say."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

from bots.http.metrics import add_core_gauges
from bots.http.prometheus import MAX_MODELS, ModelNames, PrometheusMetrics
from bots.http.service import open_service
from bots.link import Link
from core.conversation import TurnState, Usage
from core.metrics import BreakerOpened, DeliveryRetried, QueueLeft, RequestEnded, TurnEnded
from core.providers.asking.breaker import BreakerState
from core.settings import load_settings
from core.store.sqlite import open_sqlite
from tests.metrics import MetricsReader

SECOND = timedelta(seconds=1)
ANSWERED = RequestEnded("openai", "m", "answered", 3 * SECOND, SECOND, Usage(1000, 50, 800))


class Bench:
    """A service that runs, the metrics behind its page, and what it reads of the core."""

    def __init__(self, url: str, client: aiohttp.ClientSession, metrics: PrometheusMetrics) -> None:
        self.url, self.client, self.metrics = url, client, metrics
        self.reader = MetricsReader(url, client)
        self.slack = Link()
        self.running_count, self.waiting_count = 2, 5
        self.breaker_states = dict[str, BreakerState]()
        self.waiting_counts = {"openai": 3}


@pytest.fixture
async def bench(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Bench]:
    caplog.set_level(logging.INFO, "skein.http")
    metrics = await asyncio.to_thread(PrometheusMetrics)
    settings = await asyncio.to_thread(load_settings, use_environment=False, http_port=0)
    async with aiohttp.ClientSession() as client, asyncio.timeout(20):
        bench = Bench("", client, metrics)
        add_core_gauges(metrics, bench, bench)
        async with (
            open_sqlite(f"sqlite:///{tmp_path / 'skein.db'}") as store,
            open_service(settings, store, {"slack": bench.slack}, asyncio.Event(), metrics),
        ):
            found = re.search(r"http://127\.0\.0\.1:\d+", caplog.text)
            assert found
            bench.url, bench.reader = found[0], MetricsReader(found[0], client)
            yield bench


async def test_requests_are_counted_by_what_became_of_them(bench: Bench):
    get, model = bench.reader.get, "openai/m"
    for outcome in ("answered", "answered", "overloaded"):
        bench.metrics.note(RequestEnded("openai", "m", outcome, SECOND))
    assert await get("skein_model_requests_total", model=model, outcome="answered") == 2
    assert await get("skein_model_requests_total", model=model, outcome="overloaded") == 1
    assert await get("skein_model_answer_seconds_count", model=model) == 2
    assert await get("skein_model_first_text_seconds_count", model=model) == 0


async def test_times_tokens_and_cost_are_summed_up_by_model(bench: Bench):
    get, model = bench.reader.get, "openai/m"
    bench.metrics.note(ANSWERED)  # before anything is known of prices
    bench.metrics.price_by(lambda provider, name, usage: Decimal("0.25"))
    bench.metrics.note(ANSWERED)
    assert await get("skein_model_first_text_seconds_sum", model=model) == 2
    assert await get("skein_model_answer_seconds_bucket", model=model, le="4.0") == 2
    assert await get("skein_model_tokens_total", model=model, kind="input") == 2000
    assert await get("skein_model_tokens_total", model=model, kind="cached") == 1600
    assert await get("skein_model_tokens_total", model=model, kind="output") == 100
    assert await get("skein_model_cost_dollars_total", model=model) == 0.25


async def test_an_unknown_price_is_no_cost_of_0(bench: Bench):
    bench.metrics.price_by(lambda provider, name, usage: None)
    bench.metrics.note(ANSWERED)
    assert await bench.reader.get("skein_model_cost_dollars_total", model="openai/m") is None


async def test_a_breakers_state_is_shown_from_the_first_request_on(bench: Bench):
    get, model = bench.reader.get, "openai/m"
    bench.metrics.note(ANSWERED)
    for state in BreakerState:
        bench.breaker_states[model] = state
        for each in BreakerState:
            shown = await get("skein_breaker_state", model=model, state=each.value)
            assert shown == float(each is state)
    bench.metrics.note(BreakerOpened("openai", "m"))
    assert await get("skein_breaker_opened_total", model=model) == 1


async def test_turns_are_counted_by_platform_and_how_they_ended(bench: Bench):
    get = bench.reader.get
    bench.metrics.note(TurnEnded("slack", TurnState.DONE, SECOND))
    bench.metrics.note(TurnEnded("slack", TurnState.FAILED, SECOND))
    assert await get("skein_turns_total", platform="slack", state="done") == 1
    assert await get("skein_turns_total", platform="slack", state="failed") == 1
    assert await get("skein_turn_seconds_count", platform="slack") == 2
    assert await get("skein_turns_running") == 2
    assert await get("skein_turns_waiting") == 5


async def test_calls_that_a_platform_did_not_take_are_counted(bench: Bench):
    bench.metrics.note(DeliveryRetried("discord", "slow_down"))
    retries = await bench.reader.get(
        "skein_delivery_retries_total", platform="discord", reason="slow_down"
    )
    assert retries == 1


async def test_the_queue_before_a_providers_limits_is_shown(bench: Bench):
    get = bench.reader.get
    bench.metrics.note(QueueLeft("openai", SECOND, is_admitted=True))
    bench.metrics.note(QueueLeft("openai", SECOND, is_admitted=False))
    for admitted in ("true", "false"):
        count = await get("skein_limiter_wait_seconds_count", provider="openai", admitted=admitted)
        assert count == 1
    assert await get("skein_limiter_waiting", provider="openai") == 3


async def test_store_and_platforms_are_there_or_not(bench: Bench):
    await bench.reader.wait_for(1, "skein_connected", part="store")
    assert await bench.reader.get("skein_connected", part="slack") == 0
    bench.slack.connect()
    assert await bench.reader.get("skein_connected", part="slack") == 1


async def test_the_page_names_the_program_and_measures_its_process(bench: Bench):
    async with bench.client.get(f"{bench.url}/metrics") as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = await response.text()
    assert re.search(r'^skein_build_info\{.*version="\d', text, re.MULTILINE)
    assert "process_resident_memory_bytes " in text
    assert "_created" not in text
    headers = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with bench.client.get(f"{bench.url}/metrics", headers=headers) as response:
        assert response.headers["Content-Type"].startswith("application/openmetrics-text")
        assert (await response.text()).endswith("# EOF\n")


async def test_a_gauge_that_cannot_be_read_is_left_out(
    bench: Bench, caplog: pytest.LogCaptureFixture
):
    def fail() -> dict[tuple[str, ...], float]:
        raise LookupError("nobody expected this")

    bench.metrics.add_gauge("skein_odd", "Fails.", (), fail)
    assert await bench.reader.get("skein_odd") is None
    assert await bench.reader.get("skein_turns_running") == 2
    assert "skein_odd cannot be read" in caplog.text


def test_only_so_many_models_have_a_name_of_their_own():
    names = ModelNames()
    own = [names.name("openai", str(number)) for number in range(MAX_MODELS)]
    assert own == [f"openai/{number}" for number in range(MAX_MODELS)]
    assert names.name("openai", "one more") == "openai/other"
    assert names.name("openai", "0") == "openai/0"


def test_a_model_that_nobody_serves_has_no_name_of_its_own():
    names = ModelNames()
    assert names.name("openai", "typo", is_there=False) == "openai/other"
    assert not names.knows("openai/typo")
    assert names.name("openai", "m") == names.name("openai", "m", is_there=False) == "openai/m"
