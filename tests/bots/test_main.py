"""The command line: wrong words, and errors that nobody expected."""

import argparse
import signal
import subprocess
import sys

import pytest

import bots.__main__ as program


@pytest.mark.parametrize("port", ["-1", "65536", "http", "8.5", ""])
def test_what_is_no_port_is_told_in_one_line(port: str, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        program.main(["demo", f"--port={port}"])
    assert ended.value.code == 2
    assert "is no port" in capsys.readouterr().err


def test_an_unexpected_error_goes_through_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    async def fall_over(options: argparse.Namespace) -> int:
        raise ValueError("wss://x.example/?ticket=abcdef123456")

    parser = argparse.ArgumentParser()
    parser.set_defaults(run=fall_over)
    monkeypatch.setattr(program, "build_parser", lambda: parser)
    assert program.main([]) == 1
    [record] = caplog.records
    assert record.exc_info


@pytest.mark.parametrize(("command", "status"), [("run", 0), ("demo", 0), ("backup", 143)])
def test_a_sigterm_before_a_command_has_begun_ends_the_program_without_a_crash(
    command: str, status: int
):
    start_and_stop = (
        "import os, signal, sys, bots.__main__ as program\n"
        "program.build_parser = lambda: os.kill(os.getpid(), signal.SIGTERM)\n"
        f"sys.exit(program.main([{command!r}]))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", start_and_stop], capture_output=True, timeout=50, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (status, b"", b"")


def test_sigterm_is_left_as_it_was():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit):
        program.main(["--version"])
    assert signal.getsignal(signal.SIGTERM) is before
