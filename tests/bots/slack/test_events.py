"""Slack's payloads become what the core knows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.slack.events import (
    Heard,
    Identity,
    is_ts,
    parse_action,
    parse_command,
    parse_message,
    parse_shortcut,
    parse_ts,
)
from core.conversation import Author, ThreadKey

ME = Identity("UBOT", "BBOT", "skein", "T1", "Acme")
TS, ROOT = "1700000001.000200", "1700000000.000100"


def event_of(**fields: Any) -> dict[str, Any]:
    event = {"type": "message", "user": "UADA", "text": "hi", "ts": TS, "channel": "C1"}
    return {"type": "event_callback", "team_id": "T1", "event": {**event, **fields}}


def heard_of(**fields: Any) -> Heard:
    heard = parse_message(event_of(**fields), ME)
    assert heard is not None
    return heard


def test_mention_at_top_level_begins_a_thread() -> None:
    heard = heard_of(type="app_mention", text="<@UBOT> hi")
    assert heard.key == ThreadKey("slack", "T1", "C1", TS)
    assert heard.is_addressed


def test_mention_reads_the_same_whichever_event_brings_it() -> None:
    text = "<@UBOT> hi"
    as_message = heard_of(text=text, channel_type="channel")
    assert heard_of(type="app_mention", text=text) == as_message


NOBODY = replace(ME, user_id="", bot_id="")


def test_event_says_who_the_bot_is_where_the_login_did_not() -> None:
    told = {"authorizations": [{"user_id": "UBOT", "is_bot": True}]}
    question = parse_message({**event_of(text="<@UBOT> hi"), **told}, NOBODY)
    assert question is not None
    assert question.to_incoming({}).text == "hi"
    assert parse_message({**event_of(user="UBOT", channel="D1"), **told}, NOBODY) is None


def test_mention_alone_says_who_the_bot_is() -> None:
    question = parse_message(event_of(type="app_mention", text="<@UBOT> !clear"), NOBODY)
    assert question is not None
    assert question.to_incoming({}).text == "!clear"


def test_reply_in_a_thread_belongs_to_the_thread() -> None:
    heard = heard_of(thread_ts=ROOT)
    assert heard.key == ThreadKey("slack", "T1", "C1", ROOT)
    assert not heard.is_addressed


def test_talk_at_top_level_of_a_channel_is_none_of_its_business() -> None:
    assert parse_message(event_of(), ME) is None
    assert parse_message(event_of(thread_ts=TS), ME) is None


def test_direct_message_at_top_level_is_one_conversation() -> None:
    assert heard_of(channel="D1").key == ThreadKey("slack", "T1", "D1", "")
    assert heard_of(channel="D1", thread_ts=TS).key == ThreadKey("slack", "T1", "D1", "")
    assert heard_of(channel="D1").is_addressed


def test_thread_in_a_direct_message_is_a_conversation_of_its_own() -> None:
    heard = heard_of(channel="D1", thread_ts=ROOT)
    assert heard.key == ThreadKey("slack", "T1", "D1", ROOT)
    assert heard.is_addressed


def test_group_message_needs_a_mention() -> None:
    assert parse_message(event_of(channel="G1", channel_type="mpim"), ME) is None
    assert heard_of(channel="G1", channel_type="mpim", text="<@UBOT> hi").is_addressed


@pytest.mark.parametrize(
    "fields",
    [
        {"bot_id": "B1"},
        {"bot_profile": {"id": "B1"}},
        {"user": "UBOT"},
        {"user": "USLACKBOT"},
        {"user": None},
        {"hidden": True},
        {"ts": "no time"},
        {"channel": ""},
        {"type": "reaction_added"},
        *(
            {"subtype": name}
            for name in ("bot_message", "message_changed", "message_deleted", "channel_join")
        ),
    ],
)
def test_what_no_person_says_is_ignored(fields: dict[str, Any]) -> None:
    assert parse_message(event_of(text="<@UBOT> hi", **fields), ME) is None


@pytest.mark.parametrize("subtype", ["file_share", "thread_broadcast"])
def test_files_and_broadcasts_are_said_by_people(subtype: str) -> None:
    assert heard_of(subtype=subtype, text="<@UBOT> look").is_addressed


def test_empty_payload_is_ignored() -> None:
    assert parse_message({}, ME) is None
    assert parse_message({"event": None}, ME) is None


def test_incoming_has_names_for_ids_and_the_platforms_time() -> None:
    heard = heard_of(text="<@UBOT> ask <@UBEN>", channel="D1")
    assert heard.user_ids == ("UADA", "UBEN")
    incoming = heard.to_incoming({"UADA": "Ada", "UBEN": "Ben"})
    assert incoming.author == Author("UADA", "Ada")
    assert incoming.text == "ask @Ben"
    assert incoming.message_id == TS
    assert incoming.sent_at == datetime(2023, 11, 14, 22, 13, 21, 200, tzinfo=UTC)


def test_forwarded_words_come_along_and_mention_nobody() -> None:
    forwarded = {"is_share": True, "author_name": "Fig", "text": "<@UBOT> rose &amp; fell"}
    heard = heard_of(thread_ts=ROOT, attachments=[forwarded, {"text": "a preview"}])
    assert heard.to_incoming({}).text == "hi\n\n[forwarded from Fig]\n rose & fell"
    assert not heard.is_addressed


def test_author_without_a_name_is_called_by_id() -> None:
    assert heard_of(channel="D1").to_incoming({}).author == Author("UADA", "UADA")


@given(st.integers(0, 2**31), st.integers(0, 999_999))
def test_timestamp_is_read_to_the_microsecond(seconds: int, microseconds: int) -> None:
    ts = f"{seconds}.{microseconds:06d}"
    assert is_ts(ts)
    instant = parse_ts(ts)
    assert (int(instant.timestamp()), instant.microsecond) == (seconds, microseconds)


@pytest.mark.parametrize("value", [None, "", "1", "1.", ".1", "a.b", "1.1234567", "²³.¹", 1.5])
def test_what_is_no_timestamp_is_told_apart(value: object) -> None:
    assert not is_ts(value)


def test_slash_command_is_read() -> None:
    body = {
        "command": "/model",
        "text": " gpt-4o ",
        "user_id": "UADA",
        "team_id": "T1",
        "channel_id": "D1",
        "response_url": "https://hooks/1",
    }
    asked = parse_command(body, ME)
    assert (asked.name, asked.argument, asked.user_id) == ("model", "gpt-4o", "UADA")
    assert asked.key == ThreadKey("slack", "T1", "D1")
    assert asked.is_direct


def test_shortcut_is_about_the_messages_thread() -> None:
    body: dict[str, Any] = {
        "team": {"id": "T1"},
        "channel": {"id": "C1"},
        "user": {"id": "UADA"},
        "message": {"ts": TS, "thread_ts": ROOT},
    }
    asked = parse_shortcut(body, "clear", ME)
    assert asked is not None
    assert asked.key == ThreadKey("slack", "T1", "C1", ROOT)
    assert parse_shortcut({"channel": {"id": "C1"}, "message": {}}, "clear", ME) is None


def test_action_is_read_and_an_empty_one_does_no_harm() -> None:
    body: dict[str, Any] = {
        "team": {"id": "T1"},
        "channel": {"id": "C1"},
        "user": {"id": "UADA"},
        "actions": [{"action_id": "x", "selected_option": {"value": "v"}}],
    }
    asked, value = parse_action(body, ME)
    assert (asked.name, value, asked.key.channel) == ("x", "v", "C1")
    assert parse_action({}, ME)[1] == ""
