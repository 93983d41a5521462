"""Which models see images, and how many tokens one takes. Pure.

The numbers are the most that providers count for an image of the size that is sent (1,568 pixels at the
longest edge): OpenAI by tiles or patches (platform.openai.com/docs/guides/images-vision), Anthropic width
times height by 750 (docs.claude.com, "Vision"), Gemini 258 a tile (ai.google.dev, "Image understanding").
"""

from __future__ import annotations

_MANY = (
    3_300  # 1,568 by 1,568 pixels in patches of 28 by 28, as most open models and Anthropic count
)

_FAMILIES = (
    ("chatgpt-4o", 1_445),
    ("gpt-4-turbo", 1_445),
    ("gpt-4.1", 1_445),
    ("gpt-4.1-mini", 2_489),
    ("gpt-4.1-nano", 3_779),
    ("gpt-4o", 1_445),
    ("gpt-4o-mini", 25_501),  # a square one: it counts each tile 33 times
    ("gpt-4o-audio", 0),
    ("gpt-5", 1_445),
    ("gpt-5-mini", 2_489),
    ("gpt-5-nano", 3_779),
    ("gpt-6", _MANY),
    ("kimi-k2.", _MANY),
    ("minimax-m3", _MANY),
    ("o1", 1_275),
    ("o1-mini", 0),
    ("o1-preview", 0),
    ("o3", 1_275),
    ("o3-mini", 0),
    ("o4", 2_642),
    ("claude-", _MANY),
    ("claude-2", 0),
    ("claude-instant", 0),
    ("gemini-", 1_600),
    ("gemma-3", 300),
    ("gemma-3-1b", 0),
    ("gemma3", 300),
    ("gemma3:1b", 0),
    ("grok-4", 1_800),
    ("llama-4", 3_300),
    ("llama4", 3_300),
    ("llava", 2_900),
    ("minicpm-v", 1_000),
    ("mistral-medium", _MANY),
    ("mistral-small-3", _MANY),
    ("mistral-small3", _MANY),
    ("mistral-small-latest", _MANY),
    ("moondream", 800),
    ("pixtral", _MANY),
)
_MARKS = ("vision", "-vl", "2vl", "5vl")


def find_image_tokens(provider: str, model: str, *, sees: bool | None = None) -> int:
    """Say how many tokens an image takes at the most. 0 where a model cannot see, or nobody knows.

    `sees` is what the operator or the model's server says of it, which counts.
    """
    if sees is not None:
        return (find_image_tokens(provider, model) or _MANY) if sees else 0
    if provider == "demo":
        return 1_000
    name = model.rpartition("/")[2].lower()
    known = [(len(start), tokens) for start, tokens in _FAMILIES if name.startswith(start)]
    if known:
        return max(known)[1]
    return _MANY if any(mark in name for mark in _MARKS) else 0
