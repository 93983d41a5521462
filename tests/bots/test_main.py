"""The command line: wrong words, and errors that nobody expected."""

import argparse

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
