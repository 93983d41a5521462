"""The container's health check, as Docker runs it, against the real pages."""

import json
import re
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from bots.http.health import Health
from bots.http.readiness import Readiness
from bots.http.server import serve_pages
from bots.link import Link
from tests.processes import clean_environment, run_program

DEPLOY = Path(__file__).parents[2] / "deploy"


async def check_health(folder: Path, path: str = "", **variables: str) -> int:
    """Run the Dockerfile's command, with this machine's paths; `path` asks another page."""
    command = re.search(
        r"HEALTHCHECK.*?CMD (\[.*?\])", (DEPLOY / "Dockerfile").read_text(), re.DOTALL
    )
    assert command
    python, script, page = json.loads(command[1])
    assert python == "/opt/skein/bin/python"
    environment = clean_environment(**variables)
    async with run_program(
        (sys.executable, DEPLOY / Path(script).name, path or page),
        cwd=folder,
        environment=environment,
    ) as program:
        return await program.wait()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", ""])  # noqa: S104 -- the setting
async def test_it_asks_whether_the_bot_is_there_and_if_told_whether_it_is_ready(
    tmp_path: Path, host: str
):
    link = Link()
    pages = [Health(Readiness({"store": link}, timedelta(), lambda: False))]
    async with serve_pages(pages, host or "127.0.0.1", 0) as [url]:
        variables = {"HTTP_PORT": url.rpartition(":")[2], "HTTP_HOST": host}
        variables["http_proxy"] = "http://127.0.0.1:9"
        assert await check_health(tmp_path, **variables) == 0
        assert await check_health(tmp_path, "/readyz", **variables) == 1
        link.connect()
        assert await check_health(tmp_path, "/readyz", **variables) == 0
    assert await check_health(tmp_path, **variables) == 1


async def test_a_bot_that_tells_no_health_is_not_unhealthy(tmp_path: Path):
    assert await check_health(tmp_path, HTTP_PORT="") == 0
    assert await check_health(tmp_path, HTTP_PORT="0") == 0
