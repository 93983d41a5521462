"""The providers that Skein knows by name, and the plain names of models and who serves them. Data, no code.

A new provider that speaks Chat Completions is one entry in `PROVIDERS`, and its key a setting. Addresses,
names of keys and models are those that the providers document in November 2026.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.providers.wire.headers import Kind


@dataclass(frozen=True, slots=True)
class KnownProvider:
    """A provider that Skein knows.

    It is set up by its key, by an address of one's own, or by a table in `skein.toml`.
    """

    name: str
    kind: Kind
    base_url: str
    """Empty where the setting of its address has it."""
    default_model: str
    key: str = ""
    """The variable that has its key. One that is no setting counts only where `skein.toml` names it."""
    address: str = ""
    """The setting that has its address, where there is one."""
    is_own: bool = False
    """Whether it is a server of one's own, which is asked for its models."""
    is_by_table: bool = False
    """Whether only a table of `skein.toml` sets it up: its key has other uses."""
    tells: bool = True
    """Whether it lists its models, at `base_url`/models."""

    @property
    def variable(self) -> str:
        """The setting that makes it configured."""
        return self.address if self.is_own or self.kind == "azure" else self.key


_GPT_OSS = "openai/gpt-oss-120b"

PROVIDERS = (
    KnownProvider(
        "gemini",
        "openai",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "gemini-flash-latest",
        "GEMINI_API_KEY",
    ),
    KnownProvider("groq", "openai", "https://api.groq.com/openai/v1", _GPT_OSS, "GROQ_API_KEY"),
    KnownProvider(
        "openrouter",
        "openai",
        "https://openrouter.ai/api/v1",
        "openai/gpt-6-luna",
        "OPENROUTER_API_KEY",
    ),
    KnownProvider("openai", "openai", "", "gpt-6-luna", "OPENAI_API_KEY", "OPENAI_BASE_URL"),
    KnownProvider(
        "anthropic", "anthropic", "", "claude-sonnet-5-5", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"
    ),
    KnownProvider(
        "mistral", "openai", "https://api.mistral.ai/v1", "mistral-small-latest", "MISTRAL_API_KEY"
    ),
    KnownProvider(
        "deepseek", "openai", "https://api.deepseek.com/v1", "deepseek-flash", "DEEPSEEK_API_KEY"
    ),
    KnownProvider("xai", "openai", "https://api.x.ai/v1", "grok-4.3", "XAI_API_KEY"),
    KnownProvider(
        "together", "openai", "https://api.together.xyz/v1", _GPT_OSS, "TOGETHER_API_KEY"
    ),
    KnownProvider(
        "cerebras", "openai", "https://api.cerebras.ai/v1", "gpt-oss-120b", "CEREBRAS_API_KEY"
    ),
    KnownProvider(
        "fireworks",
        "openai",
        "https://api.fireworks.ai/inference/v1",
        "accounts/fireworks/models/gpt-oss-120b",
        "FIREWORKS_API_KEY",
    ),
    KnownProvider(
        "nvidia", "openai", "https://integrate.api.nvidia.com/v1", _GPT_OSS, "NVIDIA_API_KEY"
    ),
    KnownProvider(
        "moonshot", "openai", "https://api.moonshot.ai/v1", "kimi-k2.6", "MOONSHOT_API_KEY"
    ),
    KnownProvider("zai", "openai", "https://api.z.ai/api/paas/v4", "glm-5.3", "ZAI_API_KEY"),
    KnownProvider(
        "minimax", "openai", "https://api.minimax.io/v1", "MiniMax-M3", "MINIMAX_API_KEY"
    ),
    KnownProvider(
        "perplexity",
        "openai",
        "https://api.perplexity.ai",
        "sonar",
        "PERPLEXITY_API_KEY",
        tells=False,
    ),
    KnownProvider(
        "cohere",
        "openai",
        "https://api.cohere.ai/compatibility/v1",
        "command-a-03-2025",
        "COHERE_API_KEY",
    ),
    KnownProvider(
        "vercel", "openai", "https://ai-gateway.vercel.sh/v1", _GPT_OSS, "AI_GATEWAY_API_KEY"
    ),
    KnownProvider(
        "huggingface",
        "openai",
        "https://router.huggingface.co/v1",
        _GPT_OSS,
        "HF_TOKEN",
        is_by_table=True,
    ),
    # A resource's own address, https://NAME.openai.azure.com/openai/v1; models are deployments, which it
    # does not list.
    KnownProvider(
        "azure",
        "azure",
        "",
        "gpt-4o-mini",
        "AZURE_OPENAI_API_KEY",
        "AZURE_OPENAI_BASE_URL",
        tells=False,
    ),
    KnownProvider("vllm", "openai", "", "default", "", "VLLM_BASE_URL", is_own=True),
    KnownProvider("lmstudio", "openai", "", "default", "", "LMSTUDIO_BASE_URL", is_own=True),
    KnownProvider("ollama", "openai", "", "llama3.3", "", "OLLAMA_BASE_URL", is_own=True),
)

