"""Settings come from the environment and .env; a wrong one stops with one line that helps."""

from pathlib import Path

import pytest
from dotenv import dotenv_values

from core.errors import SettingsError
from core.settings import Settings, load_settings

EXAMPLE = Path(__file__).parents[2] / ".env.example"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_example_names_every_setting_and_no_other():
    assert set(dotenv_values(EXAMPLE)) == {name.upper() for name in Settings.model_fields}


def test_the_example_gives_every_default():
    from_example = Settings(_env_file=EXAMPLE)  # pyright: ignore[reportCallIssue]
    assert from_example.model_dump() == load_settings(use_environment=False).model_dump()


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch):
    Path(".env").write_text("MODEL=from-file\nMODELS=a, b ,,c\n")
    monkeypatch.setenv("MODEL", "from-environment")
    settings = load_settings()
    assert settings.model == "from-environment"
    assert settings.models == ("a", "b", "c")


def test_given_settings_alone_count_without_the_environment(monkeypatch: pytest.MonkeyPatch):
    Path(".env").write_text("SLACK_BOT_TOKEN=xoxb-real\n")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real")
    settings = load_settings(use_environment=False, model="demo/echo")
    assert settings.model == "demo/echo"
    assert settings.secrets() == ()


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("RETENTION_DAYS", "many", "a whole number"),
        ("RETENTION_DAYS", "-1", "at least 0"),
        ("TEMPERATURE", "3", "at most 2"),
        ("LOG_FORMAT", "xml", "'text' or 'json'"),
        ("OPENAI_BASE_URL", "localhost:8000", "http://"),
        ("OPENAI_BASE_URL", "http://me:secret@127.0.0.1/v1", "without a user or password"),
        ("OPENAI_BASE_URL", "http://127.0.0.1/v1?key=secret", "ends before ? and #"),
        ("ANTHROPIC_BASE_URL", "http://", "a host"),
        ("MAX_REQUESTS_PER_MINUTE", "0", "at least 1"),
        ("SHUTDOWN_SECONDS", "soon", "a number"),
        ("HTTP_PORT", "http", "a whole number"),
        ("HTTP_PORT", "65536", "at most 65535"),
        ("HTTP_PORT", "-1", "at least 0"),
        ("READINESS_GRACE_SECONDS", "-1", "at least 0"),
    ],
)
def test_a_wrong_value_is_one_line_with_variable_and_mend(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str
):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    line = str(caught.value)
    assert line.startswith(f"{variable}: ")
    assert expected in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://slack.com/api/", "https://slack.com/api/"),
        ("https://slack.com/api", "https://slack.com/api/"),
    ],
)
def test_slack_address_ends_with_a_slash(monkeypatch: pytest.MonkeyPatch, given: str, used: str):
    monkeypatch.setenv("SLACK_API_URL", given)
    assert load_settings().slack_api_url == used


def test_no_secret_shows_in_a_repr_or_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-very-secret")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    settings = load_settings()
    assert "very-secret" not in repr(settings)
    assert set(settings.secrets()) == {"xoxb-very-secret", "sk-very-secret"}


def test_an_empty_value_is_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TEMPERATURE", "")
    monkeypatch.setenv("SLACK_BOT_TOKEN", "")
    settings = load_settings()
    assert settings.temperature is None
    assert settings.slack_bot_token is None


@pytest.mark.parametrize(
    "written",
    [
        b"\xef\xbb\xbfMODEL=demo/echo\nSLACK_BOT_TOKEN=xoxb-1\n",
        b"MODEL=demo/echo\r\nSLACK_BOT_TOKEN=xoxb-1\r\n",
        b"export MODEL='demo/echo'\nSLACK_BOT_TOKEN=\"xoxb-1 \"\n",
        b"# a note\n\nMODEL = demo/echo\nSLACK_BOT_TOKEN=xoxb-1  # mine",
    ],
    ids=["byte order mark", "Windows line ends", "export and quotes", "notes and blanks"],
)
def test_a_file_is_read_however_it_was_written(written: bytes):
    Path(".env").write_bytes(written)
    settings = load_settings()
    assert settings.model == "demo/echo"
    assert settings.secrets() == ("xoxb-1",)


def test_white_space_around_a_token_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DISCORD_BOT_TOKEN", " a-token\n")
    assert load_settings().secrets() == ("a-token",)


def test_a_file_that_is_no_text_stops_only_those_who_read_it():
    Path(".env").write_bytes("MODEL=demo/echo".encode("utf-16"))
    with pytest.raises(SettingsError, match=r"\.env: is not UTF-8"):
        load_settings()
    load_settings(use_environment=False)


def test_a_file_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", ".env")

    monkeypatch.setattr("pydantic_settings.sources.providers.dotenv.dotenv_values", refuse)
    Path(".env").write_text("MODEL=demo/echo")
    with pytest.raises(SettingsError, match=r"\.env: cannot be read: Permission denied"):
        load_settings()
