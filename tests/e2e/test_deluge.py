"""LM Deluge the whole way: `skein run` with one of its models, and without the library."""

from __future__ import annotations

from pathlib import Path

from tests.core.providers.scripted_server import Answer
from tests.e2e.conftest import World
from tests.processes import SKEIN, clean_environment, run_program

REGISTER = """
from lm_deluge.models import register_model
register_model(
    id="scripted", name="scripted", api_base={url!r}, api_key_env_var="SCRIPTED_KEY", provider="openai"
)
"""
MISSING = """
import sys
sys.modules["lm_deluge"] = None
"""


def begin_with(folder: Path, code: str) -> dict[str, str]:
    """Have a Python that starts with these settings run some code first."""
    (folder / "sitecustomize.py").write_text(code)
    root = Path(__file__).parents[2]
    return {"PYTHONPATH": f"{folder}:{root}"}


async def test_a_model_of_lm_deluge_answers_with_a_key_from_the_env_file(
    world: World, tmp_path: Path
) -> None:
    (world.folder / ".env").write_text("SCRIPTED_KEY=sk-scripted-0123456789\n")
    world.model.key = "sk-scripted-0123456789"
    world.model.default = Answer("Hello", " by deluge.")
    begun = begin_with(tmp_path, REGISTER.format(url=world.model.openai_url))
    async with world.skein("slack", OPENAI_BASE_URL="", MODEL="deluge/scripted", **begun):
        place = world.place("slack")
        await place.ask("hello")
        await place.wait_for("Hello by deluge.")
    assert world.model.requests[0].payload["model"] == "scripted"


async def test_without_the_library_it_says_what_to_install(tmp_path: Path) -> None:
    environment = clean_environment(
        MODEL="deluge/gpt-4o", DISCORD_BOT_TOKEN="x", **begin_with(tmp_path, MISSING)
    )
    async with run_program((*SKEIN, "run"), cwd=tmp_path, environment=environment) as program:
        assert await program.wait() == 2
    [line] = [line for line in program.output.splitlines() if line.startswith("skein: ")]
    assert "pip install 'skein-bot[deluge]'" in line
    assert "Traceback" not in program.output
