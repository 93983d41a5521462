"""Ends an answer that is longer than any model writes: a server that goes on and on would fill the memory."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace

from core.providers.base import Chunk, ModelRef

log = logging.getLogger("skein.providers")

MAX_ANSWER_CHARACTERS = 1_000_000
"""About 250,000 tokens: twice what models are let write."""


async def end_in_time(
    ref: ModelRef, chunks: AsyncIterator[Chunk], max_characters: int = MAX_ANSWER_CHARACTERS
) -> AsyncGenerator[Chunk]:
    """Give an answer's chunks; one that is longer ends there, as if it had reached its length limit."""
    left = max_characters
    async for chunk in chunks:
        if len(chunk.text) > left:
            log.warning("%s: the answer has more than %d characters: cut", ref, max_characters)
            yield replace(chunk, text=chunk.text[:left], finish_reason="length")
            return
        left -= len(chunk.text)
        yield chunk
