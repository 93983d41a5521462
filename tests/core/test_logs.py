"""No secret gets into the log, wherever it stands."""

import io
import json
import logging

import pytest

from core.adapters import find_key
from core.logs import configure_logs


@pytest.fixture(autouse=True)
def restored_logging():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets_are_hidden_in_message_and_traceback(form: str):
    out = io.StringIO()
    configure_logs("info", form, ["hunter2-hunter2"], out)  # type: ignore[arg-type]
    log = logging.getLogger("skein.test")
    try:
        raise ValueError("the key hunter2-hunter2 and wss://x/?ticket=abcdef123456&app=1")
    except ValueError:
        log.exception("token %s and %s", "hunter2-hunter2", "xoxb-1234567890-abcdef")
    logged = out.getvalue()
    assert "hunter2-hunter2" not in logged
    assert "xoxb-1234567890" not in logged
    assert "abcdef123456" not in logged
    assert "[hidden]" in logged


def test_json_lines_are_json():
    out = io.StringIO()
    configure_logs("info", "json", [], out)
    logging.getLogger("skein.test").info("all %s", "well")
    entry = json.loads(out.getvalue())
    assert entry["message"] == "all well"
    assert entry["level"] == "info"


def test_other_libraries_speak_from_warning_on():
    out = io.StringIO()
    configure_logs("info", "text", [], out)
    logging.getLogger("aiohttp.access").info("GET /")
    logging.getLogger("discord").warning("a shard fell over")
    assert "GET /" not in out.getvalue()
    assert "a shard fell over" in out.getvalue()


def test_a_key_that_is_read_later_is_hidden_from_then_on(monkeypatch: pytest.MonkeyPatch):
    out = io.StringIO()
    configure_logs("info", "text", ["known-before"], out)
    monkeypatch.setenv("OFFICE_KEY", "a-key-of-ones-own")
    assert find_key("OFFICE_KEY")
    logging.getLogger("skein.test").info("%s and %s", "a-key-of-ones-own", "known-before")
    assert "[hidden] and [hidden]" in out.getvalue()
