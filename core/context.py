"""What of a conversation goes to the model. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from core.conversation import Message, Role

_BYTES_PER_TOKEN = 3.5  # errs on the long side for English prose; a token is 4 bytes of it
_TOKENS_PER_MESSAGE = 4
_SPARE = 0.95  # an estimate is no count


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of a text without a tokenizer; rather too many than too few."""
    return int(len(text.encode("utf-8", "replace")) / _BYTES_PER_TOKEN) + _TOKENS_PER_MESSAGE


def estimate_message_tokens(message: Message) -> int:
    """Estimate the tokens of a message with its images."""
    return estimate_tokens(message.text) + sum(image.tokens for image in message.images)


def fit_answer(max_new_tokens: int, window_tokens: int) -> int:
    """Limit the answer's length so that half of the window, at the least, is the conversation's."""
    return max(1, min(max_new_tokens, window_tokens // 2))


def limit_characters(window_tokens: int) -> int:
    """Say of how many characters, at the least, `fit_messages` can make no more use."""
    return int(window_tokens * _BYTES_PER_TOKEN)


def fit_messages(
    messages: Sequence[Message], system: str | None, window_tokens: int, answer_tokens: int
) -> tuple[Message, ...]:
    """Choose the newest messages that fit the window beside system prompt and answer.

    The last message, the question, is always among them. What is left begins with a person's
    message and alternates in role, as providers demand. System messages are left out.
    """
    return tuple(merge_same_role(choose_newest(messages, system, window_tokens, answer_tokens)))


def choose_newest(
    messages: Sequence[Message], system: str | None, window_tokens: int, answer_tokens: int
) -> list[Message]:
    """Choose as `fit_messages` does, without joining any: what is missing was said before them."""
    budget_tokens = int((window_tokens - answer_tokens) * _SPARE) - estimate_tokens(system or "")
    spoken = [message for message in name_speakers(messages) if message.role != "system"]
    kept: list[Message] = []
    for message in reversed(spoken):
        budget_tokens -= estimate_message_tokens(message)
        if kept and budget_tokens < 0:
            break
        kept.append(message)
    kept.reverse()
    while len(kept) > 1 and kept[0].role != "user":
        kept.pop(0)
    return kept


def name_speakers(messages: Sequence[Message]) -> list[Message]:
    """Begin each person's message with their name, once more than one person has spoken."""
    speakers = {message.author.id for message in messages if message.author}
    if len(speakers) < 2:
        return list(messages)
    return [
        replace(message, text=f"{message.author.name or message.author.id}: {message.text}")
        if message.role == "user" and message.author
        else message
        for message in messages
    ]


def merge_same_role(messages: Sequence[Message]) -> list[Message]:
    """Join neighbours of one role into one message, as providers want roles to alternate."""
    merged: list[Message] = []
    role: Role | None = None
    for message in messages:
        if message.role == role:
            merged[-1] = merged[-1].join(message)
        else:
            merged.append(message)
            role = message.role
    return merged