ALIASES = {
    # OpenAI shuts both down on 2027-01-14, and names the last of each list as what comes then.
    "gpt-4o": (
        "openai/gpt-4o",
        "azure/gpt-4o",
        "openrouter/openai/gpt-4o",
        "vercel/openai/gpt-4o",
        "openai/gpt-6-luna",
    ),
    "gpt-4o-mini": (
        "openai/gpt-4o-mini",
        "azure/gpt-4o-mini",
        "openrouter/openai/gpt-4o-mini",
        "vercel/openai/gpt-4o-mini",
        "openai/gpt-6-luna",
    ),
    # Anthropic retired Claude Sonnet 4 on 2026-06-15: there its successor answers.
    "claude-4-sonnet": (
        "anthropic/claude-sonnet-5-5",
        "openrouter/anthropic/claude-sonnet-4",
        "vercel/anthropic/claude-sonnet-4",
    ),
    # Groq (2026-08-16) and Cerebras (2026-02-16) retired it, and name what answers in its place.
    "llama-3.3-70b": (
        "together/meta-llama/Llama-3.3-70B-Instruct-Turbo",
        "openrouter/meta-llama/llama-3.3-70b-instruct",
        "huggingface/meta-llama/Llama-3.3-70B-Instruct",
        "nvidia/meta/llama-3.3-70b-instruct",
        "groq/openai/gpt-oss-120b",
        "cerebras/gpt-oss-120b",
        "ollama/llama3.3",
    ),
    # Google shut it down on 2026-06-01; this is its own name for the newest of the kind.
    "gemini-2.0-flash": (
        "gemini/gemini-flash-latest",
        "openrouter/~google/gemini-flash-latest",
    ),
}
"""Plain names, and who serves them, in order: the first that is configured, and lists that model, answers."""

FAMILIES = (
    (("gpt-", "chatgpt-", "o1", "o3", "o4"), "openai"),
    (("claude-",), "anthropic"),
    (("gemini-",), "gemini"),
    (("mistral-", "ministral-", "magistral-", "codestral-", "devstral-", "pixtral-"), "mistral"),
    (("deepseek-",), "deepseek"),
    (("grok-",), "xai"),
    (("kimi-", "moonshot-"), "moonshot"),
    (("glm-",), "zai"),
    (("minimax-",), "minimax"),
    (("sonar",), "perplexity"),
    (("command-",), "cohere"),
)
"""How the names of a maker's models begin, and who the maker is."""

WINDOWS = (
    ("gpt-3.5", 16_385),
    ("gpt-4", 8_192),
    ("gpt-4-turbo", 128_000),
    ("gpt-4o", 128_000),
    ("gpt-4.1", 1_047_576),
    ("gpt-5", 400_000),
    ("gpt-6", 1_050_000),
    ("gpt-oss", 131_072),
    ("chatgpt-4o", 128_000),
    ("o1", 200_000),
    ("o1-mini", 128_000),
    ("o3", 200_000),
    ("o4", 200_000),
    ("claude-", 200_000),
    ("claude-sonnet-5", 1_000_000),
    ("claude-opus-5", 1_000_000),
    ("gemini-", 1_048_576),
    ("llama-3", 131_072),
    ("llama-3-", 8_192),
    ("deepseek-", 65_536),
    ("deepseek-flash", 1_000_000),
    ("deepseek-v4", 1_000_000),
    ("glm-4", 131_072),
    ("glm-5", 200_000),
    ("kimi-k2", 262_144),
    ("command-a", 256_000),
    ("minimax-m3", 1_000_000),
    ("mistral-large", 131_072),
    ("mistral-small", 131_072),
    ("qwen3", 40_960),
)
"""How much models take in, in tokens, by how their names begin; the longest beginning counts."""
