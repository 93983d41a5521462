"""Puts the files of a conversation into what goes to the model, the newest first, while they fit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from core.conversation import Message
from core.files.values import Attachment, File, Image, Picture
from core.providers.base import ModelRef
from core.tokens import estimate_tokens, take_beginning

FindFile = Callable[[str], Awaitable[File | None]]

MAX_IMAGES = 20
"""Providers take no more at full size: Anthropic's limits are tighter above it."""
MAX_IMAGE_BYTES = 20_000_000
"""All together: the smallest limit of a request is 32 MB, and base64 adds a third."""
_SHARE = 0.75  # the rest of the room is for what was said
_LEAST_TOKENS = 200
_MAX_NAME = 80
_MOST_NAMES = 3
_BLIND = "this model cannot see images"
_NO_ROOM = "left out, for there is no more room"
_LONG_AGO = "left out, for it was sent long ago"
_MOST_IN_VAIN = 3
"""Files of earlier messages that are read and do not fit; what is older is not even read."""


@dataclass(frozen=True, slots=True)
class Enclosed:
    """Messages with their files in them, and what people should hear of the question's files."""

    messages: tuple[Message, ...]
    notes: tuple[str, ...]

    def annotate(self, answer: str) -> str:
        """Put the notes below an answer."""
        return "\n\n".join((answer, "\n".join(self.notes))) if self.notes else answer


async def enclose(
    messages: Sequence[Message], ref: ModelRef, room_tokens: int, find_file: FindFile
) -> Enclosed:
    """Put into messages, of which those behind the last answer are the question, what fits of their files.

    A question's document is cut where it is too long; an earlier one is sent whole or not at all.
    `room_tokens` is what there is for the whole conversation. Raises what `find_file` does.
    """
    if not any(message.attachments for message in messages):
        return Enclosed(tuple(messages), ())
    envelope = _Envelope(ref, int(room_tokens * _SHARE), find_file)
    filled: list[Message] = []
    is_question = True
    for message in reversed(messages):
        is_question &= message.role == "user"
        filled.append(await envelope.fill(message, is_question=is_question))
    return Enclosed(tuple(reversed(filled)), tuple(envelope.notes))


@dataclass(slots=True)
class _Envelope:
    """What room is left, and what was said of the files so far."""

    ref: ModelRef
    room_tokens: int
    find_file: FindFile
    notes: list[str] = field(default_factory=list[str])
    image_count: int = 0
    image_bytes: int = 0
    vain_count: int = 0

    async def fill(self, message: Message, *, is_question: bool) -> Message:
        """Put a message's files into it."""
        texts, images = [message.text] if message.text else [], list[Image]()
        notes: list[str] = []
        for attachment in message.attachments:
            said = await self._put(attachment, images, may_cut=is_question)
            texts.append(said.text)
            if is_question and said.note:
                notes.append(f"📎 `{clean_name(attachment.name)}`: {said.note}.")
        self.notes[:0] = notes  # the newest message is filled first
        return replace(message, text="\n\n".join(texts), images=tuple(images))

    async def _put(self, attachment: Attachment, images: list[Image], *, may_cut: bool) -> _Said:
        name = clean_name(attachment.name)
        if attachment.sha256 is None:
            reason = attachment.note or "it was not read"
            return _Said(f"[file {name}, not read: {reason}]", reason)
        if self.room_tokens < _LEAST_TOKENS:
            return _Said(f"[file {name}, {_NO_ROOM}]", _NO_ROOM)
        if self.vain_count >= _MOST_IN_VAIN and not may_cut:
            return _Said(f"[file {name}, {_LONG_AGO}]")
        file = await self.find_file(attachment.sha256)
        if file is None:
            return _Said(f"[file {name}, no longer kept]", "it is no longer kept")
        room_tokens = self.room_tokens
        said = self._put_file(name, file, images, attachment.note, may_cut=may_cut)
        self.vain_count += self.room_tokens == room_tokens
        return said

    def _put_file(
        self, name: str, file: File, images: list[Image], note: str, *, may_cut: bool
    ) -> _Said:
        if file.is_image:
            return self._put_image(name, file.pictures[0], images, note)
        said = self._put_text(name, file.text, note, may_cut=may_cut)
        is_left_out = not said.text.startswith("<file")
        return said if is_left_out else self._put_pages(name, file.pictures, images, said)

    def _put_image(self, name: str, picture: Picture, images: list[Image], note: str) -> _Said:
        if not self.ref.image_tokens:
            return _Said(f"[image {name}: {_BLIND}]", self._cannot_see)
        if not self._take(name, picture, images):
            return _Said(f"[image {name}, {_NO_ROOM}]", _NO_ROOM)
        return _Said(f"[image {name}]", note)

    def _put_pages(
        self, name: str, pages: Sequence[Picture], images: list[Image], said: _Said
    ) -> _Said:
        """Put those pages that are pictures behind the text of their document, the first ones first."""
        seen = list[str]()
        for page in pages if self.ref.image_tokens else ():
            if not self._take(f"{name}, page {page.page}", page, images):
                break
            seen.append(str(page.page))
        texts, notes = [said.text], [said.note]
        if seen:
            texts.append(f"[image: of {name} page {', '.join(seen)}]")
        if unseen := len(pages) - len(seen):
            count = f"{unseen} page{'s' if unseen > 1 else ''} that are only pictures"
            reason = _NO_ROOM if self.ref.image_tokens else _BLIND
            texts.append(f"[file {name}, {count}: {reason}]")
            notes.append(f"{count}: {_NO_ROOM if self.ref.image_tokens else self._cannot_see}")
        return _Said("\n".join(texts), "; ".join(filter(None, notes)))

    def _take(self, name: str, picture: Picture, images: list[Image]) -> bool:
        """Send a picture along if there is room."""
        tokens, size = self.ref.image_tokens, self.image_bytes + len(picture.content)
        if tokens > self.room_tokens or self.image_count >= MAX_IMAGES or size > MAX_IMAGE_BYTES:
            return False
        images.append(Image(name, picture.media_type, picture.content, tokens))
        self.room_tokens -= tokens
        self.image_count, self.image_bytes = self.image_count + 1, size
        return True

    @property
    def _cannot_see(self) -> str:
        return f"{self.ref.model} cannot see images, as far as I know"

    def _put_text(self, name: str, text: str, note: str, *, may_cut: bool) -> _Said:
        tokens = estimate_tokens(text)
        if tokens > self.room_tokens:
            if not may_cut:
                return _Said(f"[file {name}, {_NO_ROOM}]", _NO_ROOM)
            text = take_beginning(text, self.room_tokens)
            tokens, note = (
                self.room_tokens,
                f"only the first {len(text):,} characters fit the model",
            )
        self.room_tokens -= tokens
        told = f" note={note!r}" if note else ""
        return _Said(f'<file name="{name}"{told}>\n{text}\n</file>', note)


@dataclass(frozen=True, slots=True)
class _Said:
    """What the model is told of a file, and people where something is missing."""

    text: str
    note: str = ""


def render_unseen(names: Sequence[str], model: str) -> str:
    """Word for people that a model's server did not take a question's images."""
    told = ", ".join(f"`{name}`" for name in names[:_MOST_NAMES])
    told += f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"📎 {told}: not seen, for {model} did not take {'it' if len(names) == 1 else 'them'}."


def clean_name(name: str) -> str:
    """Give a file's name without what could end a line, a tag or a code span."""
    kept = "".join("_" if char in '`"<>[]' or not char.isprintable() else char for char in name)
    return kept if len(kept) <= _MAX_NAME else f"{kept[:40]}…{kept[-39:]}"
