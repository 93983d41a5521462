"""Brings a database's schema up to date with the numbered files of migrations/.

A migration names in its first line the oldest program that may use its result. An older program
that meets such a database refuses it; one that is new enough uses it, even when it lacks the file.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import aiosqlite

from core.errors import NewerDatabaseError, StoreError
from core.store.database import Queries
from core.store.rows import render_time

_MIGRATIONS = Path(__file__).parent / "migrations"
_NEEDS = re.compile(r"-- needs (\d+(?:\.\d+)*)\n")


@dataclass(frozen=True, slots=True)
class Migration:
    """A numbered step of the schema. `needs` is the oldest program that may use what it leaves."""

    number: int
    name: str
    needs: str
    script: str

    @classmethod
    def read(cls, path: Path) -> Migration:
        """Read a file such as `0001_initial.sql`. Raises ValueError when it is not a migration."""
        number, _, name = path.stem.partition("_")
        script = path.read_text(encoding="utf-8")
        needs = _NEEDS.match(script)
        if needs is None:
            raise ValueError(f"{path.name} must begin with a line `-- needs <version>`")
        return cls(int(number), name, needs[1], script)


def load_migrations(folder: Path = _MIGRATIONS) -> list[Migration]:
    """Read all migrations, in the order of their numbers."""
    return sorted(map(Migration.read, folder.glob("*.sql")), key=lambda migration: migration.number)


def get_program_version() -> str:
    """Give this program's version as installed."""
    return version("skein-bot")


async def migrate(
    connection: aiosqlite.Connection,
    queries: Queries,
    database: str,
    program: str,
    migrations: Sequence[Migration],
) -> None:
    """Apply what is missing, each migration in a transaction of its own.

    Several processes may do this at once on a new file. Raises NewerDatabaseError when the database
    needs a newer program, StoreError when it belongs to another one.
    """
    applied = await _load_applied(queries, database)
    _check_version(applied, database, program)
    for migration in migrations:
        if migration.number not in applied:
            await _apply(connection, queries, database, migration)


async def _load_applied(queries: Queries, database: str) -> Mapping[int, str]:
    tables = {row["name"] for row in await queries.load("list_tables")}
    if not tables:
        return {}
    if "skein_migrations" not in tables:
        raise StoreError(
            f"{database} is a database of another program. Point DATABASE_URL at another file."
        )
    return {row["number"]: row["needs"] for row in await queries.load("load_migrations")}


def _check_version(applied: Mapping[int, str], database: str, program: str) -> None:
    needs = max(applied.values(), key=parse_release, default="0")
    if parse_release(needs) > parse_release(program):
        raise NewerDatabaseError(database, needs)


async def _apply(
    connection: aiosqlite.Connection, queries: Queries, database: str, migration: Migration
) -> None:
    try:
        await connection.execute_fetchall("BEGIN IMMEDIATE")
        # Another process may have applied it while this one waited for the lock.
        if migration.number not in await _load_applied(queries, database):
            for statement in split_statements(migration.script):
                await connection.execute_fetchall(statement)
            await queries.get(
                "record_migration",
                number=migration.number,
                name=migration.name,
                needs=migration.needs,
                now=render_time(datetime.now(UTC)),
            )
        await connection.commit()
    except BaseException:
        await connection.rollback()
        raise


def split_statements(script: str) -> Iterator[str]:
    """Split a script into statements: sqlite3's own `executescript` commits before it begins."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement


def parse_release(text: str) -> tuple[int, ...]:
    """Read `1.10.0rc1` as (1, 10): a pre-release carries the same migrations as its release."""
    digits = re.match(r"\d+(?:\.\d+)*", text)
    release = [int(part) for part in digits[0].split(".")] if digits else []
    while release and release[-1] == 0:
        release.pop()
    return tuple(release)
