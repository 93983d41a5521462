"""The provider's protocol. Every adapter passes the same contract suite, tests/core/providers/contract.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol

from core.conversation import Message, Usage

FinishReason = Literal["stop", "length", "refusal", "other"]


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model, whole.

    `messages` begin with a user's message, alternate in role, and end with the question; the
    system prompt stands apart. `model` is the provider's own name for it, without a prefix.
    """

    model: str
    messages: tuple[Message, ...]
    system: str | None = None
    max_new_tokens: int = 4096
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an answer. The last one carries why it ended, and the usage where it is told."""

    text: str = ""
    finish_reason: FinishReason | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a provider may take: to connect, to the first token, between tokens, and in all."""

    connect: timedelta = timedelta(seconds=10)
    first_token: timedelta = timedelta(seconds=60)
    between_tokens: timedelta = timedelta(seconds=60)
    total: timedelta = timedelta(seconds=600)


class Provider(Protocol):
    """One way to reach models. It asks once: limits and retries stand above it, in the router."""

    name: str

    def stream(self, request: Request) -> AbstractAsyncContextManager[AsyncIterator[Chunk]]:
        """Ask a model. Leaving the context ends the request, however far it came.

        Raises ProviderError: on entering where the provider refuses, and between chunks where the
        answer breaks. An answer that ends without a finish reason is broken (UnreachableError).
        """
        ...

    async def load_models(self) -> Sequence[str]:
        """Ask for the names of the models that this provider serves. Raises ProviderError."""
        ...

    async def aclose(self) -> None:
        """Release what the provider holds. A shared session is not its to close."""
        ...
