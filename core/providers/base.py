"""The provider's protocol. Every adapter passes the same contract suite, tests/core/providers/contract.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal, Protocol

from core.conversation import Message, Usage

FinishReason = Literal["stop", "length", "refusal", "other"]
Purpose = Literal["answer", "summary"]
"""What a request is for: an answer that somebody waits for, or a summary for which nobody does."""


def _tell_nobody(_: int | None) -> None:
    """Do nothing."""


def _note_nothing(_: ModelRef, __: Usage) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Asker:
    """For whom a request is made, so that nobody holds up the others, and who hears of waiting.

    `on_place` is told how many requests are ahead in the queue before the provider's limits, and
    None when the request is let in, or given up. `on_attempt` is told of what an attempt took that
    came to no word, where the provider says so: it is paid for all the same.
    """

    person: str = ""
    channel: str = ""
    on_place: Callable[[int | None], None] = field(default=_tell_nobody, compare=False)
    on_attempt: Callable[[ModelRef, Usage], None] = field(default=_note_nothing, compare=False)
    is_patient: bool = False
    """Whether nobody waits for it: it lines up only once nobody else does."""


NOBODY = Asker()
"""Who asks for all requests that are nobody's in particular: they stand in one queue."""


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
    asker: Asker = NOBODY
    purpose: Purpose = "answer"


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model as one provider serves it. Its text form is `provider/model`."""

    provider: str
    model: str
    window_tokens: int
    image_tokens: int = 0
    """How many an image takes at the most; 0 for a model that cannot see, or of which nobody knows."""
    max_new_tokens: int | None = None
    """How long its answers may be; None: as long as any."""
    temperature: float | None = None
    """None: that of all models."""

    def address(self, request: Request) -> Request:
        """Put a request to this model, with what is set for it."""
        return replace(
            request,
            model=self.model,
            max_new_tokens=min(
                request.max_new_tokens, self.max_new_tokens or request.max_new_tokens
            ),
            temperature=request.temperature if self.temperature is None else self.temperature,
        )

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an answer. The last one carries why it ended, and the usage where it is told."""

    text: str = ""
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    pause: timedelta | None = None
    """How long the provider wants to be asked nothing, as the answer's headers say."""
    answered_by: ModelRef | None = None
    """Set by the router where another model than the one that was asked speaks from here on."""
    is_restart: bool = False
    """Whether what came before broke off, and a whole answer follows."""
    unseen: tuple[str, ...] = ()
    """The names of the question's images that the model's server did not take."""


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

    def find_room(self, request: Request) -> int:
        """Say how many tokens an answer may take at the most, thoughts and all, as far as is known."""
        ...

    async def aclose(self) -> None:
        """Release what the provider holds. A shared session is not its to close."""
        ...


class Models(Protocol):
    """Every configured model behind one door: names resolved, limits kept, failures retried."""

    @property
    def default(self) -> ModelRef:
        """The model of a conversation that chose none."""
        ...

    def get_model(self, name: str | None) -> ModelRef:
        """Find a model by the name that people give it; None is the default.

        Raises UnknownModelError.
        """
        ...

    def list_models(self) -> tuple[str, ...]:
        """Name what people may choose, plain names first."""
        ...

    async def look_again(self) -> None:
        """Look whether there are other models by now, if it is long enough ago. Never raises."""
        ...

    def stream(
        self, ref: ModelRef, request: Request
    ) -> AbstractAsyncContextManager[AsyncIterator[Chunk]]:
        """Ask a model; entering returns once the answer's first text is there.

        Raises ProviderError: on entering after the last attempt, and between chunks where the
        answer breaks, which is never retried.
        """
        ...


class Admission(Protocol):
    """Leave to make one request."""

    def correct(self, tokens: int) -> None:
        """Replace the estimate by what the request took in truth."""
        ...

    def withdraw(self) -> None:
        """Give it back, since no request is made."""
        ...


class Limiter(Protocol):
    """Keeps one provider's requests within its limits, first come first served."""

    async def admit(self, model: str, tokens: int) -> Admission:
        """Wait for leave to make a request of so many tokens, input and answer together.

        Raises RateLimitedError where that would take too long.
        """
        ...

    def pause(self, duration: timedelta) -> None:
        """Admit nothing for so long, as the provider asked."""
        ...
