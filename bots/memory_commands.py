"""The commands about memory: history, compact, pin, pins, unpin and prompt. Answers are Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from core.conversation import Author, Message, ThreadKey
from core.memory.memory import Outlook
from core.memory.prompts import MAX_PROMPT_CHARACTERS
from core.memory.recall import MAX_PIN_CHARACTERS, MAX_PINS, Recall
from core.store.base import Pin
from core.store.rooms.memories import Scope

NAMES = ("history", "compact", "pin", "pins", "unpin", "prompt")
DEFAULT = "default"
ALL = "all"
HELP = (
    "- `!history` shows what the next question would send, and what was left out\n"
    "- `!compact` keeps all but the newest turn in short\n"
    "- `!pin` keeps the last message in mind for good, `!pin TEXT` a text; `!pins` lists them, "
    "`!unpin NUMBER` lets one go\n"
    "- `!prompt` shows how I am told to behave, `!prompt TEXT` adds to it for this conversation\n"
)
_SCOPE = re.compile(r"--(workspace|server|channel)\b")
_NEWEST = 8
_PREVIEW = 80
_LONGER_PREVIEW = 160
_WHERE = {
    "installation": "for everybody",
    "workspace": "for this workspace",
    "channel": "for this channel",
    "conversation": "for this conversation",
}


class MemoryCommands:
    """Runs them. Methods raise SkeinError."""

    def __init__(self, recall: Recall) -> None:
        self._recall = recall

    async def run(
        self,
        name: str,
        argument: str,
        key: ThreadKey,
        *,
        about: str = "",
        author: Author | None = None,
        at: datetime | None = None,
    ) -> str:
        """Do a command, `about` the message of that id where there is one, and say what came of it."""
        match name:
            case "history":
                return await self._history(key)
            case "compact":
                return await self._compact(key)
            case "pin":
                return await self._pin(key, argument, about, author, at or datetime.now(UTC))
            case "pins":
                return await self._pins(key)
            case "unpin":
                return await self._unpin(key, argument)
            case _:
                return await self._prompt(key, argument, author)

    async def _history(self, key: ThreadKey) -> str:
        outlook = await self._recall.look_ahead(key)
        if outlook is None:
            return "Nothing was said here yet: your next question begins this conversation."
        return render_outlook(outlook)

    async def _compact(self, key: ThreadKey) -> str:
        compaction = await self._recall.compact(key)
        if compaction is None:
            return "There is nothing to compact: I keep the newest turn as it is."
        saved = max(0, compaction.before_tokens - compaction.after_tokens)
        return (
            f"I keep {_count(compaction.messages, 'older message')} in short now. That saves about "
            f"{saved:,} of {compaction.before_tokens:,} tokens with each question; `history` shows it."
        )

    async def _pin(
        self, key: ThreadKey, text: str, about: str, author: Author | None, at: datetime
    ) -> str:
        if len(text) > MAX_PIN_CHARACTERS:
            return (
                f"That is too long to keep in mind: {MAX_PIN_CHARACTERS:,} characters at the most."
            )
        try:
            if text:
                number = await self._recall.pin_text(key, text, author, at)
                pin = None if number is None else Pin(number, text)
            else:
                pin = await self._recall.pin_message(key, about or None, at)
        except KeyError:
            return "I don't know that message, or don't send it any more. Use `pin TEXT` to pin a text."
        if pin is None:
            return f"There are {MAX_PINS} pins already. Let one go with `unpin NUMBER`; `pins` lists them."
        return f"Pinned as number {pin.number}: {_quote(pin.text)}"

    async def _pins(self, key: ThreadKey) -> str:
        pins = await self._recall.load_pins(key)
        if not pins:
            return "Nothing is pinned here. `pin` pins the last message, `pin TEXT` a text."
        return "Pinned here, and sent with each question:\n\n" + _list_pins(pins)

    async def _unpin(self, key: ThreadKey, argument: str) -> str:
        word = argument.strip().removeprefix("#").lower()
        if word != ALL and not (word.isdecimal() and len(word) < 9):
            return f"Say which one: `unpin NUMBER`, or `unpin {ALL}`. `pins` lists them."
        removed = await self._recall.unpin(key, None if word == ALL else int(word))
        if not removed:
            return "There is no such pin. `pins` lists them."
        return f"{_count(removed, 'pin')} removed."

    async def _prompt(self, key: ThreadKey, text: str, author: Author | None) -> str:
        if not text:
            return await self._describe_prompt(key)
        if len(text) > MAX_PROMPT_CHARACTERS:
            return f"That is too long: {MAX_PROMPT_CHARACTERS:,} characters at the most."
        if found := _SCOPE.match(text):
            scope: Scope = "channel" if found[1] == "channel" else "workspace"
            return await self._place_prompt(key, scope, text[found.end() :].strip(), author)
        if text.lower() == DEFAULT:
            await self._recall.set_prompt(key, None)
            return "This conversation has no prompt of its own any more."
        await self._recall.set_prompt(key, text)
        return "From here on this goes with each question, after what I am told for everybody."

    async def _place_prompt(
        self, key: ThreadKey, scope: Scope, text: str, author: Author | None
    ) -> str:
        if not text:
            return f"Say what: `prompt --{scope} TEXT`, or `prompt --{scope} {DEFAULT}`."
        prompt = None if text.lower() == DEFAULT else text
        if not await self._recall.set_place_prompt(key, scope, prompt, author):
            return f"Only those whom ADMINS names may set what I am told {_WHERE[scope]}."
        if prompt is None:
            return f"I am told nothing more {_WHERE[scope]} any more."
        return f"From here on this goes with each question {_WHERE[scope]}."

    async def _describe_prompt(self, key: ThreadKey) -> str:
        layers = await self._recall.load_layers(key)
        parts = [
            f"**{_WHERE.get(layer.name, layer.name).capitalize()}**\n{_block(layer.text)}"
            for layer in layers
        ] or ["I am told nothing."]
        hint = (
            f"`prompt TEXT` adds to it for this conversation, `prompt {DEFAULT}` takes that back."
        )
        return "\n\n".join((*parts, hint))


def render_outlook(outlook: Outlook) -> str:
    """Word what the next question sends, what was left out, and what the summary says."""
    fitted, remembered = outlook.fitted, outlook.loaded.remembered
    total = outlook.count(fitted.tokens)
    room = outlook.loaded.room
    layers = ", ".join(_WHERE.get(layer.name, layer.name) for layer in outlook.layers)
    lines = [
        f"The next question goes to **{outlook.loaded.ref}** with about {total:,} of "
        f"{room.talk_tokens:,} tokens:",
        "",
        f"- the prompt: {layers or 'none'}",
    ]
    if fitted.pins:
        lines.append(f"- {_count(len(fitted.pins), 'pin')}")
    if outlook.lost_pin_count:
        lines.append(f"- not {_count(outlook.lost_pin_count, 'pin')}, for want of room")
    if fitted.summary and remembered.summary:
        count = remembered.summary.until - remembered.summary.after
        lines.append(f"- a summary of {_count(count, 'older message')}")
    lines.append(
        f"- the newest {_count(len(outlook.said), 'message')}, about {outlook.said_tokens:,} tokens"
    )
    lines += [f"  - {_preview(message)}" for message in outlook.said[-_NEWEST:]]
    if outlook.left_out_count:
        lines.append(
            f"\nLeft out, and in no summary yet: {_count(outlook.left_out_count, 'message')}."
        )
    if fitted.summary:
        lines.append(f"\n**Summary**\n{_block(fitted.summary)}")
    return "\n".join(lines)


def _preview(message: Message) -> str:
    name = message.author.name or message.author.id if message.author else "you"
    who = "I" if message.role == "assistant" else name
    return f"{who}: {_shorten(message.text, _PREVIEW)}"


def _list_pins(pins: Sequence[Pin]) -> str:
    return "\n".join(f"{pin.number}. {_shorten(pin.text, _LONGER_PREVIEW)}" for pin in pins)


def _quote(text: str) -> str:
    return f"“{_shorten(text, _PREVIEW)}”"


def _block(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.splitlines())


def _shorten(text: str, most: int) -> str:
    line = " ".join(text.replace("`", "'").split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
