"""The built wheel holds all that the program needs, and runs elsewhere."""

import asyncio
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import aiohttp
import pytest

from tests.processes import run_program

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return next(out.glob("*.whl"))


def test_sql_and_assets_travel_in_the_wheel(wheel: Path):
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = [
        path.relative_to(ROOT).as_posix()
        for folder in ("bots", "core")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert set(sources) <= names
    assert not [name for name in names if name.startswith(("tests/", "docs/"))]


async def test_the_installed_wheel_opens_the_playground(wheel: Path, tmp_path: Path):
    """Installed with this environment's packages at hand, but with nothing of this checkout."""
    home = tmp_path / "elsewhere"
    home.mkdir()
    environment = tmp_path / "venv"
    await asyncio.to_thread(venv.create, environment, with_pip=False)
    site = next(environment.glob("lib/python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "packages.pth").write_text(f"{packages}\n")
    command = [environment / "bin" / "python", "-P", "-m", "bots", "demo", "--port", "0"]
    async with run_program(command, cwd=home) as program:
        line = await program.wait_for_line(r"http://127\.0\.0\.1:\d+")
        url = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert url
        async with aiohttp.ClientSession() as session, session.get(f"{url[0]}/") as response:
            assert response.status == 200
            assert "Skein" in await response.text()
