"""How many tokens a text takes, estimated without a tokenizer: there is none that fits all models. Pure.

The weights lie between what the tokenizers of OpenAI (cl100k, o200k) and of a small English model
(SmolLM2) count in prose, code, tables, addresses and keys of many scripts. They are rather too high
than too low: too high costs some memory of a conversation, too low a refusal. `core.memory.gauge` corrects
them by what providers report.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from core.conversation import Message

_LETTER = 0.27
"""A letter, a space, a control character of ASCII: a token of prose has four or five of them."""
_DIGIT = 0.8  # many models take each digit by itself
_SIGN = 0.6
_RANDOM = 0.75
"""A letter in base64 and the like, of which no tokenizer knows the words."""
_TWO_BYTES = 0.6  # Cyrillic, Greek, Arabic, and letters with accents
_THREE_BYTES = 1.1  # Chinese, Japanese, Korean, Thai, Hindi
_FOUR_BYTES = 3.0  # emoji
_TOKENS_PER_MESSAGE = 4
_LETTERS_OF_KEYS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_WORDLESS = re.compile(rb"[A-Za-z0-9+/]{32,}")
"""Longer than a word of any language."""
_MASK = bytes(ord("x") if byte in _LETTERS_OF_KEYS else ord(" ") for byte in range(256))
_MASK_OF_WORDLESS = b"x" * 32

_MOST_REMEMBERED = 4096
_LONGEST_REMEMBERED = 2000
"""Of so many texts no longer than this the estimate is kept: a turn asks for the same ones several times,
and the next one in its conversation again."""

_DIGITS = b"0123456789"
_SIGNS = b"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
_LEADS = (
    (bytes(range(0xC2, 0xE0)), _TWO_BYTES),
    (bytes(range(0xE0, 0xF0)), _THREE_BYTES),
    (bytes(range(0xF0, 0xF5)), _FOUR_BYTES),
)
"""The bytes that begin a character of so many in UTF-8."""


def count_tokens(text: str) -> float:
    """Estimate the tokens of a piece of text. A longer piece never takes fewer."""
    data = text.encode("utf-8", "replace")
    digits, signs = _count(data, _DIGITS), _count(data, _SIGNS)
    total = digits * _DIGIT + signs * _SIGN
    letters = len(text) - digits - signs
    if not text.isascii():
        for leads, weight in _LEADS:
            count = _count(data, leads)
            total += count * weight
            letters -= count
    total += letters * _LETTER
    if _MASK_OF_WORDLESS in data.translate(_MASK):  # an expression alone takes ten times as long
        runs = b"".join(_WORDLESS.findall(data))
        others = _count(runs, _DIGITS) + _count(runs, _SIGNS)
        total += (len(runs) - others) * (_RANDOM - _LETTER)
    return total


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of a text as a message of its own."""
    count = _recall_count if len(text) <= _LONGEST_REMEMBERED else count_tokens
    return int(count(text)) + _TOKENS_PER_MESSAGE


def estimate_message_tokens(message: Message) -> int:
    """Estimate the tokens of a message with its images."""
    return estimate_tokens(message.text) + sum(image.tokens for image in message.images)


def estimate_input_tokens(system: str | None, messages: Iterable[Message]) -> int:
    """Estimate the tokens of all that a request sends."""
    return estimate_tokens(system or "") + sum(map(estimate_message_tokens, messages))


def limit_characters(tokens: int) -> int:
    """Say how many characters, at the most, have no more tokens than these."""
    return int(max(0, tokens) / _LETTER)


def cut_text(text: str, max_tokens: int) -> str:
    """Take the middle out of a text that is too long, with a word in its place."""
    if estimate_tokens(text) <= max_tokens:
        return text
    most = max_tokens - _TOKENS_PER_MESSAGE
    word = f"\n[… {len(text):,} characters were too long: this part is left out …]\n"
    room = most - count_tokens(word)
    if room < 0:
        return take_beginning(text, most)
    head = take_beginning(text, room * 2 / 3)
    tail = take_beginning(text[::-1], room / 3)[::-1]
    return f"{head}{word}{tail}"


def take_beginning(text: str, max_tokens: float) -> str:
    """Give as much of a text's beginning as has no more tokens."""
    low, high = 0, min(len(text), limit_characters(int(max_tokens) + 1))
    while low < high:
        middle = (low + high + 1) // 2
        if count_tokens(text[:middle]) <= max_tokens:
            low = middle
        else:
            high = middle - 1
    return text[:low]


_recall_count = lru_cache(_MOST_REMEMBERED)(count_tokens)


def _count(data: bytes, wanted: bytes) -> int:
    return len(data) - len(data.translate(None, wanted))
