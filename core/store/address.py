"""Where DATABASE_URL says a PostgreSQL database is, and what it may be called without its secrets."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from core.errors import SettingsError

_VARIABLE = "DATABASE_URL"
_FORMS = (
    "Write postgresql://user:password@host:5432/database, or "
    "postgresql://user@/database?host=/run/postgresql for a Unix socket; in the password write "
    "special characters as %40 for @, %2F for / and so on."
)


@dataclass(frozen=True, slots=True)
class Address:
    """A PostgreSQL database. Only `name` may be shown: the address may hold a password."""

    url: str = field(repr=False)
    name: str


def parse_postgres_url(url: str) -> Address:
    """Read `postgresql://` or `postgres://`. Raises SettingsError, which never quotes the address."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise refuse(
            "the address cannot be read, perhaps for a character in its password"
        ) from None
    if parts.scheme not in ("postgresql", "postgres"):
        raise refuse("this is no address of a PostgreSQL database")
    database = unquote(parts.path.removeprefix("/"))
    if not database or "/" in database:
        raise refuse("the address names no database")
    if parts.fragment:
        raise refuse("the address has a # in it")
    host = unquote(
        parts.netloc.rpartition("@")[2].partition(":")[0] if port else _host(parts.netloc)
    )
    host = host or parse_qs(parts.query).get("host", [""])[-1]
    place = f"{host or 'this machine'}:{port}" if port else host or "this machine"
    return Address(url, f"{database} on {place}")


def refuse(problem: str) -> SettingsError:
    """Make the error for a wrong address, with the forms that are right."""
    return SettingsError(_VARIABLE, problem, _FORMS)


def _host(netloc: str) -> str:
    return netloc.rpartition("@")[2].removesuffix(":")
