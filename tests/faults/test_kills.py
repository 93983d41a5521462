"""Whatever dies: each question that a platform handed over gets exactly one whole reply.

40 kills in all, at seeded moments; `make soak` runs any number.
"""

from pathlib import Path

import pytest

from tests.faults.kills import Killer
from tests.postgres import PostgresServer

KILLS = 8


@pytest.mark.timeout(300)
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_each_question_is_answered_exactly_once(
    platform: str, database: str, tmp_path: Path, request: pytest.FixtureRequest
):
    url = ""
    if database == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.make_database()
    report = await Killer(platform, tmp_path, seed=2026, database_url=url).run(KILLS)
    assert report.questions >= KILLS
    assert report.is_clean, f"{report}\n{report.logs}"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("platform", "database"), [("slack", "sqlite"), ("discord", "postgres")])
async def test_each_question_is_answered_exactly_once_where_replies_are_shared(
    platform: str, database: str, tmp_path: Path, request: pytest.FixtureRequest
):
    url = ""
    if database == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.make_database()
    killer = Killer(platform, tmp_path, seed=2026, database_url=url, waiting="merge")
    report = await killer.run(KILLS // 2)
    assert report.shared > 0
    assert report.is_clean, f"{report}\n{report.logs}"
