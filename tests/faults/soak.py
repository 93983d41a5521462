"""Any number of kills, by hand: `python -m tests.faults.soak --platform slack --store sqlite --kills 250`."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.kills import Killer, Report
from tests.postgres import serve_postgres


def main() -> int:
    """Kill in rounds, each with a seed of its own; 1 where a question was not answered exactly once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--platform", choices=("slack", "discord"), required=True)
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--kills", type=int, default=250)
    parser.add_argument("--round", type=int, default=25, help="kills before all is counted")
    parser.add_argument("--replicas", type=int, default=1, help="more than one takes PostgreSQL")
    parser.add_argument("--waiting", choices=("queue", "merge"), default="queue")
    parser.add_argument("--long", action="store_true", help="some answers take several messages")
    parser.add_argument("--seed", type=int, help="repeat one round")
    parser.add_argument(
        "--logs", action="store_true", help="print what skein logged in a bad round"
    )
    options = parser.parse_args()
    total = Report.nothing()
    with open_stores(options.store) as make_url:
        for done in range(0, options.kills, options.round):
            seed = options.seed if options.seed is not None else secrets.randbelow(2**31)
            kills = min(options.round, options.kills - done)
            with tempfile.TemporaryDirectory() as folder:
                killer = Killer(
                    options.platform,
                    Path(folder),
                    seed,
                    make_url(),
                    options.waiting,
                    is_long=options.long,
                )
                report = asyncio.run(killer.run(kills, options.replicas))
            print(report, flush=True)
            if options.logs and not report.is_clean:
                print(report.logs)
            total = total + report
            if options.seed is not None:
                break
    print(f"in all, {options.platform} on {options.store}: {total.summary}")
    return 0 if total.is_clean else 1


@contextmanager
def open_stores(store: str) -> Generator[Callable[[], str]]:
    """Give what makes an empty database's address; empty means a file beside the program."""
    if store == "sqlite":
        yield lambda: ""
        return
    with serve_postgres() as server:
        yield server.make_database


if __name__ == "__main__":
    sys.exit(main())
