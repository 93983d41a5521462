"""Between the values of the core and the rows of a database; every SQL backend uses these.

A time goes into a query as an aware datetime. It comes out as one, or as whole microseconds since
1970 in UTC where the database has no type for times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Protocol

from core.conversation import (
    Author,
    Conversation,
    Incoming,
    Message,
    ReplyMessage,
    Span,
    ThreadKey,
    Turn,
    TurnState,
)
from core.files.values import Attachment
from core.store.base import (
    ConversationInfo,
    Memory,
    Pin,
    StoredMessage,
    Summary,
    WantedFile,
)

Value = str | int | bytes | datetime | None
"""What a query takes."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Row(Protocol):
    """A row whose columns are reached by name."""

    def __getitem__(self, column: str, /) -> Any:
        """Give a column's value. Raises IndexError or KeyError for an unknown one."""
        ...


def render_time(time: datetime) -> int:
    """Turn an aware time into microseconds. Raises TypeError for a naive one."""
    return (time - _EPOCH) // _MICROSECOND


def parse_time(time: int | datetime) -> datetime:
    """Read a time from a row as an aware one in UTC."""
    return time if isinstance(time, datetime) else _EPOCH + timedelta(microseconds=time)


def render_text(text: str) -> str:
    """Make a text storable: NUL and lone surrogates, which databases refuse, become U+FFFD.

    Both are valid in JSON, so that a platform or a model may well send them.
    """
    text = text.replace("\x00", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def render_key(key: ThreadKey) -> dict[str, Value]:
    """Give a key's columns."""
    return {
        "platform": key.platform,
        "workspace": key.workspace,
        "channel": key.channel,
        "thread": key.thread,
    }


def render_message_key(incoming: Incoming) -> dict[str, Value]:
    """Give the columns by which a message is known."""
    return {
        "platform": incoming.key.platform,
        "workspace": incoming.key.workspace,
        "channel": incoming.key.channel,
        "message_id": incoming.message_id,
    }


def parse_turns(rows: Iterable[Row]) -> list[Turn]:
    """Read turns from rows of `turn_details`, in which the rows of one turn stand together."""
    return [_parse_turn(list(group)) for _, group in groupby(rows, lambda row: row["id"])]


def parse_conversation(key: ThreadKey, rows: list[Row]) -> Conversation:
    """Read a conversation from the rows of `load_conversation`, of which there is at least one."""
    return Conversation(
        messages=[
            _parse_sent_message(list(group))
            for position, group in groupby(rows, lambda row: row["position"])
            if position is not None
        ],
        key=key,
        model=rows[0]["chosen_model"],
        system_prompt=rows[0]["system_prompt"],
        left_out=_parse_left_out(rows),
    )


def _parse_left_out(rows: list[Row]) -> Span | None:
    places = [row["place"] for row in rows]
    if None in places:  # read to the beginning
        return None
    span = Span(rows[0]["begins_after"], min(places) - 1)
    return span if span.count else None


def parse_info(row: Row) -> ConversationInfo:
    """Read a row of `conversation_details`."""
    return ConversationInfo(
        id=row["id"],
        key=_parse_key(row),
        model=row["model"],
        system_prompt=row["system_prompt"],
        first_text=row["first_text"] or "",
        message_count=row["message_count"],
        created_at=parse_time(row["created_at"]),
        updated_at=parse_time(row["updated_at"]),
    )


def parse_stored_message(
    row: Row, attachments: Mapping[int, tuple[Attachment, ...]]
) -> StoredMessage:
    """Read a row of `load_history`, with the files of questions by their turns."""
    message, turn_id = parse_message(row), row["turn_id"]
    if message.role == "user":
        message = replace(message, attachments=attachments.get(turn_id, ()))
    return StoredMessage(message, is_sent=bool(row["is_sent"]), turn_id=turn_id)


def parse_attachments(rows: Iterable[Row]) -> dict[int, tuple[Attachment, ...]]:
    """Read the rows of `load_attachments`, by turns."""
    return {
        turn_id: tuple(map(_parse_attachment, group))
        for turn_id, group in groupby(rows, lambda row: row["turn_id"])
    }


def parse_memory(rows: list[Row]) -> Memory:
    """Read what a conversation has beside its messages from the rows of `load_memory`."""
    if not rows:
        return Memory()
    row, summary = rows[0], None
    if row["summary"]:
        summary = Summary(
            row["after_position"], row["until_position"], row["summary"], row["summary_model"]
        )
    return Memory(
        id=row["id"],
        model=row["model"],
        system_prompt=row["system_prompt"],
        cleared_position=row["cleared_position"],
        summary=summary,
        pins=tuple(_parse_pin(each) for each in rows if each["number"] is not None),
    )


def _parse_pin(row: Row) -> Pin:
    author_id = row["pin_author_id"]
    return Pin(
        number=row["number"],
        text=row["pin_text"],
        role=row["pin_role"],
        author=None if author_id is None else Author(author_id, row["pin_author_name"] or ""),
        position=row["pin_position"],
    )


def _parse_key(row: Row) -> ThreadKey:
    return ThreadKey(row["platform"], row["workspace"], row["channel"], row["thread"])


def parse_message(row: Row) -> Message:
    """Read a row of `load_span`."""
    author_id = row["author_id"]
    return Message(
        role=row["role"],
        text=row["text"],
        author=None if author_id is None else Author(author_id, row["author_name"]),
        sent_at=parse_time(row["sent_at"]),
        model=row["model"],
        position=row["position"] or 0,
    )


def _parse_sent_message(rows: list[Row]) -> Message:
    attachments = (_parse_attachment(row) for row in rows if row["number"] is not None)
    return replace(parse_message(rows[0]), attachments=tuple(attachments))


def _parse_attachment(row: Row) -> Attachment:
    return Attachment(
        id=row["file_id"],
        name=row["name"],
        url=row["url"],
        media_type=row["media_type"],
        size_bytes=row["size_bytes"],
        note=row["note"],
        sha256=row["sha256"],
    )


def parse_wanted_file(row: Row) -> WantedFile:
    """Read a row of `load_wanted_files`."""
    return WantedFile(
        turn_id=row["turn_id"],
        number=row["number"],
        key=_parse_key(row),
        message_id=row["message_id"],
        attachment=_parse_attachment(row),
    )


def render_attachments(turn_id: int, attachments: Iterable[Attachment]) -> list[dict[str, Value]]:
    """Give the columns of a question's files."""
    return [
        {
            "turn_id": turn_id,
            "number": number,
            "file_id": attachment.id,
            "name": render_text(attachment.name),
            "url": render_text(attachment.url),
            "media_type": render_text(attachment.media_type),
            "size_bytes": attachment.size_bytes,
            "note": render_text(attachment.note),
        }
        for number, attachment in enumerate(attachments)
    ]


def _parse_turn(rows: list[Row]) -> Turn:
    row = rows[0]
    return Turn(
        id=row["id"],
        conversation_id=row["conversation_id"],
        key=_parse_key(row),
        message_id=row["message_id"],
        author=Author(row["author_id"], row["author_name"]),
        # A command is journalled without its text.
        text=row["text"] or "",
        sent_at=parse_time(row["sent_at"]),
        received_at=parse_time(row["received_at"]),
        state=TurnState(row["state"]),
        attempts=row["attempts"],
        crashes=row["crashes"],
        merged_into=row["merged_into"],
        reply_text=row["reply_text"],
        replies=tuple(
            ReplyMessage(part["reply_part"], part["reply_message_id"], part["reply_kind"])
            for part in rows
            if part["reply_part"] is not None
        ),
        error=row["error"],
    )
