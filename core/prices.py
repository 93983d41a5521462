"""What an answer cost, and how much a model takes in, as far as `genai-prices` knows; its data comes with it.

What is unknown is None and never 0. Nothing here raises or asks the network: a price that is missing
never stops a reply. The table takes a tenth of a second and 5 MB to load, so it is loaded once, when
it is first asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from core.conversation import Usage

log = logging.getLogger("skein.prices")

FREE_PROVIDERS = frozenset(("demo", "lmstudio", "ollama", "vllm"))
"""They run on the operator's own machines: nobody sends a bill for a call, so that it costs 0."""
PER_MILLION = 1_000_000
_FREE_SUFFIX = ":free"
_OWN_NAMES = {"gemini": "google", "xai": "x-ai"}


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens, as an operator sets them. What is cached costs as input by default."""

    input: Decimal
    output: Decimal
    cached: Decimal | None = None

    def find_cost(self, usage: Usage) -> Decimal | None:
        """Give the cost of an answer, or None where its tokens are not known."""
        if usage.input_tokens is None or usage.output_tokens is None:
            return None
        cached_tokens = min(usage.cached_tokens or 0, usage.input_tokens)
        fresh = self.input * (usage.input_tokens - cached_tokens)
        cached = (self.input if self.cached is None else self.cached) * cached_tokens
        return (fresh + cached + self.output * usage.output_tokens) / PER_MILLION


def _know_no_address(_: str) -> str:
    return ""


def _know_no_price(_: str) -> Price | None:
    return None


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices of an installation's models.

    `find_address` says where a provider is, empty where that is unknown: its prices are those of
    whoever answers there. A server of one's own behind a known provider's name is therefore unknown.
    The operator's own prices, which `find_own` gives by `provider/model`, win.
    """

    find_address: Callable[[str], str] = _know_no_address
    find_own: Callable[[str], Price | None] = _know_no_price

    def find_cost(
        self, provider: str, model: str, usage: Usage, at: datetime | None = None
    ) -> Decimal | None:
        """Give what an answer cost in US dollars at a time (None: now), or None where that is unknown."""
        price = self.find_own(f"{provider}/{model}")
        if price is not None:
            return price.find_cost(usage)
        if provider in FREE_PROVIDERS:
            return Decimal(0)
        if usage.input_tokens is None or usage.output_tokens is None:
            return None
        try:
            return _calculate(self.find_address(provider), model, usage, at)
        except LookupError:
            return None
        except Exception:
            log.warning("the price of %s/%s cannot be told", provider, model, exc_info=True)
            return None

    def knows(self, provider: str, model: str) -> bool:
        """Tell whether a model's cost will be known."""
        return self.find_cost(provider, model, Usage(1, 1)) is not None


def find_known_window(provider: str, model: str) -> int | None:
    """Say how many tokens a model takes in, question and answer together, or None where that is unknown."""
    try:
        from genai_prices.data_snapshot import get_snapshot  # see above: it is loaded when needed

        name = _OWN_NAMES.get(provider, provider)
        _, found = get_snapshot().find_provider_model(model, None, name, None)
    except LookupError:
        return None
    except Exception:
        log.warning("the window of %s/%s cannot be told", provider, model, exc_info=True)
        return None
    return found.context_window


def find_known_models(provider: str) -> tuple[str, ...]:
    """Name the models that a provider is known to serve; none where nobody knows."""
    try:
        from genai_prices.data_snapshot import get_snapshot

        snapshot = get_snapshot()
        found = snapshot.find_provider(None, _OWN_NAMES.get(provider, provider), None)
    except LookupError:
        return ()
    except Exception:
        log.warning("the models of %s cannot be told", provider, exc_info=True)
        return ()
    return tuple(model.id for model in found.models)


def load_prices() -> None:
    """Load the table now, which blocks: to be called in a thread, before the first answer."""
    find_known_window("openai", "gpt-4o")


def _calculate(address: str, model: str, usage: Usage, at: datetime | None) -> Decimal | None:
    """Look a price up. Raises LookupError where there is none, and whatever the table raises."""
    if not address:
        return None
    import genai_prices  # see above

    cached = min(usage.cached_tokens or 0, usage.input_tokens or 0)
    written = min(usage.written_tokens or 0, (usage.input_tokens or 0) - cached)
    found = genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=cached or None,
            cache_write_tokens=written or None,
        ),
        model,
        provider_api_url=address,
        genai_request_timestamp=at,
    )
    return found.total_price if _has_price(found.model_price) or _is_free(model) else None


def _has_price(price: Any) -> bool:
    """A model that stands in the table without prices for its tokens is unknown, not free."""
    return all(getattr(price, name, None) is not None for name in ("input_mtok", "output_mtok"))


def _is_free(model: str) -> bool:
    return model.endswith(_FREE_SUFFIX)
