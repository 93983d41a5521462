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
    scheme, separator, _ = url.partition("://")
    if scheme not in ("postgresql", "postgres") or not separator:
        raise refuse("this is no address of a PostgreSQL database")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise refuse(
            "the address cannot be read, perhaps for a character in its password"
        ) from None
    database = unquote(parts.path.removeprefix("/"))
    if not database or "/" in database or parts.fragment:
        raise refuse("the address names no database, or has a character that ends it too early")
    host = unquote(parts.netloc.rpartition("@")[2])
    host = host or parse_qs(parts.query).get("host", ["this machine"])[-1]
    return Address(url, f"{database} on {host}")


def refuse(problem: str) -> SettingsError:
    """Make the error for an address that will not do, with the forms that are right."""
    return SettingsError(_VARIABLE, problem, _FORMS)
