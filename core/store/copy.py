"""Moves everything from one database into another, whatever kind each is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass

from core.errors import StoreError
from core.store.database import Database, Queries, Transaction
from core.store.rows import Row, Value, parse_time

PAGE_ROWS = 500
LARGE_PAGE_ROWS = 4
_TEXT_KEYS = (("sha256",), ("place",), ("model",))
_FIRST = -(2**31)  # a notice's part is negative


@dataclass(frozen=True, slots=True)
class Table:
    """A table, and its columns as they go into a query."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...] = ("id",)
    """By what its pages follow one another: one column, or an id and a number."""
    is_large: bool = False
    """Whether a row may be megabytes: its pages are then of few."""


TABLES = (
    Table(
        "conversations",
        (
            "id", "platform", "workspace", "channel", "thread", "model", "system_prompt",
            "cleared_position", "created_at", "updated_at",
        ),
    ),
    Table(
        "turns",
        (
            "id", "conversation_id", "platform", "workspace", "channel", "message_id",
            "author_id", "author_name", "state", "attempts", "crashes", "merged_into", "error",
            "model", "input_tokens", "output_tokens", "cached_tokens", "written_tokens",
            "is_estimated", "cost_nanos", "first_text_ms", "answer_ms", "is_admitted", "sent_at",
            "received_at", "started_at", "finished_at",
        ),
    ),
    Table(
        "messages",
        (
            "id", "conversation_id", "turn_id", "position", "role", "author_id", "author_name",
            "message_id", "text", "model", "tokens", "is_failed", "sent_at",
        ),
    ),
    Table("replies", ("turn_id", "part", "message_id", "kind"), ("turn_id", "part")),
    Table(
        "files",
        ("sha256", "media_type", "content", "text", "used_at"),
        ("sha256",),
        is_large=True,
    ),
    Table(
        "attachments",
        (
            "turn_id", "number", "file_id", "name", "url", "media_type", "size_bytes", "note",
            "sha256",
        ),
        ("turn_id", "number"),
    ),
    Table(
        "summaries",
        (
            "conversation_id", "after_position", "until_position", "text", "model", "updated_at",
        ),
        ("conversation_id",),
    ),
    Table(
        "pins",
        (
            "conversation_id", "number", "message_id", "text", "author_id", "author_name",
            "pinned_at",
        ),
        ("conversation_id", "number"),
    ),
    Table(
        "background_requests",
        (
            "conversation_id", "number", "purpose", "model", "platform", "workspace", "channel",
            "author_id", "author_name", "input_tokens", "output_tokens", "cached_tokens",
            "written_tokens", "is_estimated", "cost_nanos", "made_at",
        ),
        ("conversation_id", "number"),
    ),
    Table("place_prompts", ("place", "prompt", "updated_at"), ("place",)),
    Table("token_ratios", ("model", "ratio_milli", "updated_at"), ("model",)),
)  # fmt: skip
"""In the order in which they refer to one another."""

OnProgress = Callable[[str, int, int], None]
"""Told of a table, the rows copied so far, and the rows that there are."""


async def copy(source: Database, target: Database, on_progress: OnProgress) -> Mapping[str, int]:
    """Copy all rows, ids and all, in one transaction, and give the number of rows of each table.

    Raises StoreError where the target is not empty or ends up with other counts; it then has
    nothing of it. Nobody may write to either meanwhile.
    """

    async def work(transaction: Transaction) -> Mapping[str, int]:
        if any(_count(await transaction.get("count_rows")).values()):
            raise StoreError(f"{target.name} is not empty. Copy into a new database.")
        async with source.snapshot() as queries:
            expected = _count(await queries.get("count_rows"))
            if not any(expected.values()):
                raise StoreError(f"{source.name} is empty: there is nothing to copy.")
            for table in TABLES:
                await _copy_table(queries, transaction, table, expected[table.name], on_progress)
        await transaction.restart_ids()
        copied = _count(await transaction.get("count_rows"))
        found = _count(await source.find("count_rows"))
        if not copied == expected == found:
            raise StoreError(
                f"{source.name} changed while it was copied: it has {_words(found)}, and "
                f"{_words(copied)} arrived. Stop what uses it, and copy again."
            )
        return copied

    return await target.transact(work)


def _words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {table}" for table, count in counts.items())


def _count(row: Row | None) -> Mapping[str, int]:
    return {table.name: row[table.name] if row else 0 for table in TABLES}


async def _copy_table(
    source: Queries, transaction: Transaction, table: Table, total: int, on_progress: OnProgress
) -> None:
    done = 0
    on_progress(table.name, done, total)
    async for page in _load_pages(source, table):
        await transaction.run_many(f"insert_{table.name}", page)
        done += len(page)
        on_progress(table.name, done, total)


async def _load_pages(source: Queries, table: Table) -> AsyncGenerator[list[Mapping[str, Value]]]:
    max_rows = LARGE_PAGE_ROWS if table.is_large else PAGE_ROWS
    after: dict[str, Value] = {"after": "" if table.key in _TEXT_KEYS else 0, "after_part": _FIRST}
    names = tuple(after)[: len(table.key)]
    place = {name: after[name] for name in names}
    while rows := await source.load(f"load_{table.name}_page", **place, max_rows=max_rows):
        yield [_read(row, table) for row in rows]
        last = rows[-1]
        place = {name: last[column] for name, column in zip(names, table.key, strict=True)}


def _read(row: Row, table: Table) -> Mapping[str, Value]:
    return {column: _convert(column, row[column]) for column in table.columns}


def _convert(column: str, value: Value) -> Value:
    """Give a value as every database takes it: by convention a name says what has no type of its own."""
    if value is None:
        return None
    if column.endswith("_at"):
        return parse_time(value)  # pyright: ignore[reportArgumentType]
    if column.startswith("is_"):
        return bool(value)
    return value
