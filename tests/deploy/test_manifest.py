"""The Slack manifest is valid, and declares what the frontend listens to."""

import json
from pathlib import Path

import pytest
from jsonschema.validators import validator_for

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT.parent / "shared" / "specs" / "slack_manifest.schema.2.0.0.json"
SCOPELESS = {"app_uninstalled", "tokens_revoked"}
MANIFEST = json.loads((ROOT / "deploy" / "slack-manifest.json").read_text())


def test_the_manifest_is_valid():
    if not SCHEMA.exists():
        pytest.skip("Slack's manifest schema is not beside this repository")
    schema = json.loads(SCHEMA.read_text())
    validator = validator_for(schema)(schema)
    assert [error.message for error in validator.iter_errors(MANIFEST)] == []


def test_every_event_has_its_scope():
    scopes = set(MANIFEST["oauth_config"]["scopes"]["bot"])
    needed = {
        "app_mention": "app_mentions:read",
        "message.channels": "channels:history",
        "message.groups": "groups:history",
        "message.im": "im:history",
        "message.mpim": "mpim:history",
    }
    for event in MANIFEST["settings"]["event_subscriptions"]["bot_events"]:
        assert event in SCOPELESS or needed[event] in scopes


def test_the_frontend_handles_every_command_and_shortcut():
    source = "\n".join(path.read_text() for path in (ROOT / "bots" / "slack").glob("*.py"))
    names = [command["command"] for command in MANIFEST["features"]["slash_commands"]]
    names += [shortcut["callback_id"] for shortcut in MANIFEST["features"]["shortcuts"]]
    for name in names:
        assert f'"{name.removeprefix("/")}"' in source, name


def test_the_container_has_the_programs_files():
    ignored = (ROOT / ".dockerignore").read_text()
    for line in (ROOT / "deploy" / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists()
                assert f"!{source}" in ignored.splitlines()
