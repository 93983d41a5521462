"""The settings of models and of how they are reached. `core/settings.py` has all others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings

from core.limits.settings import Names


def check_http_url(value: str) -> str:
    """Give an address without its last slash. Raises ValueError where it is none, or has a password."""
    if not value.startswith(("http://", "https://")):
        raise ValueError("expected an address that begins with http:// or https://")
    if not (parts := urlsplit(value)).hostname or parts.username or parts.password:
        raise ValueError("expected an address with a host, and without a user or password")
    if parts.query or parts.fragment:  # it would be logged, and might be a key
        raise ValueError("expected an address that ends before ? and #")
    return value.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(check_http_url)]


class ModelSettings(BaseSettings):
    """Which models there are, who answers, and what becomes of an answer that fails."""

    skein_config: Path | None = None
    model: str | None = None
    models: Names = ()
    fallback_models: Names = ()
    on_break: Literal["keep", "replace"] = "keep"
    summary_model: str | None = None
    max_new_tokens: int = Field(default=4096, ge=1)
    max_thinking_tokens: int = Field(default=8192, ge=0)
    reasoning_effort: Literal["minimal", "low", "medium", "high"] | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_context_tokens: int | None = Field(default=None, ge=500)

    gemini_api_key: SecretStr | None = None
    groq_api_key: SecretStr | None = None
    openrouter_api_key: SecretStr | None = None
    openai_api_key: SecretStr | None = None
    openai_base_url: HttpUrl = "https://api.openai.com/v1"
    anthropic_api_key: SecretStr | None = None
    anthropic_base_url: HttpUrl = "https://api.anthropic.com"
    mistral_api_key: SecretStr | None = None
    deepseek_api_key: SecretStr | None = None
    xai_api_key: SecretStr | None = None
    together_api_key: SecretStr | None = None
    cerebras_api_key: SecretStr | None = None
    fireworks_api_key: SecretStr | None = None
    nvidia_api_key: SecretStr | None = None
    moonshot_api_key: SecretStr | None = None
    zai_api_key: SecretStr | None = None
    minimax_api_key: SecretStr | None = None
    perplexity_api_key: SecretStr | None = None
    cohere_api_key: SecretStr | None = None
    ai_gateway_api_key: SecretStr | None = None
    azure_openai_api_key: SecretStr | None = None
    azure_openai_base_url: HttpUrl | None = None
    vllm_base_url: HttpUrl | None = None
    lmstudio_base_url: HttpUrl | None = None
    ollama_base_url: HttpUrl = "http://localhost:11434"
    model_check_seconds: float = Field(default=60, ge=0)

    max_requests_per_minute: int | None = Field(default=None, ge=1)
    max_tokens_per_minute: int | None = Field(default=None, ge=1)
    max_queue_seconds: float = Field(default=120, gt=0)
    fallback_after_seconds: float = Field(default=5, ge=0)
    max_attempts: int = Field(default=5, ge=1, le=10)
    max_retry_after_seconds: float = Field(default=60, ge=0)
    retry_within_seconds: float = Field(default=120, ge=0)
    connect_timeout_seconds: float = Field(default=10, gt=0)
    first_token_timeout_seconds: float = Field(default=60, gt=0)
    token_timeout_seconds: float = Field(default=60, gt=0)
    answer_timeout_seconds: float = Field(default=600, gt=0)
