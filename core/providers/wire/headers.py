"""The headers that say who asks, in each API's own way."""

from __future__ import annotations

from typing import Literal

from pydantic import SecretStr

Kind = Literal["openai", "azure", "anthropic", "deluge", "demo"]
"""How it is spoken to: `azure` is Chat Completions with the key in a header `api-key`, `deluge` a library."""

ANTHROPIC_VERSION = "2023-06-01"


def make_headers(kind: Kind, key: SecretStr | None) -> dict[str, str]:
    """Give what every request to a server of this kind begins with."""
    secret = key.get_secret_value().strip() if key else ""
    headers = {"anthropic-version": ANTHROPIC_VERSION} if kind == "anthropic" else {}
    if not secret:
        return headers
    match kind:
        case "azure":
            return {"api-key": secret}
        case "anthropic":
            return {**headers, "x-api-key": secret}
        case _:
            return {"Authorization": f"Bearer {secret}"}
