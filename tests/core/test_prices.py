from __future__ import annotations

import sys
from decimal import Decimal

import pytest

from core.conversation import Usage
from core.prices import Price, Prices, find_known_window

OPENAI = "https://api.openai.com/v1"
ADDRESSES = {
    "openai": OPENAI,
    "anthropic": "https://api.anthropic.com",
    "openrouter": "https://openrouter.ai/api/v1",
    "groq": "https://api.groq.com/openai/v1",
    "gemini": "https://generativelanguage.googleapis.com/v1beta/openai",
    "azure": "https://example.openai.azure.com/openai/v1",
    "own": "http://127.0.0.1:8000/v1",
}
USAGE = Usage(input_tokens=1000, output_tokens=100)


@pytest.fixture
def prices() -> Prices:
    return Prices(lambda name: ADDRESSES.get(name, ""))


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o-mini"),
        ("openai", "gpt-4o-mini-2024-07-18"),
        ("anthropic", "claude-sonnet-4-20250514"),
        ("openrouter", "anthropic/claude-sonnet-4"),
        ("groq", "llama-3.3-70b-versatile"),
        ("gemini", "gemini-2.0-flash"),
        ("azure", "gpt-4o"),
    ],
)
def test_models_are_known_by_the_names_that_their_providers_give_them(
    prices: Prices, provider: str, model: str
) -> None:
    cost = prices.find_cost(provider, model, USAGE)
    assert cost is not None
    assert Decimal("0.00001") < cost < Decimal("0.05")
    assert prices.knows(provider, model)


@pytest.mark.parametrize(
    ("provider", "model"), [("openai", "no-such-model"), ("own", "gpt-4o"), ("nobody", "gpt-4o")]
)
def test_unknown_is_unknown_and_not_free(prices: Prices, provider: str, model: str) -> None:
    assert prices.find_cost(provider, model, USAGE) is None
    assert not prices.knows(provider, model)


def test_known_provider_at_another_address_is_unknown() -> None:
    proxied = Prices(lambda _: "http://localhost:4000/v1")
    assert proxied.find_cost("openai", "gpt-4o", USAGE) is None


@pytest.mark.parametrize("provider", ["ollama", "vllm", "lmstudio", "demo"])
def test_servers_of_ones_own_send_no_bill(prices: Prices, provider: str) -> None:
    assert prices.find_cost(provider, "anything", Usage()) == 0


@pytest.mark.parametrize("usage", [Usage(), Usage(10, None), Usage(None, 10)])
def test_untold_tokens_have_no_price(prices: Prices, usage: Usage) -> None:
    assert prices.find_cost("openai", "gpt-4o", usage) is None


def test_cached_tokens_cost_less_and_written_ones_more(prices: Prices) -> None:
    fresh = prices.find_cost("anthropic", "claude-sonnet-4-5", USAGE)
    cached = prices.find_cost("anthropic", "claude-sonnet-4-5", Usage(1000, 100, 900))
    written = prices.find_cost("anthropic", "claude-sonnet-4-5", Usage(1000, 100, 0, 900))
    assert fresh is not None
    assert cached is not None
    assert written is not None
    assert cached < fresh < written


def test_nonsense_of_a_provider_raises_nothing(prices: Prices) -> None:
    assert prices.find_cost("openai", "gpt-4o", Usage(10, 10, 10**9, 10**9)) is not None
    assert prices.find_cost("openai", "gpt-4o", Usage(-10, -10)) is None


def test_own_price_wins() -> None:
    own = {"own/llama": Price(Decimal(1), Decimal(2), Decimal("0.5"))}
    prices = Prices(lambda _: OPENAI, own.get)
    assert prices.find_cost("own", "llama", Usage(1000, 100, 400)) == Decimal("0.001")
    assert prices.find_cost("own", "llama", Usage()) is None


def test_table_that_cannot_be_loaded_makes_costs_unknown(
    monkeypatch: pytest.MonkeyPatch, prices: Prices
) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    assert prices.find_cost("openai", "gpt-4o", USAGE) is None


def test_windows_of_many_models_are_known() -> None:
    assert find_known_window("openai", "gpt-4o") == 128_000
    assert find_known_window("xai", "grok-4") == 256_000
    assert find_known_window("openai", "no-such-model") is None
    assert find_known_window("nobody", "gpt-4o") is None


def test_more_tokens_from_the_cache_than_were_sent_are_paid_for_but_once() -> None:
    price = Price(Decimal(10), Decimal(0), Decimal(1))
    assert price.find_cost(Usage(1_000_000, 0, 3_000_000)) == Decimal(1)
