"""Asks again without images where a model's server will not have them, and remembers that for a while.

Servers word it in many ways: OpenAI "image_url is only supported by certain models", OpenRouter "No endpoints
found that support image input", vLLM "At most 1 image(s) may be provided", llama.cpp "you may need to provide
the mmproj", DeepSeek "unknown variant `image_url`", Groq "content must be a string".
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from core import errors
from core.conversation import Message
from core.errors import ProviderError
from core.providers.base import Chunk, Provider, Request

MEMORY = timedelta(hours=1)
"""How long a server's word on images holds: it may be started anew with a model that sees."""

_OTHER_MATTERS = (
    errors.AuthError,
    errors.ContextTooLongError,
    errors.EmptyAnswerError,
    errors.RateLimitedError,
    errors.TimeoutError,
    errors.UnreachableError,
)
_TOO_LARGE = "HTTP 413"
"""Groq takes no request of more than 4 MB; what is too long for the model is another matter."""
_IMAGES = re.compile(r"\bimages?\b|image_url|\bvision\b|multi-?modal|mmproj", re.IGNORECASE)
_NO_PARTS = re.compile(r"\bcontent\b.{0,40}(?:must be a|valid) string", re.IGNORECASE)
_NEVER = re.compile(
    r"support|not enabled|cannot|can't|not a multi-?modal|unknown variant|not available|mmproj",
    re.IGNORECASE,
)
_THIS_ONE = re.compile(
    r"format|media.?type|mime|invalid image|corrupt|decod|process|dimension|\d MB", re.IGNORECASE
)
"""What is said of one image, and not of all."""
_AT_MOST = re.compile(
    r"(?:at most|up to|max(?:imum)?(?: of)?|more than|limit(?: of| is)?:?) (\d+) image",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Limit:
    """How many images a model's server takes, and until when that is believed, by the clock."""

    max_images: int
    until: float


class SightedProvider:
    """A provider over another one. What its server did not see is told with the answer."""

    def __init__(self, inner: Provider, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = inner.name
        self._inner = inner
        self._clock = clock
        self._limits: dict[str, _Limit] = {}

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncGenerator[AsyncIterator[Chunk]]:
        """Ask a model, and once more with fewer images where it refuses those that there are."""
        async with AsyncExitStack() as stack:
            shown, chunks = await self._ask(stack, self._limit(request))
            if unseen := _find_unseen(request, shown):
                chunks = await stack.enter_async_context(
                    aclosing(_begin([Chunk(unseen=unseen)], chunks))
                )
            yield chunks

    def find_room(self, request: Request) -> int:
        """Say how many tokens an answer may take at the most, thoughts and all, as far as is known."""
        return self._inner.find_room(request)

    async def aclose(self) -> None:
        """Release what the provider holds."""
        await self._inner.aclose()

    async def _ask(
        self, stack: AsyncExitStack, request: Request
    ) -> tuple[Request, AsyncIterator[Chunk]]:
        """Ask, with ever fewer images as long as these are refused. Raises ProviderError."""
        while _count_images(request):
            try:
                return request, await self._open(stack, request)
            except ProviderError as error:
                fewer = self._learn(request, error)
                if fewer is None:
                    raise
                request = fewer
        return request, await stack.enter_async_context(self._inner.stream(request))

    async def _open(self, stack: AsyncExitStack, request: Request) -> AsyncIterator[Chunk]:
        """Read up to the first word: some servers refuse within the answer. Raises ProviderError."""
        async with AsyncExitStack() as attempt:
            chunks = await attempt.enter_async_context(self._inner.stream(request))
            head = [chunk async for chunk in _until_text(chunks)]
            stack.push_async_exit(attempt.pop_all())
        return await stack.enter_async_context(aclosing(_begin(head, chunks)))

    def _limit(self, request: Request) -> Request:
        limit = self._limits.get(request.model)
        if limit is None or limit.until < self._clock():
            return request
        return show_fewer(request, limit.max_images)

    def _learn(self, request: Request, error: ProviderError) -> Request | None:
        """Give the request to try instead. None where images are not what is refused."""
        count = _count_images(request)
        if isinstance(error, errors.ContextTooLongError) and _TOO_LARGE in error.detail:
            return show_fewer(request, count // 2)
        max_images = find_max_images(error.detail, count)
        if max_images is None or isinstance(error, _OTHER_MATTERS):
            return None
        if _is_lasting(error.detail):
            until = self._clock() + MEMORY.total_seconds()
            self._limits[request.model] = _Limit(max_images, until)
        return show_fewer(request, max_images)


def find_max_images(refusal: str, asked: int) -> int | None:
    """Say how many of the images a server would take. None where it speaks of something else."""
    if found := _AT_MOST.search(refusal):
        return int(found[1]) if int(found[1]) < asked else 0
    return 0 if _IMAGES.search(refusal) or _NO_PARTS.search(refusal) else None


def _is_lasting(refusal: str) -> bool:
    """Tell whether the model's server will say so the next time, too."""
    if _AT_MOST.search(refusal) or _NO_PARTS.search(refusal):
        return True
    return bool(_NEVER.search(refusal)) and not _THIS_ONE.search(refusal)


def show_fewer(request: Request, max_images: int) -> Request:
    """Keep the newest images alone, and say in the text which are not there."""
    messages = list[Message]()
    for message in reversed(request.messages):
        kept, left = message.images[:max_images], message.images[max_images:]
        max_images -= len(kept)
        if left:
            names = ", ".join(image.name for image in left)
            text = f"{message.text}\n\n[not shown to you: {names}]".strip()
            message = replace(message, text=text, images=kept)
        messages.append(message)
    return replace(request, messages=tuple(reversed(messages)))


def _find_unseen(asked: Request, shown: Request) -> tuple[str, ...]:
    """Name the question's images that were not shown: nobody asks about earlier ones."""
    if shown is asked:
        return ()
    images = asked.messages[-1].images
    return tuple(image.name for image in images[len(shown.messages[-1].images) :])


def _count_images(request: Request) -> int:
    return sum(len(message.images) for message in request.messages)


async def _until_text(chunks: AsyncIterator[Chunk]) -> AsyncGenerator[Chunk]:
    async for chunk in chunks:
        yield chunk
        if chunk.text.strip():
            return


async def _begin(head: Sequence[Chunk], rest: AsyncIterator[Chunk]) -> AsyncGenerator[Chunk]:
    for chunk in head:
        yield chunk
    async for chunk in rest:
        yield chunk
