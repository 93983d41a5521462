"""The demo model: no key, no network, the same answer every time. It shows what Skein does."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta

from core.conversation import Message, Usage
from core.errors import OverloadedError
from core.providers.base import Chunk, Request
from core.providers.demo_files import leave_out_files, name_files

MODEL = "echo"
MAX_WORDS = 5000
_DEFAULT_WORDS = 400
_SLOW_START_PAUSES = 100
_SLOW_WORD_PAUSES = 8
_LATE_FAILURE_WORDS = 12
_QUOTE_CHARS = 80

_COMMAND = re.compile(
    r"^(?:[^\n:]{1,80}:\s+)?/?(long|code|table|slow|fail|help)\b[:,]?\s*(late|\d{1,9})?[.!?]*$",
    re.IGNORECASE,
)
_MEMORY = re.compile(r"^<memory>\n(.*?)\n</memory>\n\n", re.DOTALL)
_PINS = re.compile(r"(?:\A|\n\n)People here want you to keep in mind:\n(.*)\Z", re.DOTALL)
_SUMMARY = re.compile(r"<summary>\n(.*?)\n</summary>", re.DOTALL)
_TOLD = re.compile(r"<messages>\n(.*?)\n</messages>", re.DOTALL)
_SUMMARY_LINES = 12
_SPEAKER = re.compile(r"^([A-Z][\w.\- ]{0,40}):\s+(?=\S)")
_TRY = "`long 300`, `code`, `table`, `slow` or `fail`"


class DemoProvider:
    """Streams word by word. `pause` is the time between two words."""

    def __init__(self, name: str = "demo", pause: timedelta = timedelta(milliseconds=25)) -> None:
        self.name = name
        self._pause_seconds = pause.total_seconds()

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncGenerator[AsyncIterator[Chunk]]:
        """Answer the last message. `fail` raises OverloadedError, `fail late` after some words."""
        command, argument = parse_command(request.messages[-1].text)
        if command == "fail" and argument != "late":
            raise self._failure(request)
        async with aclosing(self._words(request, command, argument)) as chunks:
            yield chunks

    def find_room(self, request: Request) -> int:
        """Say how many tokens an answer may take at the most."""
        return request.max_new_tokens

    async def aclose(self) -> None:
        """Nothing to release."""

    async def _words(self, request: Request, command: str, argument: str) -> AsyncGenerator[Chunk]:
        is_summary = request.purpose == "summary"
        text = (render_summary if is_summary else render_answer)(request.messages)
        words = re.findall(r"\S+\s*", text)
        pauses = 1
        if command == "slow":
            pauses = _SLOW_WORD_PAUSES
            await asyncio.sleep(self._pause_seconds * _SLOW_START_PAUSES)
        for number, word in enumerate(words):
            if command == "fail" and number == _LATE_FAILURE_WORDS:
                raise self._failure(request)
            if number:
                await asyncio.sleep(self._pause_seconds * pauses)
            yield Chunk(word)
        asked = sum(len(message.text.split()) for message in request.messages)
        yield Chunk("", "stop", Usage(asked + len((request.system or "").split()), len(words)))

    def _failure(self, request: Request) -> OverloadedError:
        return OverloadedError(f"{self.name}/{request.model}", "asked to fail, and so it does")


def parse_command(text: str) -> tuple[str, str]:
    """Read a command and its argument, with or without the speaker's name before it.

    Where several messages were joined, the last one counts.
    """
    found = _COMMAND.match(text.strip().rpartition("\n\n")[2].strip())
    return (found[1].lower(), (found[2] or "").lower()) if found else ("", "")


def render_answer(messages: Sequence[Message]) -> str:
    """Word the whole answer to the last message."""
    command, argument = parse_command(messages[-1].text)
    match command:
        case "long":
            count = int(argument) if argument.isdigit() else _DEFAULT_WORDS
            return render_long(max(1, min(count, MAX_WORDS)))
        case "code":
            return _CODE
        case "table":
            return _TABLE
        case "slow":
            return _SLOW
        case "fail":
            return _FAIL_LATE
        case "help":
            return (
                f"You can try {_TRY}. Anything else, and I tell you what I remember of this thread."
            )
        case _:
            talk = _render_talk(leave_out_files(messages))
            return "\n\n".join(filter(None, (talk, name_files(messages[-1]))))


def render_summary(messages: Sequence[Message]) -> str:
    """Take down the beginning of what each person said; of a long list, its ends."""
    told = messages[-1].text
    old, new = _SUMMARY.search(told), _TOLD.search(told)
    lines = old[1].splitlines() if old else []
    for line in new[1].split("\n\n") if new else ():
        if _SPEAKER.match(line) and not line.startswith("You: "):
            lines.append(f"- {_quote(line)}")
    half = _SUMMARY_LINES // 2
    if len(lines) > _SUMMARY_LINES:
        lines = [*lines[:half], *lines[-half:]]
    return "\n".join(lines) or "- Nobody said anything yet."


def _render_talk(messages: Sequence[Message]) -> str:
    said = [message.text for message in messages if message.role == "user"]
    if not (remembered := _MEMORY.match(said[0])):
        return _render_early_talk(said)
    said[0] = said[0][remembered.end() :]
    pins = _PINS.search(remembered[1])
    summary = _PINS.sub("", remembered[1])
    talk = _render_late_talk(said, summary) if summary else _render_early_talk(said)
    return f"{talk}\n\nI keep in mind:\n\n{pins[1]}" if pins else talk


def _render_early_talk(said: Sequence[str]) -> str:
    """Answer in a thread that goes along whole."""
    speaker, question = _split_speaker(said[-1])
    name = f", {speaker}" if speaker else ""
    if len(said) == 1:
        return (
            f"Hello{name}! You said “{_quote(question)}”, and this thread is now one conversation that "
            "I remember. I am Skein's demo model: I run without a key and know nothing of the world, "
            "but I never lose the thread. Say something more and I'll show you.\n\n"
            f"Or try {_TRY}."
        )
    _, earlier = _split_speaker(said[0])
    memory = f"Earlier in this thread you said “{_quote(earlier)}”"
    if len(said) > 2:
        _, latest = _split_speaker(said[-2])
        memory += f", and just before this “{_quote(latest)}”"
    return (
        f"I heard “{_quote(question)}”{name}. {memory}. That makes {len(said)} messages from your side, "
        f"and I have them all.\n\n{_HINTS[len(said) % len(_HINTS)]}"
    )


def _render_late_talk(said: Sequence[str], remembered: str) -> str:
    """Answer in a thread of which some goes along only in short."""
    speaker, question = _split_speaker(said[-1])
    name = f", {speaker}" if speaker else ""
    notes = [line for line in remembered.splitlines() if line.startswith("- ")]
    listed = "\n".join(notes) or remembered
    return (
        f"I heard “{_quote(question)}”{name}. I have your last {len(said)} messages word for word, and of "
        f"what came before these notes:\n\n{listed}\n\n`!history` shows all that I go by."
    )


def _split_speaker(text: str) -> tuple[str, str]:
    found = _SPEAKER.match(text)
    return (found[1], text[found.end() :]) if found else ("", text)


def _quote(text: str) -> str:
    line = " ".join(text.replace("`", "'").split())
    return line if len(line) <= _QUOTE_CHARS else line[: _QUOTE_CHARS - 1].rstrip() + "…"


def render_long(count: int) -> str:
    """Write exactly so many words, in paragraphs under headings."""
    parts: list[str] = []
    left = count
    for number in range(count):
        if left <= 0:
            break
        heading = _HEADINGS[number // 2 % len(_HEADINGS)].split()
        if number % 2 == 0 and left > 2 * len(heading):
            parts.append("## " + " ".join(heading))
            left -= len(heading)
        words = _PROSE[number % len(_PROSE)].split()[:left]
        parts.append(" ".join(words).rstrip(".,;:") + ".")
        left -= len(words)
    return "\n\n".join(parts)


_HINTS = (
    f"Shall we see how other replies arrive? Try {_TRY}.",
    "Start another thread, and there I'll know nothing of this one. Come back here, and I'll know it all.",
    "Had enough of this thread? `!clear` begins it afresh, and I forget what was said before.",
    "Restart me whenever you like: the thread is on disk, and I'll go on where we were.",
)

_HEADINGS = (
    "A length of yarn",
    "Side by side",
    "After the dark",
    "One more turn",
    "Wound up again",
)

_PROSE = (
    "A skein is a length of yarn, wound loosely so that it can be taken up again without a knot. A "
    "conversation wants to be kept in the same way: loosely enough to be picked up by anyone, and "
    "firmly enough that no word of it is lost between two mornings.",
    "This text is long on purpose. A chat platform takes only so many characters in one message, and "
    "so many edits in one minute. What you are reading is written once, cut where a paragraph ends, "
    "and delivered at the pace that the platform allows.",
    "While these words arrive, other threads go on beside this one. Each has its own memory, its own "
    "order, and its own place in the queue. Nobody waits for a stranger's long answer, and nobody's "
    "question is answered twice.",
    "If the power went out in the middle of this sentence, the question would still be on disk. The "
    "next start would find it, ask again, and put a whole answer where the broken one stood. Try it: "
    "stop the program now, start it, and look at this thread.",
    "Behind this voice there is no model at all, just a handful of paragraphs that take turns. Give "
    "Skein a key, and the same thread goes on with a real one, and all that was said here goes with "
    "it, from the first word to this.",
)

_CODE = """\
Here is a function with a test beside it, so that you can see how code arrives:

```python
def wind(thread: list[str], width: int = 3) -> list[str]:
    \"\"\"Wind a thread into turns of at most `width` messages.\"\"\"
    return [
        " ~ ".join(thread[start : start + width])
        for start in range(0, len(thread), width)
    ]


def test_nothing_is_lost() -> None:
    assert wind(["one", "two", "three", "four"]) == ["one ~ two ~ three", "four"]
```

The block keeps its indentation, even where a long reply has to be split in two. Try `table` next.
"""

_TABLE = """\
A table, as far as the platform can show one:

| You say | What I do | Good for seeing |
| --- | --- | --- |
| `long 300` | write 300 words | splitting |
| `code` | send a code block | fences |
| `slow` | take my time | the thinking sign |
| `fail` | fall over | how errors are told |

**Bold**, _italic_, `code` and [a link](https://example.com) should look right, too.
"""

_SLOW = (
    "That took a while, and on purpose: some models think before they speak. Meanwhile you saw that I "
    "was at it, and other threads went on. Each word comes slowly now, so that you can watch the "
    "reply grow."
)

_FAIL_LATE = (
    "I begin as if nothing were wrong, but a few words in, my model breaks off in the middle "
    "of a sentence."
)
