"""What a message may say: the content arguments that posting, updating and responding share."""

from __future__ import annotations

from dataclasses import dataclass

from bots.playground.slack.arguments import Arguments
from bots.playground.slack.blocks import read_blocks
from bots.playground.slack.limits import Sizes
from bots.playground.slack.refusal import RefusedError
from bots.playground.slack.state import Json


@dataclass(frozen=True, slots=True)
class Content:
    """A message's content, checked."""

    text: str
    is_markdown: bool
    blocks: tuple[Json, ...]
    metadata: Json | None


def read_content(args: Arguments, sizes: Sizes, *, max_text: int | None = None) -> Content:
    """Read and check a message's content.

    Text beyond 40,000 characters is cut off; beyond `max_text`, where given, it is refused. Raises
    RefusedError `no_text`, `msg_too_long`, `markdown_text_conflict`, `invalid_blocks` and the like.
    """
    text, markdown = args.text("text"), args.text("markdown_text")
    blocks = read_blocks(args.structure("blocks", "invalid_blocks_format"))
    if markdown and (text or blocks):
        raise RefusedError("markdown_text_conflict")
    if len(markdown) > sizes.markdown or (max_text is not None and len(text) > max_text):
        raise RefusedError("msg_too_long")
    if not (text.strip() or markdown.strip() or blocks or args.structure("attachments")):
        raise RefusedError("no_text")
    return Content(markdown or text[: sizes.text], bool(markdown), blocks, read_metadata(args))


def read_metadata(args: Arguments) -> Json | None:
    """Read a message's metadata. Raises RefusedError `invalid_metadata_format`."""
    metadata = args.structure("metadata", "invalid_metadata_format")
    if not metadata:
        return None
    if not isinstance(metadata, dict) or not {"event_type", "event_payload"} <= metadata.keys():
        raise RefusedError("invalid_metadata_format")
    return metadata
