"""The commands about memory: history, compact, pin, pins, unpin and prompt. Answers are Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from core.conversation import Author, Message, ThreadKey
from core.memory.outlook import Outlook
from core.memory.prompts import MAX_PROMPT_CHARACTERS
from core.memory.recall import MAX_PIN_CHARACTERS, MAX_PINS, Recall
from core.store.base import Pin
from core.store.rooms.memories import Scope
from core.words import Words

NAMES = ("history", "compact", "pin", "pins", "unpin", "prompt")
DEFAULT = "default"
ALL = "all"
HELP = (
    "- `{0}history` shows what the next question would send, and what was left out\n"
    "- `{0}compact` sums up all but the newest question and its answer\n"
    "- `{0}pin` keeps the last message in mind for good, `{0}pin TEXT` a text; `{0}pins` lists them, "
    "`{0}unpin NUMBER` lets one go\n"
    "- `{0}prompt` shows how I am told to behave, `{0}prompt TEXT` adds to it for this conversation, "
    "`{0}prompt default` takes that back\n"
)
"""What the commands do; `{0}` stands for the sign before them."""
_SCOPE = re.compile(r"--(workspace|server|channel)\b")
_NEWEST = 8
_PREVIEW = 80
_LONGER_PREVIEW = 160


class MemoryCommands:
    """Runs them. Methods raise SkeinError."""

    def __init__(self, recall: Recall) -> None:
        self._recall = recall

    async def run(
        self,
        name: str,
        argument: str,
        key: ThreadKey,
        words: Words,
        *,
        about: str = "",
        author: Author | None = None,
        at: datetime | None = None,
    ) -> str:
        """Do a command, `about` the message of that id where there is one, and say what came of it."""
        sign = words.sign
        match name:
            case "history":
                return await self._history(key, words)
            case "compact":
                return await self._compact(key, sign)
            case "pin":
                at = at or datetime.now(UTC)
                return await self._pin(key, argument, sign, about, author, at)
            case "pins":
                return await self._pins(key, sign)
            case "unpin":
                return await self._unpin(key, argument, sign)
            case _:
                return await self._prompt(key, argument, author, words)

    async def _history(self, key: ThreadKey, words: Words) -> str:
        outlook = await self._recall.look_ahead(key)
        if outlook is None:
            return "Nothing was said here yet: your next question begins this conversation."
        return render_outlook(outlook, words.workspace)

    async def _compact(self, key: ThreadKey, sign: str) -> str:
        compaction = await self._recall.compact(key)
        if compaction is None:
            return (
                "There is nothing to sum up: I keep the newest question and its answer as they are."
            )
        saved = max(0, compaction.before_tokens - compaction.after_tokens)
        return (
            f"I keep a summary of {_count(compaction.messages, 'older message')} now. That saves about "
            f"{saved:,} of {compaction.before_tokens:,} tokens with each question; `{sign}history` shows it."
        )

    async def _pin(
        self,
        key: ThreadKey,
        text: str,
        sign: str,
        about: str,
        author: Author | None,
        at: datetime,
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
            return (
                "I don't know that message, or it is no longer part of this conversation. "
                f"`{sign}pin TEXT` pins a text."
            )
        if pin is None:
            return (
                f"There are {MAX_PINS} pins already. Let one go with `{sign}unpin NUMBER`; "
                f"`{sign}pins` lists them."
            )
        return f"Pinned as number {pin.number}: {_quote(pin.text)}"

    async def _pins(self, key: ThreadKey, sign: str) -> str:
        pins = await self._recall.load_pins(key)
        if not pins:
            return f"Nothing is pinned here. `{sign}pin` pins the last message, `{sign}pin TEXT` a text."
        return "Pinned here, and sent with each question:\n\n" + _list_pins(pins)

    async def _unpin(self, key: ThreadKey, argument: str, sign: str) -> str:
        word = argument.strip().removeprefix("#").lower()
        if word != ALL and not (word.isdecimal() and len(word) < 9):
            return (
                f"Say which one: `{sign}unpin NUMBER`, or `{sign}unpin {ALL}` for all of them. "
                f"`{sign}pins` lists them."
            )
        removed = await self._recall.unpin(key, None if word == ALL else int(word))
        if not removed:
            return f"There is no such pin. `{sign}pins` lists them."
        return f"{_count(removed, 'pin')} removed."

    async def _prompt(self, key: ThreadKey, text: str, author: Author | None, words: Words) -> str:
        if not text:
            return await self._describe_prompt(key, words)
        if len(text) > MAX_PROMPT_CHARACTERS:
            return f"That is too long: {MAX_PROMPT_CHARACTERS:,} characters at the most."
        if found := _SCOPE.match(text):
            scope: Scope = "channel" if found[1] == "channel" else "workspace"
            return await self._place_prompt(key, scope, text[found.end() :].strip(), author, words)
        if text.lower() == DEFAULT:
            await self._recall.set_prompt(key, None)
            return "This conversation has no prompt of its own any more."
        await self._recall.set_prompt(key, text)
        return "From here on this goes with each question, after what I am told for everybody."

    async def _place_prompt(
        self, key: ThreadKey, scope: Scope, text: str, author: Author | None, words: Words
    ) -> str:
        place = "channel" if scope == "channel" else words.workspace
        if not text:
            command = f"{words.sign}prompt --{place}"
            return f"Say what: `{command} TEXT`, or `{command} {DEFAULT}` to take it back."
        prompt = None if text.lower() == DEFAULT else text
        if not await self._recall.set_place_prompt(key, scope, prompt, author):
            return (
                f"Only admins may say how I behave in this {place}. The person who runs me names "
                "them, by the setting `ADMINS`."
            )
        if prompt is None:
            return f"This {place} has no prompt of its own any more."
        return f"From here on this goes with each question in this {place}."

    async def _describe_prompt(self, key: ThreadKey, words: Words) -> str:
        layers = await self._recall.load_layers(key)
        parts = [
            f"**{_name_layer(layer.name, words.workspace).capitalize()}**\n{_block(layer.text)}"
            for layer in layers
        ] or ["I am told nothing."]
        command = f"{words.sign}prompt"
        hint = (
            f"`{command} TEXT` adds to it for this conversation, `{command} {DEFAULT}` takes that "
            "back."
        )
        return "\n\n".join((*parts, hint))


def render_outlook(outlook: Outlook, workspace: str = "workspace") -> str:
    """Word what the next question sends, what was left out, and what the summary says."""
    fitted, remembered = outlook.fitted, outlook.loaded.remembered
    total = outlook.count(fitted.tokens)
    room = outlook.loaded.room
    layers = ", ".join(_name_layer(layer.name, workspace) for layer in outlook.layers)
    lines = [
        f"The next question goes to **{outlook.loaded.ref}** with about {total:,} of "
        f"{room.talk_tokens:,} tokens:",
        "",
        f"- the prompt: {layers or 'none'}",
    ]
    if fitted.pins:
        lines.append(f"- {_count(len(fitted.pins), 'pin')}")
    if outlook.lost_pin_count:
        lines.append(f"- left out for want of room: {_count(outlook.lost_pin_count, 'pin')}")
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


def _name_layer(name: str, workspace: str) -> str:
    """Say for whom a layer of the prompt holds."""
    if name == "installation":
        return "for everybody"
    return f"for this {workspace if name == 'workspace' else name}"


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
