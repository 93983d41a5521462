"""The providers that Skein knows by name, and the plain names of models and who serves them. Data, no code.

A new provider that speaks Chat Completions is one entry in `PROVIDERS` and its settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["openai", "azure", "anthropic", "deluge", "demo"]
"""How it is spoken to: `azure` is Chat Completions with the key in a header `api-key`, `deluge` a library."""


@dataclass(frozen=True, slots=True)
class KnownProvider:
    """A provider that Skein knows. `base_url` is empty where the setting NAME_BASE_URL has it."""

    name: str
    kind: Kind
    base_url: str
    default_model: str
    variable: str
    """The setting that makes it configured."""
    is_own: bool = False
    """Whether it is a server of one's own, which is asked for its models."""


PROVIDERS = (
    KnownProvider(
        "gemini",
        "openai",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "gemini-flash-latest",
        "GEMINI_API_KEY",
    ),
    KnownProvider(
        "groq",
        "openai",
        "https://api.groq.com/openai/v1",
        "llama-3.3-70b-versatile",
        "GROQ_API_KEY",
    ),
    KnownProvider(
        "openrouter",
        "openai",
        "https://openrouter.ai/api/v1",
        "openai/gpt-4o-mini",
        "OPENROUTER_API_KEY",
    ),
    KnownProvider("openai", "openai", "", "gpt-4o-mini", "OPENAI_API_KEY"),
    KnownProvider("anthropic", "anthropic", "", "claude-sonnet-4-5", "ANTHROPIC_API_KEY"),
    KnownProvider(
        "mistral", "openai", "https://api.mistral.ai/v1", "mistral-small-latest", "MISTRAL_API_KEY"
    ),
    KnownProvider(
        "deepseek", "openai", "https://api.deepseek.com/v1", "deepseek-chat", "DEEPSEEK_API_KEY"
    ),
    KnownProvider("xai", "openai", "https://api.x.ai/v1", "grok-4.3", "XAI_API_KEY"),
    KnownProvider(
        "together",
        "openai",
        "https://api.together.xyz/v1",
        "meta-llama/Llama-3.3-70B-Instruct-Turbo",
        "TOGETHER_API_KEY",
    ),
    # A resource's own address, https://NAME.openai.azure.com/openai/v1; models are deployments.
    KnownProvider("azure", "azure", "", "gpt-4o-mini", "AZURE_OPENAI_BASE_URL"),
    KnownProvider("vllm", "openai", "", "default", "VLLM_BASE_URL", is_own=True),
    KnownProvider("lmstudio", "openai", "", "default", "LMSTUDIO_BASE_URL", is_own=True),
    KnownProvider("ollama", "openai", "", "llama3.3", "OLLAMA_BASE_URL", is_own=True),
)

ALIASES = {
    "gpt-4o": ("openai/gpt-4o", "azure/gpt-4o", "openrouter/openai/gpt-4o"),
    "gpt-4o-mini": ("openai/gpt-4o-mini", "azure/gpt-4o-mini", "openrouter/openai/gpt-4o-mini"),
    "claude-4-sonnet": (
        "anthropic/claude-sonnet-4-20250514",
        "openrouter/anthropic/claude-sonnet-4",
    ),
    "llama-3.3-70b": (
        "groq/llama-3.3-70b-versatile",
        "together/meta-llama/Llama-3.3-70B-Instruct-Turbo",
        "openrouter/meta-llama/llama-3.3-70b-instruct",
        "ollama/llama3.3",
    ),
    "gemini-2.0-flash": ("gemini/gemini-2.0-flash", "openrouter/google/gemini-2.0-flash-001"),
}
"""Plain names, and who serves them, in order: the first that is configured answers."""

FAMILIES = (
    (("gpt-", "chatgpt-", "o1", "o3", "o4"), "openai"),
    (("claude-",), "anthropic"),
    (("gemini-",), "gemini"),
    (("mistral-", "ministral-", "magistral-", "codestral-", "devstral-", "pixtral-"), "mistral"),
    (("deepseek-",), "deepseek"),
    (("grok-",), "xai"),
)
"""How the names of a maker's models begin, and who the maker is."""

WINDOWS = (
    ("gpt-3.5", 16_385),
    ("gpt-4", 8_192),
    ("gpt-4-turbo", 128_000),
    ("gpt-4o", 128_000),
    ("gpt-4.1", 1_047_576),
    ("gpt-5", 400_000),
    ("gpt-oss", 131_072),
    ("chatgpt-4o", 128_000),
    ("o1", 200_000),
    ("o1-mini", 128_000),
    ("o3", 200_000),
    ("o4", 200_000),
    ("claude-", 200_000),
    ("gemini-", 1_048_576),
    ("llama-3", 131_072),
    ("llama-3-", 8_192),
    ("deepseek-", 65_536),
    ("mistral-large", 131_072),
    ("mistral-small", 131_072),
    ("qwen3", 40_960),
)
"""How much models take in, in tokens, by how their names begin; the longest beginning counts."""
