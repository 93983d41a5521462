"""What of a conversation goes to the model, and what a summary should take over. Pure.

All sizes are tokens as `core.tokens` estimates them: who asks converts a model's room into those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.conversation import Message, Role
from core.store.rooms.memories import Pin
from core.tokens import cut_text, estimate_input_tokens, estimate_message_tokens, estimate_tokens

_SPARE = 0.95  # an estimate is no count
_MOST_FULL = 0.75
"""How full of talk the room gets before a summary takes over the older half of it."""
_FULL_AFTERWARDS = 0.4
_LEAST_SUMMARY_TOKENS = 40
_LEAST_QUESTION_TOKENS = 40
"""What each of several messages that are answered together has, at the least."""


def fit_answer(max_new_tokens: int, window_tokens: int) -> int:
    """Limit the answer's length so that half of the window, at the least, is the conversation's."""
    return max(1, min(max_new_tokens, window_tokens // 2))


def fit_summary(room_tokens: int) -> int:
    """Say how long a summary may get where there is so much room for the whole conversation."""
    return max(_LEAST_SUMMARY_TOKENS, min(1_000, room_tokens // 6))


@dataclass(frozen=True, slots=True)
class Material:
    """What there is to send. `messages` come oldest first; the question is all behind the last answer."""

    messages: Sequence[Message]
    system: str = ""
    summary: str = ""
    """Of what was said before the messages."""
    pins: Sequence[Pin] = ()


@dataclass(frozen=True, slots=True)
class Fitted:
    """What is sent. `messages` begin with a person's, alternate in role, and hold summary and pins."""

    messages: tuple[Message, ...]
    system: str
    summary: str
    pins: tuple[Pin, ...]
    """Those that are sent on their own: one whose message is sent is not sent twice."""
    said: tuple[Message, ...]
    """The messages of the conversation that are sent as they were said, the question's the last."""
    is_cut: bool
    """Whether the question was too long to be sent whole."""

    @property
    def tokens(self) -> int:
        """Estimate what it takes in all."""
        return estimate_input_tokens(self.system, self.messages)


def fit(material: Material, room_tokens: int) -> Fitted:
    """Choose what is sent of a conversation in a room, which is the model's window less the answer.

    The question always is, cut with a word where it alone is too long; then pins, the newest first,
    the summary, and the newest turns, each with its question and its answer.
    """
    fitted = _fit(material, room_tokens)
    # What would be sent twice need not take room twice, as long as it is sent at all.
    while material.pins:
        sent = _find_positions(fitted.said)
        others = tuple(pin for pin in material.pins if pin.position not in sent)
        material = replace(material, pins=others)
        roomier = _fit(material, room_tokens)
        if len(roomier.said) <= len(fitted.said) or not sent <= _find_positions(roomier.said):
            return fitted
        fitted = roomier
    return fitted


