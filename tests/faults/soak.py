"""Any number of kills, by hand: `python -m tests.faults.soak --platform slack --kills 250`."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import tempfile
from pathlib import Path

from tests.faults.kills import Killer


async def main() -> int:
    """Kill in rounds, each with a seed of its own; 1 where a question was not answered exactly once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--platform", choices=("slack", "discord"), required=True)
    parser.add_argument("--kills", type=int, default=250)
    parser.add_argument("--round", type=int, default=10, help="kills before all is counted")
    parser.add_argument("--seed", type=int, help="repeat one round")
    parser.add_argument(
        "--logs", action="store_true", help="print what skein logged in a bad round"
    )
    options = parser.parse_args()
    failed = 0
    for done in range(0, options.kills, options.round):
        seed = options.seed if options.seed is not None else secrets.randbelow(2**31)
        kills = min(options.round, options.kills - done)
        with tempfile.TemporaryDirectory() as folder:
            report = await Killer(options.platform, Path(folder), seed).run(kills)
        print(report, flush=True)
        if set(report.counts) != {"answered"}:
            failed += 1
            if options.logs:
                print(report.logs)
        if options.seed is not None:
            break
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
