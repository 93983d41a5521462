"""Brings a database's schema up to date with the numbered files of migrations/.

A migration names in its first line the oldest program that may use its result. An older program
that meets such a database refuses it; one that is new enough uses it, even when it lacks the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from core.errors import NewerDatabaseError, StoreError
from core.store.database import Queries
from core.store.rows import Row

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

    def __str__(self) -> str:
        return f"{self.number:04} {self.name}"


class Migrator(Protocol):
    """A database that can be migrated."""

    @property
    def name(self) -> str:
        """What people call the database."""
        ...

    @property
    def backend(self) -> str:
        """The folder of its migrations."""
        ...

    async def load(self, name: str, /) -> list[Row]:
        """Run a named query that takes no values. Raises StoreError."""
        ...

    def alone(self) -> AbstractAsyncContextManager[Queries]:
        """Begin a transaction beside which no other migration runs; an error undoes it.

        Raises StoreError, also in place of the database's own errors in its body.
        """
        ...

    async def run(self, script: str) -> None:
        """Run the statements of a migration."""
        ...


def load_migrations(backend: str) -> list[Migration]:
    """Read all migrations of a backend, in the order of their numbers."""
    files = (_MIGRATIONS / backend).glob("*.sql")
    return sorted(map(Migration.read, files), key=lambda migration: migration.number)


def get_program_version() -> str:
    """Give this program's version as installed."""
    return version("skein-bot")


async def migrate(
    migrator: Migrator, program: str, migrations: Sequence[Migration]
) -> list[Migration]:
    """Apply what is missing, each migration in a transaction of its own, and give what was applied.

    Several processes may do this at once on a new database. Raises NewerDatabaseError when the
    database needs a newer program, StoreError when it belongs to another one.
    """
    pending = await find_pending(migrator, program, migrations)
    return [migration for migration in pending if await _apply(migrator, migration)]


async def find_pending(
    migrator: Migrator, program: str, migrations: Sequence[Migration]
) -> list[Migration]:
    """Say which migrations are missing. Raises as `migrate` does."""
    applied = await _load_applied(migrator)
    _check_version(applied, migrator.name, program)
    return [migration for migration in migrations if migration.number not in applied]


async def _load_applied(migrator: Migrator) -> Mapping[int, str]:
    tables = {row["name"] for row in await migrator.load("list_tables")}
    if not tables:
        return {}
    if "skein_migrations" not in tables:
        raise StoreError(
            f"{migrator.name} is a database of another program. Point DATABASE_URL at another one."
        )
    return {row["number"]: row["needs"] for row in await migrator.load("load_migrations")}


def _check_version(applied: Mapping[int, str], database: str, program: str) -> None:
    needs = max(applied.values(), key=parse_release, default="0")
    if parse_release(needs) > parse_release(program):
        raise NewerDatabaseError(database, needs)


async def _apply(migrator: Migrator, migration: Migration) -> bool:
    async with migrator.alone() as queries:
        # Another process may have applied it while this one waited to be alone.
        if migration.number in await _load_applied(migrator):
            return False
        await migrator.run(migration.script)
        await queries.get(
            "record_migration",
            number=migration.number,
            name=migration.name,
            needs=migration.needs,
            now=datetime.now(UTC),
        )
        return True


def parse_release(text: str) -> tuple[int, ...]:
    """Read `1.10.0rc1` as (1, 10): a pre-release carries the same migrations as its release."""
    digits = re.match(r"\d+(?:\.\d+)*", text)
    release = [int(part) for part in digits[0].split(".")] if digits else []
    while release and release[-1] == 0:
        release.pop()
    return tuple(release)
