"""Two replicas on one database, one of which is killed again and again: as if there were one that lives."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.kills import Killer
from tests.faults.stage import PLATFORMS
from tests.postgres import PostgresServer

KILLS = 4


@pytest.mark.timeout(300)
@pytest.mark.parametrize("platform", PLATFORMS)
async def test_each_question_is_answered_exactly_once_by_either(
    platform: str, tmp_path: Path, postgres: PostgresServer
):
    killer = Killer(platform, tmp_path, seed=2027, database_url=postgres.make_database())
    report = await killer.run(KILLS, replicas=2)
    assert report.questions >= KILLS
    assert report.is_clean, f"{report}\n{report.logs}"