def _fit(material: Material, room_tokens: int) -> Fitted:
    left = max(1, int(room_tokens * _SPARE))
    system = cut_text(material.system, left // 2) if material.system else ""
    left -= estimate_tokens(system)
    spoken = [each for each in name_speakers(material.messages) if each.role != "system"]
    earlier, whole = split_question(spoken)
    remembered = estimate_tokens(render_memory(material.summary, material.pins))
    question = cut_question(whole, left - min(remembered * 3 // 2, left // 4))
    left -= sum(map(estimate_message_tokens, question))
    pins = _choose_pins(material.pins, left)
    summary = _fit_beside(material.summary, pins, left)
    memory = render_memory(summary, pins)
    left -= estimate_tokens(memory) if memory else 0
    said = (*_choose_turns(earlier, left), *question)
    sent = _find_positions(said)
    pins = tuple(pin for pin in pins if pin.position not in sent)
    preamble = [Message.user(memory)] if (memory := render_memory(summary, pins)) else []
    messages = tuple(merge_same_role([*preamble, *said]))
    return Fitted(messages, system, summary, pins, said, is_cut=question != tuple(whole))


def plan_summary(
    messages: Sequence[Message], talk_tokens: int, *, is_cut_short: bool = False
) -> int | None:
    """Say up to which position a summary should take over, so that there is room for more again.

    None while there is. `is_cut_short` says that some messages before these fell out already. The
    last turn is never taken over.
    """
    turns = group_turns([each for each in name_speakers(messages) if each.role != "system"])
    sizes = [sum(map(estimate_message_tokens, turn)) for turn in turns]
    is_full = is_cut_short or sum(sizes) > talk_tokens * _MOST_FULL
    if not turns or not is_full:
        return None
    index, kept = len(turns) - 1, sizes[-1]
    while index and kept + sizes[index - 1] <= talk_tokens * _FULL_AFTERWARDS:
        index -= 1
        kept += sizes[index]
    return turns[index][0].position - 1 if index or is_cut_short else None


def group_turns(messages: Sequence[Message]) -> list[list[Message]]:
    """Group messages into questions, each with the answer to it."""
    turns: list[list[Message]] = []
    last: Role | None = None
    for message in messages:
        if not turns or (message.role == "user" and last == "assistant"):
            turns.append([])
        turns[-1].append(message)
        last = message.role
    return turns


def render_memory(summary: str, pins: Sequence[Pin]) -> str:
    """Word what is remembered for the model; empty where nothing is."""
    parts: list[str] = []
    if summary:
        parts.append(f"What was said earlier in this conversation, in short:\n{summary}")
    if pins:
        lines = "\n".join(f"- {_name_pin(pin)}" for pin in pins)
        parts.append(f"People here want you to keep in mind:\n{lines}")
    if not parts:
        return ""
    text = "\n\n".join(parts).replace("</memory", "< /memory")
    return f"<memory>\n{text}\n</memory>"


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


def split_question(messages: Sequence[Message]) -> tuple[Sequence[Message], Sequence[Message]]:
    """Split off the question: what people said since the last answer, which one reply may answer."""
    begin = len(messages) - 1
    while begin and messages[begin - 1].role == messages[begin].role == "user":
        begin -= 1
    return messages[:begin], messages[begin:]


def cut_question(question: Sequence[Message], max_tokens: int) -> tuple[Message, ...]:
    """Cut what has more than its share of a question of several messages; of very many, drop the oldest."""
    kept = question[-max(1, max_tokens // _LEAST_QUESTION_TOKENS) :]
    cut: dict[int, Message] = {}
    by_size = sorted(range(len(kept)), key=lambda place: estimate_message_tokens(kept[place]))
    for place in by_size:
        cut[place] = cut_message(kept[place], max_tokens // (len(kept) - len(cut)))
        max_tokens -= estimate_message_tokens(cut[place])
    return tuple(cut[place] for place in range(len(kept)))


def cut_message(message: Message, max_tokens: int) -> Message:
    """Cut a message's text where it is too long, after those images that leave it no quarter of the room."""
    if estimate_message_tokens(message) <= max_tokens:
        return message
    left, images = max_tokens, list(message.images)
    while images and sum(image.tokens for image in images) > max_tokens * 3 // 4:
        images.pop()
    left -= sum(image.tokens for image in images)
    return replace(message, text=cut_text(message.text, left), images=tuple(images))


def _choose_pins(pins: Sequence[Pin], left: int) -> tuple[Pin, ...]:
    """Keep the newest pins that leave a quarter of the room to what was said; one has at most half."""
    kept: tuple[Pin, ...] = ()
    for pin in reversed(pins):
        more = (replace(pin, text=cut_text(pin.text, left // 2)), *kept)
        if estimate_tokens(render_memory("", more)) <= left * 3 // 4:
            kept = more
    return kept


def _fit_beside(summary: str, pins: Sequence[Pin], left: int) -> str:
    """Cut a summary to what the pins leave of the room. Too little of it is no use."""
    if not summary:
        return ""
    room = left - estimate_tokens(render_memory("x", pins))
    return cut_text(summary, room) if room >= _LEAST_SUMMARY_TOKENS else ""


def _choose_turns(earlier: Sequence[Message], left: int) -> list[Message]:
    """Choose the newest turns that fit. One that was read in part, without its question, is none."""
    turns = group_turns(earlier)
    kept: list[list[Message]] = []
    while turns and turns[-1][0].role == "user":
        left -= sum(map(estimate_message_tokens, turns[-1]))
        if left < 0:
            break
        kept.append(turns.pop())
    return [message for turn in reversed(kept) for message in turn]


def _find_positions(messages: Sequence[Message]) -> frozenset[int]:
    return frozenset(message.position for message in messages if message.position)


def _name_pin(pin: Pin) -> str:
    text = " ".join(pin.text.splitlines())
    if pin.role == "assistant":
        return f"You said: {text}"
    name = pin.author.name if pin.author else ""
    return f"{name}: {text}" if name else text
