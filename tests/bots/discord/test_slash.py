"""Slash commands: acknowledged in time, shown to whom they concern, registered only when they changed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bots.playground.base import Fault
from bots.playground.discord import ADA, GENERAL_CHANNEL, SimulatedDiscord
from tests.bots.discord.kit import Skein, running_skein, serving

ADAS_DM = "1191168811600000301"
REGISTER = "PUT /applications/*/commands"


@pytest.fixture
async def declared(skein: Skein) -> Skein:
    await skein.server.wait_for_call(REGISTER)
    return skein


async def test_clear_is_seen_by_all_and_the_conversation_starts_afresh(declared: Skein) -> None:
    await declared.ask("@skein my name is Ada")
    assert await declared.server.command("Ada", GENERAL_CHANNEL, "clear") == ""
    reply = await declared.server.wait_for_reply(GENERAL_CHANNEL, "Cleared")
    assert reply["visible_to"] == ""
    await declared.ask("@skein who am I?")
    assert len(declared.models.requests[-1].messages) == 1


async def test_clear_in_a_thread_leaves_its_channel(declared: Skein) -> None:
    await declared.ask("@skein in the channel")
    thread = await declared.server.start_thread("Ada", GENERAL_CHANNEL, "aside")
    await declared.ask("@skein in the thread", thread)
    assert await declared.server.command("Ada", thread, "clear") == ""
    await declared.server.wait_for_reply(thread, "Cleared")
    await declared.ask("@skein again", thread)
    assert len(declared.models.requests[-1].messages) == 1
    await declared.ask("@skein again")
    assert len(declared.models.requests[-1].messages) == 3


async def test_a_chosen_model_answers_and_all_see_the_choice(declared: Skein) -> None:
    assert await declared.server.command("Ada", GENERAL_CHANNEL, "model", "other") == ""
    reply = await declared.server.wait_for_reply(GENERAL_CHANNEL, "fake/other")
    assert reply["visible_to"] == ""
    await declared.ask("@skein hello")
    assert declared.models.requests[-1].model == "other"


async def test_a_look_at_the_model_is_seen_by_the_one_who_looks(declared: Skein) -> None:
    assert await declared.server.command("Ada", GENERAL_CHANNEL, "model") == ""
    reply = await declared.server.wait_for_reply(GENERAL_CHANNEL, "fake/model")
    assert reply["visible_to"] == ADA


async def test_ones_own_usage_is_seen_by_oneself_alone(declared: Skein) -> None:
    await declared.ask("@skein hello")
    assert await declared.server.command("Ada", GENERAL_CHANNEL, "usage") == ""
    reply = await declared.server.wait_for_reply(
        GENERAL_CHANNEL, "Today you used 1 message, 15 tokens"
    )
    assert reply["visible_to"] == ADA


async def test_an_unknown_model_is_answered_with_a_sentence(declared: Skein) -> None:
    assert await declared.server.command("Ada", GENERAL_CHANNEL, "model", "gtp-9") == ""
    await declared.server.wait_for_reply(GENERAL_CHANNEL, "I can't use that model")


async def test_commands_work_in_direct_messages(declared: Skein) -> None:
    await declared.ask("my name is Ada", ADAS_DM)
    assert await declared.server.command("Ada", ADAS_DM, "clear") == ""
    await declared.server.wait_for_reply(ADAS_DM, "Cleared")


async def test_models_are_completed_as_one_types(declared: Skein) -> None:
    assert await declared.server.complete("Ada", GENERAL_CHANNEL, "model", "OTH") == ["other"]
    assert len(await declared.server.complete("Ada", GENERAL_CHANNEL, "model", "")) == 2


async def test_no_more_choices_are_offered_than_discord_takes(declared: Skein) -> None:
    names = ("x" * 101, *(f"model-{number}" for number in range(60)))
    declared.models.list_models = lambda: names  # type: ignore[method-assign]
    offered = await declared.server.complete("Ada", GENERAL_CHANNEL, "model", "")
    assert 0 < len(offered) <= 25
    assert max(map(len, offered)) <= 100


async def test_a_command_is_acknowledged_before_it_is_done(
    declared: Skein, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that fails is told to the one who asked; the note for all goes."""

    async def fail(*_: object) -> str:
        assert any(call.path.endswith("/callback") for call in declared.server.calls)
        raise RuntimeError("broken: 10.0.0.1")

    commands = declared.frontend._commands  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(commands, "run", fail)
    assert await declared.server.command("Ada", GENERAL_CHANNEL, "clear") == ""
    reply = await declared.server.wait_for_reply(GENERAL_CHANNEL, "Something went wrong")
    assert reply["visible_to"] == ADA
    assert [each["id"] for each in declared.replies()] == [reply["id"]]


async def test_a_command_acknowledged_too_late_is_not_done(
    declared: Skein, caplog: pytest.LogCaptureFixture
) -> None:
    callback = "POST /interactions/*/*/callback"
    declared.server.faults.add(Fault(callback, status=404, error="10062"))
    await declared.server.command("Ada", GENERAL_CHANNEL, "model", "other")
    await declared.ask("@skein hello")
    assert declared.models.requests[-1].model != "other"
    assert [each.getMessage() for each in caplog.records if each.exc_info] == []
    assert "/model came to nothing" in caplog.text


async def test_commands_are_registered_once_and_not_at_every_start(
    server: SimulatedDiscord, tmp_path: Path
) -> None:
    for _ in range(2):
        async with running_skein(server, tmp_path) as skein:
            await server.wait_for_call("GET /applications/*/commands")
            await skein.ask("@skein hello")
    assert len(await server.wait_for_call(REGISTER)) == 1


async def test_the_bot_answers_even_if_its_commands_cannot_be_registered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as server:
        server.faults.add(Fault("GET /applications/*/commands", status=403, error="50001"))
        async with running_skein(server, tmp_path) as skein:
            await server.wait_for_call("GET /applications/*/commands")
            assert (await skein.ask("@skein hello"))["text"] == "Answer to hello"
    assert "slash commands are not registered" in caplog.text


async def test_a_slow_registration_does_not_hold_up_the_end(tmp_path: Path) -> None:
    async with serving() as server:
        slow = Fault("GET /applications/*/commands", delay=timedelta(seconds=1), is_slow_only=True)
        server.faults.add(slow)
        async with running_skein(server, tmp_path) as skein:
            await skein.ask("@skein hello")
