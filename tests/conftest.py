"""What holds for every test: nothing of Skein may block the event loop."""

from collections.abc import Iterator

import pytest
from blockbuster import BlockBuster, blockbuster_ctx

pytest_plugins = ["tests.postgres"]


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Iterator[BlockBuster]:
    with blockbuster_ctx(scanned_modules=["core", "bots"]) as blockbuster:
        for function in blockbuster.functions.values():
            # It looks for a password file and certificates as it connects.
            function.can_block_in("asyncpg/connect_utils.py", "_parse_connect_arguments")
        yield blockbuster
